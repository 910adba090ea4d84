#include "cli/verbs.h"

gboolean
rp_version_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  g_autoptr (GError) problem = NULL;
  if (!cli->json)
    printf ("repoint  %s\n", RP_VERSION);
  fflush (stdout);
  RpApi *api = rp_cli_api (cli, error);
  if (api == NULL)
    return FALSE;
  g_autofree char *path = rp_api_path ("version", NULL);
  g_autoptr (json_t) answer = rp_api_get (api, path, 0, &problem);
  if (cli->json && answer == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  const json_t *ledger = json_object_get (answer, "ledger");
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else if (answer == NULL) /* the version of this program is an answer all the same */
    rp_cli_note (cli, "server   %s does not answer", rp_api_base_url (api));
  else
    {
      rp_cli_note (cli, "server   %s at %s", rp_json_str (answer, "version"),
                   rp_api_base_url (api));
      rp_cli_note (cli, "ledger   %" G_GINT64_FORMAT ":%s", rp_json_int (ledger, "seq"),
                   rp_json_str (ledger, "hash"));
    }
  return TRUE;
}
