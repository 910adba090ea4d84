#include <string.h>

#include "cli/humane.h"
#include "cli/table.h"
#include "cli/verbs.h"

const GOptionEntry rp_diff_options[] = { G_OPTION_ENTRY_NULL };

typedef struct {
  char *app;
  char *side; /* as the API takes it */
} Side;

static void
side_clear (Side *side)
{
  g_free (side->app);
  g_free (side->side);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Side, side_clear)

/* `shop/production`, `shop/production:7`, `shop@1.2`, or a release alone, of `app` if that is not NULL. */
static gboolean
parse_side (const char *text, const char *app, Side *out, GError **error)
{
  gsize name = strcspn (text, "@/");
  if (text[name] == '\0' && app != NULL && *text != '\0')
    {
      out->app = g_strdup (app);
      out->side = g_strdup (text);
      return TRUE;
    }
  if (text[name] == '\0' || name == 0 || text[name + 1] == '\0')
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "`%s`: expected APP/ENV, APP/ENV:REVISION or APP@RELEASE, such as shop/production or shop@1.2",
                   text);
      return FALSE;
    }
  out->app = g_strndup (text, name);
  out->side = g_strconcat (text[name] == '/' ? "environment:" : "", text + name + 1, NULL);
  return TRUE;
}

/* `1.1 (production, revision 7)`. g_free(). */
static char *
describe_side (const json_t *side)
{
  const char *version = rp_json_str (json_object_get (side, "release"), "version");
  const char *environment = rp_json_str (side, "environment");
  if (environment == NULL)
    return g_strdup (version);
  return g_strdup_printf ("%s (%s, revision %" G_GINT64_FORMAT ")", version, environment,
                          rp_json_int (side, "revision"));
}

static void
print_components (RpCli *cli, const json_t *components)
{
  g_autoptr (RpTable) table = rp_table_new ("COMPONENT|CHANGE|FROM|TO|>SIZE");
  gsize i;
  json_t *component;
  json_array_foreach (components, i, component)
  {
    const json_t *from = json_object_get (component, "from");
    const json_t *to = json_object_get (component, "to");
    const char *change = rp_json_str (component, "change");
    gboolean same = g_strcmp0 (change, "same") == 0;
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (component, "name"));
    rp_table_add (table, same ? RP_STYLE_DIM : RP_STYLE_WARN, change);
    rp_table_take (table, RP_STYLE_PLAIN, json_is_null (from) ? NULL : rp_humane_digest (rp_json_str (from, "digest")));
    rp_table_take (table, RP_STYLE_PLAIN, json_is_null (to) ? NULL : rp_humane_digest (rp_json_str (to, "digest")));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_size (rp_json_int (json_is_null (to) ? from : to, "size_bytes")));
  }
  rp_table_print (table, &cli->out, 2);
}

/* The ledger knows the commits of releases; those in between only the repository does. */
static void
print_commits (RpCli *cli, const json_t *diff)
{
  const json_t *commits = json_object_get (diff, "commits");
  const char *from = rp_json_str (commits, "from");
  const char *to = rp_json_str (commits, "to");
  const char *repository = rp_json_str (commits, "repository");
  gboolean back = g_strcmp0 (rp_json_str (diff, "direction"), "back") == 0;
  fputs ("  commits: ", cli->out.stream);
  g_autofree char *line
      = from == NULL || to == NULL ? g_strdup ("not recorded with both releases")
        : g_str_equal (from, to)
            ? g_strdup_printf ("both were built from %s", from)
            : g_strdup_printf ("`git log %s..%s`%s%s%s", back ? to : from, back ? from : to,
                               repository != NULL ? " in " : "", repository != NULL ? repository : "",
                               back ? " is what is taken away" : "");
  rp_term_paragraph (&cli->out, 11, line);
}

static void
print_releases (RpCli *cli, const json_t *diff)
{
  const json_t *releases = json_object_get (diff, "releases");
  gboolean back = g_strcmp0 (rp_json_str (diff, "direction"), "back") == 0;
  g_autoptr (RpTable) table = rp_table_new (">NUMBER|~VERSION|COMMIT|~BUILD|RECORDED|~ACTOR");
  gsize i;
  json_t *release;
  json_array_foreach (releases, i, release)
  {
    rp_table_add_int (table, rp_json_int (release, "number"));
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (release, "version"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_commit (rp_json_str (release, "commit")));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (release, "build"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (release, "at")));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (release, "actor"));
  }
  if (i == 0)
    return;
  fprintf (cli->out.stream, "\n%s %zu release%s:\n", back ? "takes away" : "brings", (size_t) i,
           i == 1 ? "" : "s");
  rp_table_print (table, &cli->out, 2);
}

static void
print_diff (RpCli *cli, const json_t *diff)
{
  g_autofree char *from = describe_side (json_object_get (diff, "from"));
  g_autofree char *to = describe_side (json_object_get (diff, "to"));
  g_autofree char *title
      = g_strdup_printf ("%s: from %s to %s", rp_json_str (diff, "app"), from, to);
  rp_term_text (&cli->out, RP_STYLE_BOLD, title);
  if (g_strcmp0 (rp_json_str (diff, "direction"), "same") == 0)
    {
      fputs (": the same release\n", cli->out.stream);
      return;
    }
  fprintf (cli->out.stream, ", %s\n", rp_json_str (diff, "direction"));
  print_components (cli, json_object_get (diff, "components"));
  print_commits (cli, diff);
  print_releases (cli, diff);
}

gboolean
rp_diff_run (RpCli *cli, char **args, GError **error)
{
  g_auto (Side) from = { 0 };
  g_auto (Side) to = { 0 };
  if (!parse_side (args[0], NULL, &from, error) || !parse_side (args[1], from.app, &to, error))
    return FALSE;
  if (!g_str_equal (from.app, to.app))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "`%s` and `%s` are of different apps: nothing of them can be compared", args[0], args[1]);
      return FALSE;
    }
  g_autofree char *path = rp_api_path ("apps", from.app, "diff", NULL);
  rp_api_query (&path, "from", from.side);
  rp_api_query (&path, "to", to.side);
  return rp_cli_show (cli, path, print_diff, error);
}
