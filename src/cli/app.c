#include "base/clock.h"
#include "cli/humane.h"
#include "cli/table.h"
#include "cli/verbs.h"

/* `1.2.0 (7)` */
static char *
describe_pointer (const json_t *revision)
{
  if (!json_is_object (revision))
    return NULL;
  return g_strdup_printf ("%s (%" G_GINT64_FORMAT ")",
                          rp_json_str (json_object_get (revision, "release"), "version"),
                          rp_json_int (revision, "number"));
}

static void
add_environment (RpTable *table, const char *app, const json_t *environment)
{
  const json_t *current = json_object_get (environment, "current");
  const char *outcome = rp_json_str (current, "outcome");
  rp_table_add (table, RP_STYLE_PLAIN, app);
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (environment, "name"));
  rp_table_take (table, RP_STYLE_BOLD, describe_pointer (current));
  rp_table_add (table, rp_humane_outcome_style (outcome), outcome);
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (current, "at")));
  rp_table_take (table, RP_STYLE_PLAIN,
                 describe_pointer (json_object_get (environment, "last_good")));
  rp_table_add_int (table, (gint64) json_array_size (json_object_get (environment, "targets")));
}

static gboolean
list_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  g_autofree char *path = rp_api_path ("apps", NULL);
  g_autoptr (json_t) answer = rp_api_get (cli->api, path, 0, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    {
      rp_cli_print_json (cli, answer);
      return TRUE;
    }
  g_autoptr (RpTable) table
      = rp_table_new ("APP|ENVIRONMENT|~CURRENT|OUTCOME|SINCE|~UNDO TARGET|>TARGETS");
  gsize i, j;
  json_t *app, *environment;
  json_array_foreach (json_object_get (answer, "apps"), i, app) json_array_foreach (
      json_object_get (app, "environments"), j, environment)
      add_environment (table, rp_json_str (app, "name"), environment);
  if (i == 0)
    rp_cli_note (cli, "no apps yet; declare one with `repoint apply -f repoint.yaml`");
  else
    rp_table_print (table, &cli->out, 0);
  return TRUE;
}

static void
print_components (RpCli *cli, const json_t *app)
{
  g_autoptr (RpTable) table = rp_table_new ("COMPONENT|REPOSITORY");
  gsize i;
  json_t *component;
  json_array_foreach (json_object_get (app, "components"), i, component)
  {
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (component, "name"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (component, "repository"));
  }
  rp_table_print (table, &cli->out, 0);
}

static char *
list_targets (const json_t *environment)
{
  GString *text = g_string_new (NULL);
  gsize i;
  json_t *target;
  json_array_foreach (json_object_get (environment, "targets"), i, target)
      g_string_append_printf (text, "%s%s (%s)", i > 0 ? ", " : "", rp_json_str (target, "name"),
                              rp_json_str (target, "component"));
  return g_string_free (text, FALSE);
}

static void
print_environments (RpCli *cli, const json_t *app)
{
  g_autoptr (RpTable) table = rp_table_new (
      "ENVIRONMENT|?PAUSED|~CURRENT|OUTCOME|~UNDO TARGET|>WINDOW|ON FAILURE|TRIAL|~TARGETS");
  gsize i;
  json_t *environment;
  json_array_foreach (json_object_get (app, "environments"), i, environment)
  {
    const json_t *current = json_object_get (environment, "current");
    const char *outcome = rp_json_str (current, "outcome");
    gboolean paused = json_is_object (json_object_get (environment, "paused"));
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (environment, "name"));
    rp_table_add (table, RP_STYLE_WARN, paused ? "paused" : NULL);
    rp_table_take (table, RP_STYLE_PLAIN, describe_pointer (current));
    rp_table_add (table, rp_humane_outcome_style (outcome), outcome);
    rp_table_take (table, RP_STYLE_PLAIN,
                   describe_pointer (json_object_get (environment, "last_good")));
    rp_table_add_int (table, rp_json_int (environment, "window"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (environment, "on_failure"));
    rp_table_take (table, RP_STYLE_PLAIN,
                   rp_humane_duration (rp_json_int (environment, "trial_ms")));
    rp_table_take (table, RP_STYLE_PLAIN, list_targets (environment));
  }
  rp_table_print (table, &cli->out, 0);
}

static gboolean
show_run (RpCli *cli, char **args, GError **error)
{
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  g_autofree char *path = rp_api_path ("apps", args[0], NULL);
  g_autoptr (json_t) app = rp_api_get (cli->api, path, 0, error);
  if (app == NULL)
    return FALSE;
  if (cli->json)
    {
      rp_cli_print_json (cli, app);
      return TRUE;
    }
  print_components (cli, app);
  fputc ('\n', cli->out.stream);
  print_environments (cli, app);
  return TRUE;
}

const RpVerb rp_app_verbs[] = {
  { "list", "List the apps and where their environments point", "", NULL, list_run, NULL },
  { "show", "Show an app's components and environments", "APP", NULL, show_run, NULL },
  { NULL }
};
