#include <string.h>

#include "cli/humane.h"
#include "cli/table.h"
#include "cli/verbs.h"

static gint64 days = 30;

const GOptionEntry rp_stats_options[] = {
  { "days", 0, 0, G_OPTION_ARG_INT64, &days, "What was deployed in the last N days (default 30)", "N" },
  G_OPTION_ENTRY_NULL
};

static json_t *
fetch_stats (RpCli *cli, const char *app, const char *env, GError **error)
{
  g_autofree char *path = rp_api_path ("apps", app, "stats", NULL);
  rp_api_query_int (&path, "days", days);
  if (env != NULL)
    rp_api_query (&path, "environment", env);
  return rp_api_get (cli->api, path, 0, error);
}

static gboolean
add (RpCli *cli, const char *app, const char *env, json_t *all, GError **error)
{
  json_t *stats = fetch_stats (cli, app, env, error);
  if (stats == NULL)
    return FALSE;
  json_array_append_new (all, stats);
  return TRUE;
}

/* The Stats of APP/ENV, APP, or every app. */
static json_t *
collect (RpCli *cli, const char *where, GError **error)
{
  g_autoptr (json_t) all = json_array ();
  g_autofree char *app = NULL;
  g_autofree char *env = NULL;
  if (where != NULL && strchr (where, '/') != NULL)
    {
      gboolean ok = rp_cli_parse_env (where, &app, &env, error) && add (cli, app, env, all, error);
      return ok ? g_steal_pointer (&all) : NULL;
    }
  if (where != NULL)
    return add (cli, where, NULL, all, error) ? g_steal_pointer (&all) : NULL;
  g_autofree char *path = rp_api_path ("apps", NULL);
  g_autoptr (json_t) answer = rp_api_get (cli->api, path, 0, error);
  if (answer == NULL)
    return NULL;
  gsize i;
  json_t *one;
  json_array_foreach (json_object_get (answer, "apps"), i, one)
  if (!add (cli, rp_json_str (one, "name"), NULL, all, error))
    return NULL;
  return g_steal_pointer (&all);
}

static void
add_measure (RpTable *table, const char *name, char *value, char *from)
{
  rp_table_add (table, RP_STYLE_PLAIN, name);
  rp_table_take (table, RP_STYLE_BOLD, value);
  rp_table_take (table, RP_STYLE_PLAIN, from);
}

/* NULL, which shows as `-`, where nothing was measured. */
static char *
span (const json_t *stats, const char *key)
{
  const json_t *ms = json_object_get (stats, key);
  return json_is_integer (ms) ? rp_humane_duration (json_integer_value (ms)) : NULL;
}

static char *
percent (gint64 part, gint64 whole)
{
  return whole == 0 ? NULL : g_strdup_printf ("%" G_GINT64_FORMAT " %%", (200 * part + whole) / (2 * whole));
}

static void
print_measures (RpCli *cli, const json_t *stats, gint64 window)
{
  gint64 deployments = rp_json_int (stats, "deployments");
  gint64 changes = rp_json_int (stats, "changes");
  gint64 failed = rp_json_int (stats, "changes_failed");
  gint64 open = rp_json_int (stats, "not_recovered");
  g_autoptr (RpTable) table = rp_table_new ("MEASURE|VALUE|~FROM");
  add_measure (table, "deployment frequency",
               g_strdup_printf ("%.1f a week", (double) deployments * 7 / (double) window),
               g_strdup_printf ("%" G_GINT64_FORMAT " in %" G_GINT64_FORMAT " days", deployments, window));
  add_measure (table, "lead time", span (stats, "lead_time_ms"),
               g_strdup_printf ("median of %" G_GINT64_FORMAT, rp_json_int (stats, "lead_times")));
  add_measure (table, "change fail rate", percent (failed, changes),
               g_strdup_printf ("%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT, failed, changes));
  add_measure (table, "recovery time", span (stats, "recovery_time_ms"),
               open == 0 ? g_strdup_printf ("median of %" G_GINT64_FORMAT, rp_json_int (stats, "recoveries"))
                         : g_strdup_printf ("median of %" G_GINT64_FORMAT ", and %" G_GINT64_FORMAT
                                            " not recovered from yet",
                                            rp_json_int (stats, "recoveries"), open));
  rp_table_print (table, &cli->out, 2);
}

static void
print_rollbacks (RpCli *cli, const json_t *rollbacks)
{
  g_autoptr (RpTable) table = rp_table_new (">ROLLBACK|KIND|>FROM|WHEN|RESTORED IN|BAD FOR");
  gsize i;
  json_t *one;
  json_array_foreach (rollbacks, i, one)
  {
    gint64 left = rp_json_int (one, "left");
    rp_table_add_int (table, rp_json_int (one, "revision"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (one, "kind"));
    rp_table_take (table, RP_STYLE_PLAIN,
                   left > 0 ? g_strdup_printf ("%" G_GINT64_FORMAT, left) : NULL);
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (one, "at")));
    rp_table_take (table, RP_STYLE_PLAIN, span (one, "took_ms"));
    rp_table_take (table, RP_STYLE_PLAIN, span (one, "bad_for_ms"));
  }
  if (i == 0)
    return;
  fputc ('\n', cli->out.stream);
  rp_table_print (table, &cli->out, 2);
}

static void
print_stats (RpCli *cli, const json_t *stats)
{
  gsize i;
  json_t *environment;
  json_array_foreach (json_object_get (stats, "environments"), i, environment)
  {
    g_autofree char *where = g_strdup_printf ("%s/%s", rp_json_str (stats, "app"),
                                              rp_json_str (environment, "environment"));
    rp_term_text (&cli->out, RP_STYLE_BOLD, where);
    fputc ('\n', cli->out.stream);
    print_measures (cli, environment, rp_json_int (stats, "days"));
    print_rollbacks (cli, json_object_get (environment, "rollbacks"));
    fputc ('\n', cli->out.stream);
  }
}

static void
print_definitions (RpCli *cli, const json_t *definitions)
{
  const char *name;
  json_t *text;
  json_object_foreach ((json_t *) definitions, name, text)
  {
    g_autofree char *words = g_strdelimit (g_strdup (name), "_", ' ');
    g_autofree char *line = g_strdup_printf ("%s: %s.", words, json_string_value (text));
    rp_term_paragraph (&cli->out, 2, line);
  }
}

gboolean
rp_stats_run (RpCli *cli, char **args, GError **error)
{
  if (days < 1)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "--days: expected a number from 1");
      return FALSE;
    }
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  g_autoptr (json_t) all = collect (cli, args[0], error);
  if (all == NULL)
    return FALSE;
  gsize i;
  json_t *stats;
  if (cli->json)
    rp_cli_print_json (cli, args[0] != NULL ? json_array_get (all, 0) : all);
  else
    json_array_foreach (all, i, stats) print_stats (cli, stats);
  if (!cli->json && json_array_size (all) > 0)
    print_definitions (cli, json_object_get (json_array_get (all, 0), "definitions"));
  return TRUE;
}
