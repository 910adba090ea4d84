#include "cli/humane.h"
#include "cli/table.h"
#include "cli/verbs.h"

static void
print_groups (RpCli *cli, const json_t *answer)
{
  g_autoptr (RpTable) table = rp_table_new ("GROUP|~MEMBERS|SINCE");
  gsize i;
  json_t *group;

  json_array_foreach (json_object_get (answer, "groups"), i, group)
  {
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (group, "group"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_list (json_object_get (group, "members")));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (group, "at"));
  }
  if (i > 0)
    rp_table_print (table, &cli->out, 0);
  else
    rp_cli_note (cli, "no groups");
}

static gboolean
ls_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("groups", NULL);

  (void) args;
  return rp_cli_show (cli, path, print_groups, error);
}

static gboolean
set_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("groups", args[0], NULL);
  g_autoptr (json_t) body = json_object (), answer = NULL;
  json_t *members = json_array ();

  json_object_set_new (body, "members", members);
  for (char **member = args + 1; *member != NULL; member++)
    json_array_append_new (members, json_string (*member));
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  answer = rp_api_put (cli->api, path, body, error);
  if (answer == NULL)
    return FALSE;
  rp_cli_note (cli, "group %s has these members, and no other", args[0]);
  return TRUE;
}

static gboolean
rm_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("groups", args[0], NULL);

  if (rp_cli_api (cli, error) == NULL || !rp_api_delete (cli->api, path, error))
    return FALSE;
  rp_cli_note (cli, "group %s removed; those who were in it stay", args[0]);
  return TRUE;
}

const RpVerb rp_group_verbs[] = {
  { "ls", "List groups and who is in them", "", NULL, ls_run, NULL },
  { "set", "Say who is in a group", "NAME MEMBER...", NULL, set_run, NULL },
  { "rm", "Remove a group, and nobody who is in it", "NAME", NULL, rm_run, NULL },
  { NULL }
};
