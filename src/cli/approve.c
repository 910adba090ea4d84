#include "cli/cli.h"
#include "cli/verbs.h"

static char *because;

const GOptionEntry rp_approve_options[] = {
  { "because", 0, 0, G_OPTION_ARG_FILENAME, &because, "Why, for the record", "TEXT" },
  G_OPTION_ENTRY_NULL
};

gboolean
rp_approve_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *app = NULL, *env = NULL;
  g_autoptr (json_t) body = json_object ();
  if (!rp_cli_parse_env (args[0], &app, &env, error) || rp_cli_api (cli, error) == NULL)
    return FALSE;
  json_object_set_new (body, "release", json_string (args[1]));
  if (because != NULL)
    json_object_set_new (body, "because", json_string (because));
  g_autofree char *path = rp_api_path ("apps", app, "environments", env, "approvals", NULL);
  g_autoptr (json_t) approval = rp_api_post (cli->api, path, body, error);
  if (approval == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, approval);
  else
    rp_cli_note (cli, "%s: %s approved by %s", args[0], rp_json_str (approval, "version"),
                 rp_json_str (approval, "account"));
  return TRUE;
}
