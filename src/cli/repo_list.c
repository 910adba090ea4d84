/* Repositories of the server. */
#include "cli/remote.h"
#include "cli/table.h"
#include "cli/verbs.h"

static json_t *
count_tags (const RpRemote *remote, const char *name, GError **error)
{
  g_autofree char *path = g_strconcat ("/v2/", name, "/tags/list", NULL);
  g_autoptr (json_t) tags = rp_remote_list (remote, path, "tags", error);
  if (tags == NULL)
    return NULL;
  json_t *repository = json_object ();
  json_object_set_new (repository, "name", json_string (name));
  json_object_set_new (repository, "tags", json_integer ((json_int_t) json_array_size (tags)));
  return repository;
}

static json_t *
list_repositories (const RpRemote *remote, GError **error)
{
  gsize i;
  json_t *name;
  g_autoptr (json_t) names = rp_remote_list (remote, "/v2/_catalog", "repositories", error);
  if (names == NULL)
    return NULL;
  g_autoptr (json_t) list = json_array ();
  json_array_foreach (names, i, name)
  {
    const char *text = json_string_value (name);
    json_t *repository = text == NULL ? NULL : count_tags (remote, text, error);
    if (text != NULL && repository == NULL)
      return NULL;
    if (repository != NULL)
      json_array_append_new (list, repository);
  }
  return g_steal_pointer (&list);
}

gboolean
rp_repo_list_run (RpCli *cli, char **args, GError **error)
{
  g_auto (RpRemote) remote = { 0 };
  (void) args;
  /* Any name will do: it is the registry that is asked. */
  if (!rp_remote_open_repository (cli, "any", &remote, error))
    return FALSE;
  g_autoptr (json_t) list = list_repositories (&remote, error);
  if (list == NULL)
    return FALSE;
  if (cli->json)
    {
      g_autoptr (json_t) answer = json_object ();
      json_object_set (answer, "repositories", list);
      rp_cli_print_json (cli, answer);
      return TRUE;
    }
  g_autoptr (RpTable) table = rp_table_new ("~REPOSITORY|>TAGS");
  gsize i;
  json_t *repository;
  json_array_foreach (list, i, repository)
  {
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (repository, "name"));
    rp_table_add_int (table, rp_json_int (repository, "tags"));
  }
  if (i == 0)
    rp_cli_note (cli, "there are no repositories yet; they come into being with the first push");
  else
    rp_table_print (table, &cli->out, 0);
  return TRUE;
}
