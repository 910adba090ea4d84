#include "cli/environments.h"
#include "cli/humane.h"
#include "cli/table.h"
#include "cli/verbs.h"

const GOptionEntry rp_drift_options[] = { G_OPTION_ENTRY_NULL };

static json_t *
fetch_drift (RpCli *cli, const char *app, const char *env, GError **error)
{
  g_autofree char *path = rp_api_path ("apps", app, "environments", env, "drift", NULL);
  return rp_api_get (cli->api, path, 0, error);
}

static RpStyle
verdict_style (const char *verdict)
{
  return g_strcmp0 (verdict, "drifted") == 0   ? RP_STYLE_BAD
         : g_strcmp0 (verdict, "follows") == 0 ? RP_STYLE_GOOD
                                               : RP_STYLE_WARN;
}

static void
print_drift (RpCli *cli, const json_t *drift)
{
  const json_t *revision = json_object_get (drift, "revision");
  const char *verdict = rp_json_str (drift, "verdict");
  g_autofree char *where = g_strdup_printf ("%s/%s", rp_json_str (drift, "app"),
                                            rp_json_str (drift, "environment"));
  g_autofree char *what = json_is_object (revision) ? rp_humane_revision (revision)
                                                    : g_strdup ("nothing was deployed here yet");
  rp_term_text (&cli->out, RP_STYLE_BOLD, where);
  fprintf (cli->out.stream, ": %s, ", what);
  rp_term_text (&cli->out, verdict_style (verdict), verdict);
  fputc ('\n', cli->out.stream);
  g_autoptr (RpTable) table = rp_table_new ("TARGET|?COMPONENT|VERDICT|~WHY|SEEN");
  gsize i;
  json_t *target;
  json_array_foreach (json_object_get (drift, "targets"), i, target)
  {
    const char *one = rp_json_str (target, "verdict");
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (target, "name"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (target, "component"));
    rp_table_add (table, verdict_style (one), one);
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_text (rp_json_str (target, "reason")));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (target, "seen_at")));
  }
  if (i > 0)
    rp_table_print (table, &cli->out, 2);
}

/* `shop/production, shop/staging`: those with this verdict. g_free(). */
static char *
list_with (const json_t *all, const char *verdict)
{
  g_autoptr (GString) names = g_string_new (NULL);
  gsize i;
  json_t *drift;
  json_array_foreach (all, i, drift)
  if (g_strcmp0 (rp_json_str (drift, "verdict"), verdict) == 0)
    g_string_append_printf (names, "%s%s/%s", names->len > 0 ? ", " : "", rp_json_str (drift, "app"),
                            rp_json_str (drift, "environment"));
  return g_strdup (names->str);
}

static gboolean
check_all (const json_t *all, GError **error)
{
  g_autofree char *drifted = list_with (all, "drifted");
  g_autofree char *unknown = list_with (all, "unknown");
  if (*drifted != '\0')
    {
      g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT, "drifted from what it is pointed at: %s", drifted);
      rp_cli_hint (error, "an agent that runs brings its target back; `repoint rollout status APP/ENV` shows"
                          " what it says");
    }
  else if (*unknown != '\0')
    {
      g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE, "nobody says what runs in %s", unknown);
      rp_cli_hint (error, "look whether the agents run: `repoint agent status` on their hosts");
    }
  return *drifted == '\0' && *unknown == '\0';
}

gboolean
rp_drift_run (RpCli *cli, char **args, GError **error)
{
  g_autoptr (json_t) all = rp_environments_show (cli, args[0], fetch_drift, print_drift, error);
  return all != NULL && check_all (all, error);
}
