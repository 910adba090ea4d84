#include "base/size.h"
#include "cli/humane.h"
#include "cli/table.h"
#include "cli/verbs.h"

static char *set_tags;
static char **set_except;
static char *set_sparse;
static char *set_deletion;
static char *set_burnt;
static char *set_quota;
static gboolean set_remove;

static const GOptionEntry set_options[] = {
  { "tags", 0, 0, G_OPTION_ARG_STRING, &set_tags, "Whether tags may move: immutable or mutable",
    "MODE" },
  { "except", 0, 0, G_OPTION_ARG_STRING_ARRAY, &set_except,
    "Tags for which the other holds (with * for any run); up to five times", "PATTERN" },
  { "sparse", 0, 0, G_OPTION_ARG_STRING, &set_sparse,
    "Manifests that name what is not there: deny or allow", "WORD" },
  { "deletion", 0, 0, G_OPTION_ARG_STRING, &set_deletion, "Deleting by hand: deny or allow",
    "WORD" },
  { "burnt-tags", 0, 0, G_OPTION_ARG_STRING, &set_burnt,
    "Deleted tags can never name other bytes: on or off", "WORD" },
  { "quota", 0, 0, G_OPTION_ARG_STRING, &set_quota,
    "What all repositories that match may have together: 10GB, 512MiB or none", "SIZE" },
  { "remove", 0, 0, G_OPTION_ARG_NONE, &set_remove, "Drop the policy of this pattern", NULL },
  { NULL }
};

/* ---- set ---- */

static gboolean
add_tags (json_t *fields, GError **error)
{
  g_autofree char *mode = NULL;
  json_t *exclusions;
  if (set_tags == NULL && set_except == NULL)
    return TRUE;
  if (set_tags == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "--except needs --tags immutable or --tags mutable");
      return FALSE;
    }
  if (!g_str_equal (set_tags, "immutable") && !g_str_equal (set_tags, "mutable"))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "--tags %s: expected immutable or mutable",
                   set_tags);
      return FALSE;
    }
  mode = g_ascii_strup (set_tags, -1);
  exclusions = json_array ();
  for (guint i = 0; set_except != NULL && set_except[i] != NULL; i++)
    json_array_append_new (exclusions, json_string (set_except[i]));
  if (set_except != NULL)
    {
      char *whole = g_strconcat (mode, "_WITH_EXCLUSION", NULL);
      g_free (mode);
      mode = whole;
    }
  json_object_set_new (fields, "tag_mutability", json_string (mode));
  json_object_set_new (fields, "exclusions", exclusions);
  return TRUE;
}

static void
add_word (json_t *fields, const char *member, const char *word)
{
  if (word != NULL)
    json_object_set_new (fields, member, json_string (word));
}

static gboolean
add_quota (json_t *fields, GError **error)
{
  gint64 bytes;
  if (set_quota == NULL)
    return TRUE;
  if (g_str_equal (set_quota, "none"))
    json_object_set_new (fields, "quota_bytes", json_null ());
  else if (rp_size_parse (set_quota, &bytes))
    json_object_set_new (fields, "quota_bytes", json_integer (bytes));
  else
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "--quota %s: expected a size such as 500MB, 10GB or 10GiB, or none", set_quota);
      return FALSE;
    }
  return TRUE;
}

/* ---- views ---- */

#define POLICY_COLUMNS "PATTERN|TAGS|~EXCEPT|SPARSE|DELETION|BURNT TAGS|>QUOTA"

static void
add_size (RpTable *table, gint64 bytes)
{
  g_autofree char *text = rp_humane_size (bytes);
  rp_table_add (table, RP_STYLE_PLAIN, text);
}

static void
add_row (RpTable *table, const json_t *policy)
{
  const char *pattern = rp_json_str (policy, "pattern");
  g_autoptr (GString) except = g_string_new (NULL);
  gsize i;
  json_t *one;
  json_array_foreach (json_object_get (policy, "exclusions"), i, one)
      g_string_append_printf (except, "%s%s", i > 0 ? ", " : "", json_string_value (one));
  rp_table_add (table, RP_STYLE_BOLD, pattern != NULL ? pattern : "(default)");
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (policy, "tag_mutability"));
  rp_table_add (table, RP_STYLE_PLAIN, except->str);
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (policy, "sparse"));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (policy, "deletion"));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (policy, "burnt_tags"));
  if (json_is_integer (json_object_get (policy, "quota_bytes")))
    add_size (table, rp_json_int (policy, "quota_bytes"));
  else
    rp_table_add (table, RP_STYLE_PLAIN, "none");
}

static void
print_policy (RpCli *cli, const json_t *policy)
{
  g_autoptr (RpTable) table = rp_table_new (POLICY_COLUMNS);
  add_row (table, policy);
  rp_table_print (table, &cli->out, 0);
}

/* What is used of each quota. Nothing where there is none. */
static void
print_quotas (RpCli *cli, const json_t *quotas)
{
  g_autoptr (RpTable) table = rp_table_new ("QUOTA OF|>USED|>LIMIT|>LEFT");
  gsize i;
  json_t *quota;
  if (json_array_size (quotas) == 0)
    return;
  json_array_foreach (quotas, i, quota)
  {
    gint64 used = rp_json_int (quota, "used_bytes"), limit = rp_json_int (quota, "limit_bytes");
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (quota, "pattern"));
    add_size (table, used);
    add_size (table, limit);
    add_size (table, MAX (limit - used, 0));
  }
  fputc ('\n', cli->out.stream);
  rp_table_print (table, &cli->out, 0);
}

static gboolean
remove_policy (RpCli *cli, const char *path, const char *pattern, GError **error)
{
  if (!rp_api_delete (cli->api, path, error))
    return FALSE;
  if (cli->json)
    {
      g_autoptr (json_t) answer = json_object ();
      json_object_set_new (answer, "removed", json_string (pattern));
      rp_cli_print_json (cli, answer);
    }
  else
    rp_cli_note (cli, "dropped the policy of %s", pattern);
  return TRUE;
}

static gboolean
set_run (RpCli *cli, char **args, GError **error)
{
  g_autoptr (json_t) fields = json_object ();
  g_autofree char *path = rp_api_path ("repositories", "policies", args[0], NULL);
  if (!add_tags (fields, error) || !add_quota (fields, error) || rp_cli_api (cli, error) == NULL)
    return FALSE;
  add_word (fields, "sparse", set_sparse);
  add_word (fields, "deletion", set_deletion);
  add_word (fields, "burnt_tags", set_burnt);
  if (set_remove == (json_object_size (fields) > 0))
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "give what to set (--tags, --sparse, --deletion, --burnt-tags, --quota), "
                           "or --remove alone");
      return FALSE;
    }
  if (set_remove)
    return remove_policy (cli, path, args[0], error);
  g_autoptr (json_t) policy = rp_api_put (cli->api, path, fields, error);
  if (policy == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, policy);
  else
    print_policy (cli, policy);
  return TRUE;
}

/* ---- show ---- */

static void
print_effective (RpCli *cli, const json_t *answer)
{
  const json_t *use = json_object_get (answer, "use");
  g_autofree char *bytes = rp_humane_size (rp_json_int (use, "bytes"));
  gint64 objects = rp_json_int (use, "objects");
  print_policy (cli, json_object_get (answer, "policy"));
  g_autofree char *text = g_strdup_printf ("%s in %" G_GINT64_FORMAT " blobs and manifests", bytes,
                                           objects);
  fputc ('\n', cli->out.stream);
  rp_cli_print_fact (cli, "used", text);
  print_quotas (cli, json_object_get (answer, "quotas"));
}

static gboolean
show_one (RpCli *cli, const char *repository, GError **error)
{
  g_autofree char *path = rp_api_path ("repositories", "policies", NULL);
  rp_api_query (&path, "repository", repository);
  g_autoptr (json_t) answer = rp_api_get (cli->api, path, 0, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    print_effective (cli, answer);
  return TRUE;
}

static gboolean
show_run (RpCli *cli, char **args, GError **error)
{
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  if (args[0] != NULL)
    return show_one (cli, args[0], error);
  g_autofree char *path = rp_api_path ("repositories", "policies", NULL);
  g_autoptr (json_t) answer = rp_api_get (cli->api, path, 0, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    {
      rp_cli_print_json (cli, answer);
      return TRUE;
    }
  g_autoptr (RpTable) table = rp_table_new (POLICY_COLUMNS);
  gsize i;
  json_t *policy;
  json_array_foreach (json_object_get (answer, "policies"), i, policy) add_row (table, policy);
  if (i == 0)
    rp_cli_note (cli, "no policies: everywhere tags are immutable, nothing may be missing and "
                      "deletion is allowed; `repoint repo set PATTERN` sets one");
  else
    rp_table_print (table, &cli->out, 0);
  print_quotas (cli, json_object_get (answer, "quotas"));
  return TRUE;
}

const RpVerb rp_repo_verbs[] = {
  { "ls", "List the repositories of the server", "", NULL, rp_repo_list_run, NULL },
  { "set", "Set what the repositories that match a pattern allow", "PATTERN", set_options, set_run,
    NULL },
  { "show", "Show policies, quotas and what is used", "[REPOSITORY]", NULL,
    show_run, NULL },
  { NULL }
};
