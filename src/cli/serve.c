#include <string.h>

#include "cli/verbs.h"
#include "server/settings.h"

static char *config_file;
static const char *ca_file; /* of --ca-file, which all verbs have; or NULL */
static GHashTable *flags; /* what the command line says: name of the setting → text; it wins over the file */

static gboolean
take_flag (const char *name, const char *value, gpointer data, GError **error)
{
  (void) data;
  (void) error;
  const char *setting = strcmp (name, "-v") == 0 ? "verbose" : name + strspn (name, "-");
  if (flags == NULL)
    flags = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_hash_table_replace (flags, g_strdup (setting), g_strdup (value != NULL ? value : "true"));
  return TRUE;
}

#define VALUE 0, G_OPTION_FLAG_FILENAME, G_OPTION_ARG_CALLBACK, __extension__ (gpointer) take_flag
#define SWITCH G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, __extension__ (gpointer) take_flag

const GOptionEntry rp_serve_options[] = {
  { "config", 'c', 0, G_OPTION_ARG_FILENAME, &config_file,
    "Read server.yaml; flags win over it, and SIGHUP reads it again", "FILE" },
  { "data", VALUE, "Data directory, made where it is missing (or REPOINT_DATA; default ./repoint-data)",
    "DIR" },
  { "listen", VALUE,
    "Address to listen on; port 0: any free one (default " RP_SERVER_LISTEN_DEFAULT ")",
    "HOST:PORT" },
  { "allow-anonymous", 0, SWITCH,
    "Listen beyond loopback although there is no account and nobody is asked who they are", NULL },
  { "anonymous-pull", 0, SWITCH, "Let those without an account pull", NULL },
  { "port-file", VALUE, "Write the port there once the server answers", "FILE" },
  { "tls-cert", VALUE,
    "Speak TLS with this certificate, in PEM, those between it and the root behind it", "FILE" },
  { "tls-key", VALUE, "The key of the certificate, in PEM", "FILE" },
  { "upload-expiry", VALUE,
    "Delete uploads to which nothing was added for so long (default 24h)", "DURATION" },
  { "verify-reads", VALUE,
    "Hash this share of the blobs that are pulled whole, and cut off what is damaged (default off)", "SHARE" },
  { "retention-every", VALUE, "Apply lifecycle policies so often (default 1h)", "DURATION" },
  { "ready-every", VALUE, "Look so often whether all environments could go back (default 1m)", "DURATION" },
  { "user", VALUE, "Become this user once the sockets are bound; started by root", "USER" },
  { "group", VALUE, "With this group (default: the user's own)", "GROUP" },
  { "confine", VALUE, "Give up what of the machine is not needed: auto, require or off (default auto)", "MODE" },
  { "limit-pull-address", VALUE, "Let one address pull so often (20/s, 600/m, 10000/h; default off)", "RATE" },
  { "limit-pull-account", VALUE, "Let one account pull so often", "RATE" },
  { "limit-push-address", VALUE, "Let one address push so often", "RATE" },
  { "limit-push-account", VALUE, "Let one account push so often", "RATE" },
  { "limit-api-address", VALUE, "Let one address ask the API so often", "RATE" },
  { "limit-api-account", VALUE, "Let one account ask the API so often", "RATE" },
  { "limit-connections", VALUE, "Most connections at a time (default off)", "NUMBER" },
  { "limit-connections-address", VALUE, "Most connections at a time from one address (default off)", "NUMBER" },
  { "log-format", VALUE, "How log and access log look: text, json or logfmt (default text)", "FORMAT" },
  { "access-log", VALUE, "One line a request, to a file, - for standard output, or off (default)",
    "FILE" },
  { "collect-every", VALUE, "Look for bytes that nothing needs so often (default 1h)", "DURATION" },
  { "collect-grace", VALUE,
    "Leave alone what was pushed or asked for within that time (default 24h)", "DURATION" },
  { "collect-keep", VALUE, "Unlink condemned bytes after so long (default 7d)", "DURATION" },
  { "reserve", VALUE,
    "Refuse pushes while less than that is free (500MB, 5%; default 64MB, at most a tenth; off)", "SIZE" },
  { "scrub-every", VALUE, "Read and hash each blob again so often (default 7d)", "DURATION" },
  { "scrub-rate", VALUE, "Read no more than that a second for it (default 64MB; off: no limit)", "SIZE" },
  { "verbose", 'v', SWITCH, "Log what is usually not worth it", NULL },
  G_OPTION_ENTRY_NULL
};

static gboolean
apply_flags (RpServerOptions *options, GError **error)
{
  GHashTableIter iter;
  gpointer name, value;
  if (flags == NULL)
    return TRUE;
  g_hash_table_iter_init (&iter, flags);
  while (g_hash_table_iter_next (&iter, &name, &value))
    if (!rp_setting_set (rp_setting_find (name), value, options, error))
      {
        g_prefix_error (error, "--%s: ", (const char *) name);
        return FALSE;
      }
  return TRUE;
}

/* Defaults, then the environment, then the file, then flags. */
static gboolean
read_options (RpServerOptions *out, GError **error)
{
  const char *data = g_getenv ("REPOINT_DATA"), *inherited = g_getenv ("REPOINT_CA_FILE");
  rp_settings_init (out);
  if (inherited != NULL && *inherited == '\0')
    inherited = NULL;
  out->config_file = g_strdup (config_file);
  if (data != NULL && *data != '\0'
      && !rp_setting_set (rp_setting_find ("data"), data, out, error))
    return FALSE;
  return (inherited == NULL || rp_setting_set (rp_setting_find ("ca_file"), inherited, out, error))
         && (config_file == NULL || rp_settings_load (config_file, out, error))
         && (ca_file == NULL || rp_setting_set (rp_setting_find ("ca_file"), ca_file, out, error))
         && apply_flags (out, error);
}

gboolean
rp_serve_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  g_auto (RpServerOptions) options = { 0 };
  /* What only the environment says must give way to the configuration file. */
  ca_file = g_strcmp0 (cli->ca_file, g_getenv ("REPOINT_CA_FILE")) != 0 ? cli->ca_file : NULL;
  return read_options (&options, error) && rp_server_run (&options, read_options, error);
}
