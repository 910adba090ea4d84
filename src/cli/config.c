/* `repoint config check`: what is wrong with a configuration, all of it, before a restart finds out. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/config.h"
#include "base/file.h"
#include "cli/verbs.h"
#include "server/settings.h"

#define FILE_LIMIT_BYTES (1024 * 1024)

static char *kind_option;
static gboolean syntax_only;

static const GOptionEntry check_options[] = {
  { "kind", 0, 0, G_OPTION_ARG_FILENAME, &kind_option,
    "What the file is for: server or agent (default: an agent's has targets)", "KIND" },
  { "syntax", 0, 0, G_OPTION_ARG_NONE, &syntax_only,
    "Look at the file alone, and not at this machine's directories and addresses", NULL },
  G_OPTION_ENTRY_NULL
};

static gboolean
is_agents (GBytes *bytes, const char *path)
{
  g_autoptr (RpYaml) yaml = rp_yaml_parse (g_bytes_get_data (bytes, NULL),
                                           g_bytes_get_size (bytes), path, NULL);
  return yaml != NULL
         && (rp_yaml_get (rp_yaml_root (yaml), "targets") != NULL
             || rp_yaml_get (rp_yaml_root (yaml), "agent") != NULL);
}

static void
check_server (GBytes *bytes, const char *path, const char *base_dir, GPtrArray *problems)
{
  g_auto (RpServerOptions) options = { 0 };
  rp_settings_init (&options);
  rp_settings_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), path, base_dir,
                     &options, problems);
  if (!syntax_only)
    rp_settings_probe (&options, problems);
}

static void
check_agent (GBytes *bytes, const char *path, const char *base_dir, GPtrArray *problems)
{
  g_autoptr (RpAgentConfig) config = rp_agent_config_parse_all (
      g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), path, base_dir, problems);
  if (!syntax_only && config != NULL)
    rp_agent_config_probe (config, problems);
}

static gboolean
choose_kind (GBytes *bytes, const char *path, gboolean *out_agent, GError **error)
{
  *out_agent = kind_option != NULL ? strcmp (kind_option, "agent") == 0 : is_agents (bytes, path);
  if (kind_option == NULL || *out_agent || strcmp (kind_option, "server") == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "--kind: expected `server` or `agent`, found `%s`",
               kind_option);
  return FALSE;
}

static void
print_result (RpCli *cli, const char *path, gboolean agent, GPtrArray *problems)
{
  const char *kind = agent ? "agent" : "server";
  g_autoptr (json_t) list = json_array ();
  for (guint i = 0; i < problems->len; i++)
    {
      g_autofree char *text = g_utf8_make_valid (problems->pdata[i], -1);
      json_array_append_new (list, json_string (text));
      if (!cli->json)
        rp_cli_note (cli, "%s", text);
    }
  if (cli->json)
    {
      g_autofree char *name = g_utf8_make_valid (path, -1);
      g_autoptr (json_t) answer = json_pack ("{s:s, s:s, s:O}", "file", name, "kind", kind,
                                             "problems", list);
      rp_cli_print_json (cli, answer);
    }
  else if (problems->len == 0)
    rp_cli_note (cli, "%s: nothing is wrong with this configuration of %s %s", path,
                 agent ? "an" : "a", kind);
}

static gboolean
check_run (RpCli *cli, char **args, GError **error)
{
  const char *path = args[0];
  g_autofree char *absolute = g_canonicalize_filename (path, NULL);
  g_autofree char *base_dir = g_path_get_dirname (absolute);
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GBytes) bytes = rp_file_read (path, FILE_LIMIT_BYTES, error);
  gboolean agent;
  if (bytes == NULL || !choose_kind (bytes, path, &agent, error))
    return FALSE;
  (agent ? check_agent : check_server) (bytes, path, base_dir, problems);
  print_result (cli, path, agent, problems);
  if (problems->len == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s: %u problem%s, named above", path,
               problems->len, problems->len == 1 ? "" : "s");
  return FALSE;
}

const RpVerb rp_config_verbs[] = {
  { "check", "Name everything that is wrong with a configuration file", "FILE", check_options,
    check_run, NULL },
  { NULL }
};
