#include "base/log.h"
#include "cli/verbs.h"
#include "server/server.h"

#define DEFAULT_DATA "repoint-data"

static struct {
  char *data;
  char *listen;
  char *port_file;
  gboolean allow_anonymous;
  gboolean verbose;
} options;

const GOptionEntry rp_serve_options[] = {
  { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data,
    "Data directory, made where it is missing (or REPOINT_DATA; default ./" DEFAULT_DATA ")",
    "DIR" },
  { "listen", 0, 0, G_OPTION_ARG_FILENAME, &options.listen,
    "Address to listen on; port 0: any free one (default " RP_SERVER_LISTEN_DEFAULT ")",
    "HOST:PORT" },
  { "allow-anonymous", 0, 0, G_OPTION_ARG_NONE, &options.allow_anonymous,
    "Listen beyond loopback although nobody is asked who they are", NULL },
  { "port-file", 0, 0, G_OPTION_ARG_FILENAME, &options.port_file,
    "Write the port there once the server answers", "FILE" },
  { "verbose", 'v', 0, G_OPTION_ARG_NONE, &options.verbose, "Log what is usually not worth it",
    NULL },
  G_OPTION_ENTRY_NULL
};

gboolean
rp_serve_run (RpCli *cli, char **args, GError **error)
{
  (void) cli;
  (void) args;
  const char *data = g_getenv ("REPOINT_DATA");
  if (options.data != NULL)
    data = options.data;
  RpServerOptions server = {
    .data_dir = data != NULL && *data != '\0' ? data : DEFAULT_DATA,
    .listen = options.listen,
    .port_file = options.port_file,
    .allow_anonymous = options.allow_anonymous,
  };
  if (options.verbose)
    rp_log_set_level (RP_LOG_DEBUG);
  return rp_server_run (&server, error);
}
