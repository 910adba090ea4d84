#include "agent/agent.h"

#include "base/log.h"
#include "cli/humane.h"
#include "cli/table.h"
#include "cli/verbs.h"

static struct {
  char *config;
  char *target;
  char *because;
  gint64 to_revision;
  gboolean once;
  gboolean verbose;
} options;

#define CONFIG_OPTION                                                                              \
  { "config", 'c', 0, G_OPTION_ARG_FILENAME, &options.config,                                      \
    "Configuration of the agent (default " RP_AGENT_DEFAULT_CONFIG ")", "FILE" }

const GOptionEntry rp_agent_options[] = {
  CONFIG_OPTION,
  { "once", 0, 0, G_OPTION_ARG_NONE, &options.once,
    "Reconcile every target until it rests, report, and end", NULL },
  { "verbose", 'v', 0, G_OPTION_ARG_NONE, &options.verbose, "Log what is usually not worth it",
    NULL },
  G_OPTION_ENTRY_NULL
};

static const GOptionEntry undo_options[] = {
  CONFIG_OPTION,
  { "target", 0, 0, G_OPTION_ARG_FILENAME, &options.target,
    "Target to take back: web-1 or shop/production/web-1; default: the only one", "NAME" },
  { "to-revision", 0, 0, G_OPTION_ARG_INT64, &options.to_revision,
    "Go back to revision N; default: the last known good one", "N" },
  { "because", 0, 0, G_OPTION_ARG_FILENAME, &options.because, "Why, for the record", "TEXT" },
  G_OPTION_ENTRY_NULL
};

static const GOptionEntry status_options[] = { CONFIG_OPTION, G_OPTION_ENTRY_NULL };

gboolean
rp_agent_run_verb (RpCli *cli, char **args, GError **error)
{
  (void) cli;
  (void) args;
  RpAgentOptions agent = { .config_path = options.config, .once = options.once };
  if (options.verbose)
    rp_log_set_level (RP_LOG_DEBUG);
  return rp_agent_run (&agent, error);
}

static void
print_undo (RpCli *cli, const json_t *report)
{
  gsize i;
  json_t *skipped;
  json_array_foreach (json_object_get (report, "skipped"), i, skipped)
      rp_cli_note (cli, "  skipped revision %" G_GINT64_FORMAT " (%s): %s",
                   rp_json_int (skipped, "revision"), rp_json_str (skipped, "version"),
                   rp_json_str (skipped, "why"));
  g_autofree char *took = rp_humane_duration (rp_json_int (report, "took_ms"));
  rp_cli_note (cli,
               "%s: %s from revision %" G_GINT64_FORMAT " to revision %" G_GINT64_FORMAT
               " (%s), in %s",
               rp_json_str (report, "target"), rp_json_str (report, "state"),
               rp_json_int (report, "from_revision"), rp_json_int (report, "to_revision"),
               rp_json_str (json_object_get (report, "to_release"), "version"), took);
  if (!rp_json_bool (report, "recorded"))
    fputs ("the disk took no record of it; the server learns of it from what is observed\n",
           stderr);
}

static gboolean
undo_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  g_autoptr (json_t) report = NULL;
  const char *actor = g_getenv ("REPOINT_ACTOR");
  RpAgentUndoOptions undo = {
    .config_path = options.config,
    .target = options.target,
    .to_revision = options.to_revision,
    .cause = options.because,
    .actor = actor != NULL && *actor != '\0' ? actor : NULL,
  };
  if (options.to_revision < 0)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "--to-revision: expected a number from 1");
      return FALSE;
    }
  gboolean ok = rp_agent_undo (&undo, &report, error);
  if (report != NULL && cli->json)
    rp_cli_print_json (cli, report);
  else if (report != NULL)
    print_undo (cli, report);
  return ok;
}

static const char *
describe_place (const json_t *revision)
{
  if (rp_json_bool (revision, "current"))
    return "current";
  return rp_json_bool (revision, "undo_target") ? "undo target" : NULL;
}

static void
print_window (RpCli *cli, const json_t *window)
{
  g_autoptr (RpTable) table = rp_table_new (">REVISION|~RELEASE|DIGEST|MARK|GOOD|LOCAL");
  gsize i;
  json_t *revision;
  json_array_foreach (window, i, revision)
  {
    gboolean local = rp_json_bool (revision, "local");
    rp_table_add_int (table, rp_json_int (revision, "revision"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (revision, "version"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_digest (rp_json_str (revision, "digest")));
    rp_table_add (table, RP_STYLE_PLAIN, describe_place (revision));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_bool (revision, "good") ? "yes" : "no");
    rp_table_add (table, local ? RP_STYLE_GOOD : RP_STYLE_WARN, local ? "yes" : "no");
  }
  if (i > 0)
    rp_table_print (table, &cli->out, 2);
}

/* `, 2 reports waiting for it`; nothing if none does. */
static char *
describe_outbox (const json_t *target)
{
  gint64 waiting = rp_json_int (target, "outbox");
  return waiting == 0 ? g_strdup ("")
                      : g_strdup_printf (", %" G_GINT64_FORMAT " report%s waiting for it", waiting,
                                         waiting == 1 ? "" : "s");
}

static void
print_target (RpCli *cli, const json_t *target)
{
  const char *message = rp_json_str (target, "message");
  g_autofree char *digest = rp_humane_digest (rp_json_str (target, "observed_digest"));
  g_autofree char *seen = rp_humane_ago (rp_json_str (target, "server_seen_at"));
  g_autofree char *waiting = describe_outbox (target);
  rp_cli_note (cli,
               "%s (%s): %s, pointer at revision %" G_GINT64_FORMAT ", runs %s%s; server seen %s%s",
               rp_json_str (target, "target"), rp_json_str (target, "driver"),
               rp_json_str (target, "phase"), rp_json_int (target, "pointer_revision"), digest,
               rp_json_bool (target, "intact") ? "" : " (changed by hand)", seen,
               waiting);
  if (message != NULL && *message != '\0')
    rp_cli_note (cli, "  %s", message);
  print_window (cli, json_object_get (target, "window"));
}

static gboolean
status_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  g_autoptr (json_t) status = NULL;
  if (!rp_agent_status (options.config, NULL, &status, error))
    return FALSE;
  if (cli->json)
    {
      rp_cli_print_json (cli, status);
      return TRUE;
    }
  rp_cli_note (cli, "agent %s, %s, server %s", rp_json_str (status, "agent"),
               rp_json_bool (status, "running") ? "running" : "not running",
               rp_json_str (status, "server"));
  gsize i;
  json_t *target;
  json_array_foreach (json_object_get (status, "targets"), i, target) print_target (cli, target);
  return TRUE;
}

const RpVerb rp_agent_verbs[] = {
  { "undo", "Go back to the last known good release from this host's own bytes", "", undo_options,
    undo_run, NULL },
  { "status", "Show what this host runs and what it can go back to", "", status_options, status_run,
    NULL },
  { NULL }
};
