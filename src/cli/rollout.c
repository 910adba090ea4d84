#include "cli/follow.h"
#include "cli/humane.h"
#include "cli/move.h"
#include "cli/release_view.h"
#include "cli/table.h"
#include "cli/target_view.h"
#include "cli/verbs.h"

static struct {
  gint64 revision;
  gint64 to_revision;
  gint64 limit;
  gboolean watch;
  gboolean yes;
} options;

static const GOptionEntry history_options[] = {
  { "revision", 0, 0, G_OPTION_ARG_INT64, &options.revision, "Everything about revision N", "N" },
  { "limit", 0, 0, G_OPTION_ARG_INT64, &options.limit, "At most N, the newest; default: all", "N" },
  G_OPTION_ENTRY_NULL
};

static const GOptionEntry status_options[] = {
  { "watch", 'w', 0, G_OPTION_ARG_NONE, &options.watch,
    "Follow until the outcome is known, and what signals say of it", NULL },
  G_OPTION_ENTRY_NULL
};

static const GOptionEntry undo_options[] = {
  { "to-revision", 0, 0, G_OPTION_ARG_INT64, &options.to_revision,
    "Go back to revision N; default: the last known good one", "N" },
  { "yes", 'y', 0, G_OPTION_ARG_NONE, &options.yes, "Do not ask", NULL },
  RP_MOVE_OPTIONS,
  G_OPTION_ENTRY_NULL
};

static gboolean
check_revision (const char *option, gint64 number, GError **error)
{
  if (number >= 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "%s: expected a number from 1", option);
  return FALSE;
}

/* The Environment of App `app` that is called `name`. Borrowed; NULL if there is none. */
static const json_t *
find_environment (const json_t *app, const char *name)
{
  gsize i;
  json_t *environment;
  json_array_foreach (json_object_get (app, "environments"), i, environment)
  if (g_strcmp0 (rp_json_str (environment, "name"), name) == 0)
    return environment;
  return NULL;
}

/* `failed, rolled back by 7`, `healthy, undo target` */
static char *
describe_outcome (const json_t *revision, gint64 current, gint64 undo_target)
{
  gint64 number = rp_json_int (revision, "number");
  gint64 rolled_back_by = rp_json_int (revision, "rolled_back_by");
  GString *text = g_string_new (rp_json_str (revision, "outcome"));
  if (number == current)
    g_string_append (text, ", current");
  if (number == undo_target)
    g_string_append (text, ", undo target");
  if (rolled_back_by > 0)
    g_string_append_printf (text, ", rolled back by %" G_GINT64_FORMAT, rolled_back_by);
  return g_string_free (text, FALSE);
}

static void
add_revision (RpTable *table, const json_t *revision, gint64 current, gint64 undo_target)
{
  const json_t *release = json_object_get (revision, "release");
  gboolean is_current = rp_json_int (revision, "number") == current;
  rp_table_add_int (table, rp_json_int (revision, "number"));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (revision, "kind"));
  rp_table_add (table, is_current ? RP_STYLE_BOLD : RP_STYLE_PLAIN,
                rp_json_str (release, "version"));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_commit (rp_json_str (release, "commit")));
  rp_table_take (table, rp_humane_outcome_style (rp_json_str (revision, "outcome")),
                 describe_outcome (revision, current, undo_target));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (revision, "at")));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_duration (rp_json_int (revision, "ran_for_ms")));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (revision, "cause"));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (revision, "actor"));
}

static gboolean
print_history (RpCli *cli, const char *app, const char *env, const json_t *revisions,
               GError **error)
{
  g_autofree char *path = rp_api_path ("apps", app, NULL);
  g_autoptr (json_t) whole = rp_api_get (cli->api, path, 0, error);
  if (whole == NULL)
    return FALSE;
  const json_t *environment = find_environment (whole, env);
  gint64 current = rp_json_int (json_object_get (environment, "current"), "number");
  gint64 undo_target = rp_json_int (json_object_get (environment, "last_good"), "number");
  if (json_array_size (revisions) == 0)
    {
      rp_cli_note (cli, "%s/%s: nothing was ever deployed here", app, env);
      return TRUE;
    }
  g_autoptr (RpTable) table = rp_table_new (
      ">REVISION|KIND|~RELEASE|?COMMIT|~OUTCOME|WHEN|?RAN FOR|~CAUSE|?~ACTOR");
  gsize i;
  json_t *revision;
  json_array_foreach (revisions, i, revision) add_revision (table, revision, current, undo_target);
  rp_table_print (table, &cli->out, 0);
  return TRUE;
}

static void
print_fact (RpCli *cli, const char *name, const char *text)
{
  if (text == NULL)
    return;
  fprintf (cli->out.stream, "%-16s", name);
  rp_term_text (&cli->out, RP_STYLE_PLAIN, text);
  fputc ('\n', cli->out.stream);
}

static void
print_fact_number (RpCli *cli, const char *name, const json_t *object, const char *key)
{
  if (rp_json_int (object, key) <= 0)
    return;
  g_autofree char *text = g_strdup_printf ("revision %" G_GINT64_FORMAT, rp_json_int (object, key));
  print_fact (cli, name, text);
}

/* Here digests are shown whole: this is where one copies them from. */
static void
print_revision (RpCli *cli, const json_t *revision)
{
  const json_t *release = json_object_get (revision, "release");
  g_autofree char *number
      = g_strdup_printf ("%" G_GINT64_FORMAT, rp_json_int (revision, "number"));
  g_autofree char *ran = rp_humane_duration (rp_json_int (revision, "ran_for_ms"));
  print_fact (cli, "revision", number);
  print_fact (cli, "kind", rp_json_str (revision, "kind"));
  print_fact (cli, "release", rp_json_str (release, "version"));
  print_fact (cli, "commit", rp_json_str (release, "commit"));
  print_fact (cli, "build", rp_json_str (release, "build"));
  print_fact (cli, "outcome", rp_json_str (revision, "outcome"));
  print_fact (cli, "reason", rp_json_str (revision, "outcome_reason"));
  print_fact_number (cli, "restores", revision, "restores");
  print_fact_number (cli, "rolled back by", revision, "rolled_back_by");
  print_fact (cli, "cause", rp_json_str (revision, "cause"));
  print_fact (cli, "actor", rp_json_str (revision, "actor"));
  print_fact (cli, "at", rp_json_str (revision, "at"));
  print_fact (cli, "ran for", ran);
  gsize i;
  json_t *component, *gate;
  json_array_foreach (json_object_get (revision, "overrides"), i, gate)
  {
    g_autofree char *text = g_strdup_printf ("gate %s: %s", rp_json_str (gate, "gate"),
                                             rp_json_str (gate, "reason"));
    print_fact (cli, "overridden", text);
  }
  json_array_foreach (json_object_get (release, "components"), i, component)
  {
    g_autofree char *text
        = g_strdup_printf ("%s %s@%s", rp_json_str (component, "name"),
                           rp_json_str (component, "repository"),
                           rp_json_str (component, "digest"));
    print_fact (cli, "component", text);
  }
}

static gboolean
show_revision (RpCli *cli, const char *app, const char *env, GError **error)
{
  g_autofree char *number = g_strdup_printf ("%" G_GINT64_FORMAT, options.revision);
  g_autofree char *path
      = rp_api_path ("apps", app, "environments", env, "revisions", number, NULL);
  g_autoptr (json_t) revision = rp_api_get (cli->api, path, 0, error);
  if (revision == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, revision);
  else
    print_revision (cli, revision);
  return TRUE;
}

static gboolean
history_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *app = NULL;
  g_autofree char *env = NULL;
  if (!check_revision ("--revision", options.revision, error)
      || !check_revision ("--limit", options.limit, error)
      || !rp_cli_parse_env (args[0], &app, &env, error) || rp_cli_api (cli, error) == NULL)
    return FALSE;
  if (options.revision > 0)
    return show_revision (cli, app, env, error);
  g_autofree char *path = rp_api_path ("apps", app, "environments", env, "revisions", NULL);
  g_autoptr (json_t) answer
      = rp_api_get_pages (cli->api, path, "revisions", options.limit, error);
  if (answer == NULL)
    return FALSE;
  if (!cli->json)
    return print_history (cli, app, env, json_object_get (answer, "revisions"), error);
  rp_cli_print_json (cli, answer);
  return TRUE;
}

/* What a confirmed target has to say stands in its row. */
static void
print_message (RpCli *cli, const json_t *target)
{
  const char *message = rp_json_str (target, "message");
  if (message == NULL || *message == '\0'
      || g_strcmp0 (rp_json_str (target, "state"), "confirmed") == 0)
    return;
  g_autofree char *brief = rp_humane_text (message);
  g_autofree char *line = g_strdup_printf ("%s: %s", rp_json_str (target, "name"), brief);
  fputs ("  ", cli->out.stream);
  rp_term_paragraph (&cli->out, 2, line);
}

static void
print_status (RpCli *cli, const char *where, const json_t *status)
{
  const json_t *current = json_object_get (status, "current");
  const char *outcome = rp_json_str (current, "outcome");
  g_autofree char *what = rp_humane_revision (current);
  g_autofree char *ago = rp_humane_ago (rp_json_str (current, "at"));
  fprintf (cli->out.stream, "%s: ", where);
  rp_term_text (&cli->out, RP_STYLE_BOLD, what);
  fprintf (cli->out.stream, ", %s, made %s, ", rp_json_str (current, "kind"), ago);
  rp_term_text (&cli->out, rp_humane_outcome_style (outcome), outcome);
  fputs (rp_json_bool (status, "converged") ? ", every target follows\n"
                                            : ", not every target follows\n",
         cli->out.stream);
}

static void
print_targets (RpCli *cli, const json_t *status)
{
  const json_t *targets = json_object_get (status, "targets");
  gsize i;
  json_t *target;
  rp_target_view_print (cli, targets);
  json_array_foreach (targets, i, target) print_message (cli, target);
}

/* What may not be deployed here now. */
static void
print_stops (RpCli *cli, const json_t *status)
{
  const json_t *pause = json_object_get (status, "paused");
  if (json_is_object (pause))
    {
      g_autofree char *ago = rp_humane_ago (rp_json_str (pause, "at"));
      g_autofree char *line = g_strdup_printf ("by %s %s: %s", rp_json_str (pause, "actor"), ago,
                                               rp_json_str (pause, "because"));
      fputs ("  paused: ", cli->out.stream);
      rp_term_paragraph (&cli->out, 10, line);
    }
  gsize i;
  json_t *hold;
  json_array_foreach (json_object_get (status, "holds"), i, hold)
  {
    g_autofree char *line = rp_release_describe_hold (hold);
    fputs ("  held: ", cli->out.stream);
    rp_term_paragraph (&cli->out, 8, line);
  }
}

/* `    errors bad: 0.05, bad above 0.02 (12 ok, 3 bad)` */
static void
print_signal (RpCli *cli, const json_t *signal)
{
  const char *detail = rp_json_str (signal, "detail");
  gint64 blind = rp_json_int (signal, "inconclusive") + rp_json_int (signal, "errors");
  g_autofree char *without = blind == 0 ? g_strdup ("")
                                        : g_strdup_printf (", %" G_GINT64_FORMAT " without an answer", blind);
  g_autofree char *line
      = g_strdup_printf ("%s %s: %s (%" G_GINT64_FORMAT " ok, %" G_GINT64_FORMAT " bad%s)",
                         rp_json_str (signal, "name"), rp_json_str (signal, "outcome"),
                         detail != NULL ? detail : "nothing was said of it", rp_json_int (signal, "ok"),
                         rp_json_int (signal, "bad"), without);
  fputs ("    ", cli->out.stream);
  rp_term_paragraph (&cli->out, 4, line);
}

static void
print_signals (RpCli *cli, const json_t *status)
{
  const json_t *watch = json_object_get (status, "signals");
  const char *reason = rp_json_str (watch, "reason"), *action = rp_json_str (watch, "action");
  const char *but = rp_json_str (watch, "but");
  if (!json_is_object (watch))
    return;
  g_autofree char *line
      = reason == NULL
            ? g_strdup_printf ("%s until %s", rp_json_str (watch, "state"), rp_json_str (watch, "until"))
            : g_strdup_printf ("%s: %s%s%s%s%s", rp_json_str (watch, "state"), reason,
                               action != NULL ? "; action: " : "", action != NULL ? action : "",
                               but != NULL ? "; " : "", but != NULL ? but : "");
  fputs ("  signals: ", cli->out.stream);
  rp_term_paragraph (&cli->out, 11, line);
  gsize i;
  json_t *signal;
  json_array_foreach (json_object_get (watch, "signals"), i, signal) print_signal (cli, signal);
}

static gboolean
check_signals (const char *where, const json_t *watch, GError **error)
{
  if (g_strcmp0 (rp_json_str (watch, "state"), "failed") != 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_UNHEALTHY, "%s: revision %" G_GINT64_FORMAT " runs, but %s", where,
               rp_json_int (watch, "revision"), rp_json_str (watch, "reason"));
  rp_cli_hint (error, "go back with `repoint rollout undo %s`", where);
  return FALSE;
}

static gboolean
check_current (const char *where, const json_t *current, GError **error)
{
  const char *reason = rp_json_str (current, "outcome_reason");
  if (g_strcmp0 (rp_json_str (current, "outcome"), "failed") != 0)
    return TRUE;
  g_autofree char *what = rp_humane_revision (current);
  g_set_error (error, RP_ERROR, RP_ERROR_UNHEALTHY, "%s: %s failed: %s", where, what,
               reason != NULL ? reason : "no reason was given");
  rp_cli_hint (error, "go back with `repoint rollout undo %s`", where);
  return FALSE;
}

static json_t *
get_status (RpCli *cli, const char *app, const char *env, GError **error)
{
  g_autofree char *path = rp_api_path ("apps", app, "environments", env, "status", NULL);
  return rp_api_get (cli->api, path, 0, error);
}

static gboolean
show_status (RpCli *cli, const char *where, const json_t *status, GError **error)
{
  const json_t *current = json_object_get (status, "current");
  if (cli->json)
    rp_cli_print_json (cli, status);
  else if (json_is_object (current))
    print_status (cli, where, status);
  else
    rp_cli_note (cli, "%s: nothing is deployed here yet", where);
  if (!cli->json)
    {
      print_targets (cli, status);
      print_signals (cli, status);
      print_stops (cli, status);
    }
  return check_current (where, current, error)
         && check_signals (where, json_object_get (status, "signals"), error);
}

static gboolean
status_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *app = NULL;
  g_autofree char *env = NULL;
  if (!rp_cli_parse_env (args[0], &app, &env, error) || rp_cli_api (cli, error) == NULL)
    return FALSE;
  g_autoptr (json_t) status = get_status (cli, app, env, error);
  if (status == NULL)
    return FALSE;
  const json_t *current = json_object_get (status, "current");
  if (options.watch && json_is_object (current))
    {
      gint64 number = rp_json_int (current, "number");
      if (!rp_follow (cli, app, env, number, TRUE, RP_FOLLOW_FOREVER, error))
        return FALSE;
      json_decref (g_steal_pointer (&status));
      status = get_status (cli, app, env, error);
      if (status == NULL)
        return FALSE;
    }
  return show_status (cli, args[0], status, error);
}

static gboolean
undo_run (RpCli *cli, char **args, GError **error)
{
  RpMove move = { .kind = "rollback",
                  .where = args[0],
                  .to_revision = options.to_revision,
                  .confirm = !options.yes };
  if (!check_revision ("--to-revision", options.to_revision, error))
    return FALSE;
  return rp_move_run (cli, &move, error);
}

const RpVerb rp_rollout_verbs[] = {
  { "history", "Show every revision of an environment", "APP/ENV", history_options, history_run,
    NULL },
  { "status", "Show what is current and what every target runs", "APP/ENV", status_options,
    status_run, NULL },
  { "undo", "Go back to the last known good release", "APP/ENV", undo_options, undo_run, NULL },
  { NULL }
};
