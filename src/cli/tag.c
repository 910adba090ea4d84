/* The tags of a repository and what they name now. */
#include "cli/humane.h"
#include "cli/remote.h"
#include "cli/table.h"
#include "cli/verbs.h"

static const GOptionEntry ls_options[] = { RP_REMOTE_OPTIONS, G_OPTION_ENTRY_NULL };

/* Of an image or artifact; an index does not say how large its children are. */
static json_t *
size_of (const RpManifest *manifest)
{
  guint64 size_bytes = 0;
  if (manifest->is_index)
    return json_null ();
  for (guint i = 0; i < manifest->descriptors->len; i++)
    size_bytes += ((const RpDescriptor *) manifest->descriptors->pdata[i])->size_bytes;
  return json_integer ((json_int_t) MIN (size_bytes, G_MAXINT64));
}

static gboolean
look_at (RpRemote *remote, const char *tag, json_t *json, GError **error)
{
  char digest[RP_DIGEST_STRING_SIZE];
  if (!rp_oci_client_resolve (remote->client, remote->repository, tag, &remote->digest, error))
    return FALSE;
  json_object_set_new (json, "digest", json_string (rp_digest_format (&remote->digest, digest)));
  g_autoptr (GBytes) bytes = rp_remote_load (&remote->digest, NULL, remote, error);
  g_autoptr (RpManifest) manifest
      = bytes == NULL ? NULL
                      : rp_manifest_parse (g_bytes_get_data (bytes, NULL),
                                           g_bytes_get_size (bytes), NULL, error);
  if (manifest == NULL)
    return FALSE;
  json_object_set_new (json, "media_type", json_string (manifest->media_type));
  if (manifest->artifact_type != NULL)
    json_object_set_new (json, "artifact_type", json_string (manifest->artifact_type));
  json_object_set_new (json, "size_bytes", size_of (manifest));
  return TRUE;
}

/* One that cannot be read is part of the answer: that is when people look. */
static json_t *
describe (RpRemote *remote, const char *tag)
{
  static const char *const fields[]
      = { "digest", "media_type", "artifact_type", "size_bytes", "problem" };
  g_autoptr (GError) error = NULL;
  json_t *json = json_object ();
  json_object_set_new (json, "tag", json_string (tag));
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    json_object_set_new (json, fields[i], json_null ());
  if (!look_at (remote, tag, json, &error))
    json_object_set_new (json, "problem", json_string (error->message));
  return json;
}

static void
add_row (RpTable *table, const json_t *tag)
{
  const char *problem = rp_json_str (tag, "problem");
  const char *type = rp_json_str (tag, "artifact_type");
  const json_t *size = json_object_get (tag, "size_bytes");
  rp_table_add (table, RP_STYLE_BOLD, rp_json_str (tag, "tag"));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (tag, "digest"));
  rp_table_take (table, RP_STYLE_PLAIN,
                 json_is_integer (size) ? rp_humane_size (json_integer_value (size)) : NULL);
  rp_table_add (table, problem != NULL ? RP_STYLE_BAD : RP_STYLE_PLAIN,
                problem != NULL ? problem
                : type != NULL  ? type
                                : rp_json_str (tag, "media_type"));
}

static gboolean
ls_run (RpCli *cli, char **args, GError **error)
{
  g_auto (RpRemote) remote = { 0 };
  if (!rp_remote_open_repository (cli, args[0], &remote, error))
    return FALSE;
  g_autofree char *path = g_strconcat ("/v2/", remote.repository, "/tags/list", NULL);
  g_autoptr (json_t) names = rp_remote_list (&remote, path, "tags", error);
  if (names == NULL)
    return FALSE;
  g_autoptr (json_t) tags = json_array ();
  g_autoptr (RpTable) table = rp_table_new ("~TAG|~DIGEST|>SIZE|~TYPE");
  gsize i;
  json_t *name;
  json_array_foreach (names, i, name)
  {
    json_t *tag = json_is_string (name) ? describe (&remote, json_string_value (name)) : NULL;
    if (tag == NULL)
      continue;
    json_array_append_new (tags, tag);
    add_row (table, tag);
  }
  if (cli->json)
    {
      g_autoptr (json_t) answer = json_object ();
      json_object_set_new (answer, "repository", json_string (remote.repository));
      json_object_set (answer, "tags", tags);
      rp_cli_print_json (cli, answer);
    }
  else if (json_array_size (tags) == 0)
    rp_cli_note (cli, "%s has no tags", args[0]);
  else
    rp_table_print (table, &cli->out, 0);
  return TRUE;
}

const RpVerb rp_tag_verbs[] = {
  { "ls", "List the tags of a repository and what they name", "REPOSITORY", ls_options, ls_run,
    NULL },
  { NULL }
};
