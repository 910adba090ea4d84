/* `pause` and `resume`: no deploys and promotes for a while. */
#include "cli/cli.h"
#include "cli/verbs.h"

static char *because;

const GOptionEntry rp_pause_options[] = {
  { "because", 0, 0, G_OPTION_ARG_FILENAME, &because, "Why, for the record", "TEXT" },
  G_OPTION_ENTRY_NULL
};

/* Posts the reason; what comes back is the pause. */
static gboolean
change (RpCli *cli, const char *where, const char *verb, const char *said, GError **error)
{
  g_autofree char *app = NULL, *env = NULL;
  g_autoptr (json_t) body = json_object ();
  if (!rp_cli_parse_env (where, &app, &env, error))
    return FALSE;
  if (because == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "say --because why: whoever is refused reads it");
      return FALSE;
    }
  json_object_set_new (body, "because", json_string (because));
  g_autofree char *path = rp_api_path ("apps", app, "environments", env, verb, NULL);
  g_autoptr (json_t) pause
      = rp_cli_api (cli, error) == NULL ? NULL : rp_api_post (cli->api, path, body, error);
  if (pause == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, pause);
  else
    rp_cli_note (cli, "%s %s", where, said);
  return TRUE;
}

gboolean
rp_pause_run (RpCli *cli, char **args, GError **error)
{
  return change (cli, args[0], "pause",
                 "is paused: no deploys and no promotes; rollbacks go, and so does a rollout that has"
                 " begun",
                 error);
}

gboolean
rp_resume_run (RpCli *cli, char **args, GError **error)
{
  return change (cli, args[0], "resume", "goes on", error);
}
