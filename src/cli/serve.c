#include "base/log.h"
#include "base/yaml.h"
#include "cli/verbs.h"
#include "server/server.h"

#define DEFAULT_DATA "repoint-data"
#define UPLOAD_EXPIRY_MAX_MS (365 * 86400 * G_GINT64_CONSTANT (1000))

static struct {
  char *data;
  char *listen;
  char *port_file;
  char *upload_expiry;
  gboolean allow_anonymous;
  gboolean anonymous_pull;
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
    "Listen beyond loopback although there is no account and nobody is asked who they are", NULL },
  { "anonymous-pull", 0, 0, G_OPTION_ARG_NONE, &options.anonymous_pull,
    "Let those without an account pull", NULL },
  { "port-file", 0, 0, G_OPTION_ARG_FILENAME, &options.port_file,
    "Write the port there once the server answers", "FILE" },
  { "upload-expiry", 0, 0, G_OPTION_ARG_FILENAME, &options.upload_expiry,
    "Delete uploads to which nothing was added for so long (default 24h)", "DURATION" },
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
    .anonymous_pull = options.anonymous_pull,
  };
  if (options.upload_expiry != NULL
      && (!rp_duration_parse_ms (options.upload_expiry, &server.upload_expiry_ms)
          || server.upload_expiry_ms < 1000 || server.upload_expiry_ms > UPLOAD_EXPIRY_MAX_MS))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "--upload-expiry: expected a duration from 1s to 365d, such as 12h, found `%s`",
                   options.upload_expiry);
      return FALSE;
    }
  if (options.verbose)
    rp_log_set_level (RP_LOG_DEBUG);
  return rp_server_run (&server, error);
}
