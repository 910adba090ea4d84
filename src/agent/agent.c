#include "agent/agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/host.h"
#include "agent/poller.h"
#include "agent/reporter.h"
#include "agent/reserve.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

#define WATCH_MS 100
#define UNDO_FIND_MS 5000 /* for an agent that holds the lock to open its control socket */

typedef struct {
  const RpAgentOptions *options;
  RpHost *host;
  RpHttpClient *http;
  RpReporter *reporter;
  RpGiver *giver;
  RpControl *control;
  GPtrArray *pollers;
} Agent;

/* ---- signals ---- */

static volatile sig_atomic_t signalled;

static void
note_signal (int number)
{
  signalled = number;
}

/* Handlers, not a blocked mask: commands that drivers run must not inherit blocked signals. */
static void
watch_signals (void)
{
  struct sigaction action = { .sa_handler = note_signal, .sa_flags = SA_RESTART };

  signalled = 0;
  sigemptyset (&action.sa_mask);
  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGINT, &action, NULL);
  action.sa_handler = SIG_IGN;
  sigaction (SIGPIPE, &action, NULL);
}

static gboolean
must_stop (const Agent *agent)
{
  return signalled != 0
         || (agent->options->stop != NULL && g_atomic_int_get (agent->options->stop) != 0);
}

/* ---- wiring ---- */

static void
on_reported (gpointer user_data)
{
  Agent *agent = user_data;

  rp_reporter_wake (agent->reporter);
}

static void
on_answered (gpointer user_data)
{
  Agent *agent = user_data;

  rp_reporter_server_answers (agent->reporter);
}

static RpTargetLoop *
loop_of (const RpHost *host, const RpTargetConfig *target)
{
  guint i;

  g_ptr_array_find (host->config->targets, target, &i);
  return g_ptr_array_index (host->loops, i);
}

static gboolean
on_undo (const json_t *request, json_t **out_report, gpointer user_data, GError **error)
{
  const Agent *agent = user_data;
  const RpTargetConfig *target
      = rp_agent_config_find (agent->host->config, rp_json_str (request, "target"), error);
  RpUndoRequest undo = { .to_revision = rp_json_int (request, "to_revision"),
                         .cause = rp_json_str (request, "cause"),
                         .actor = rp_json_str (request, "actor") };

  if (target == NULL)
    return FALSE;
  return rp_target_loop_undo (loop_of (agent->host, target), &undo, out_report, error);
}

static json_t *
on_ping (gpointer user_data)
{
  const Agent *agent = user_data;
  json_t *seen = json_object ();

  for (guint i = 0; i < agent->host->loops->len; i++)
    {
      const RpTargetConfig *target = g_ptr_array_index (agent->host->config->targets, i);
      gint64 at_us = rp_target_loop_heard_at_us (g_ptr_array_index (agent->host->loops, i));
      g_autofree char *at = at_us != 0 ? rp_clock_format (at_us) : NULL;

      json_object_set_new (seen, target->name, at != NULL ? json_string (at) : json_null ());
    }
  return json_pack ("{s:I, s:o}", "pid", (json_int_t) getpid (), "server_seen", seen);
}

static gboolean
start_agent (Agent *agent, GError **error)
{
  const RpDriverOps *const *drivers
      = agent->options->drivers != NULL ? agent->options->drivers : rp_drivers;
  RpHttpOptions http = { 0 };
  const RpAgentConfig *config;

  agent->host = rp_host_open (agent->options->config_path, drivers, TRUE, error);
  if (agent->host == NULL)
    return FALSE;
  config = agent->host->config;
  /* All targets are opened before any begins: a wrong configuration touches nothing. */
  for (guint i = 0; i < config->targets->len; i++)
    if (rp_host_add (agent->host, g_ptr_array_index (config->targets, i), on_reported, agent, error)
        == NULL)
      return FALSE;
  http.ca_file = config->ca_file;
  agent->http = rp_http_client_new (&http);
  agent->control = rp_control_start (config->state, on_undo, on_ping, agent, error);
  if (agent->control == NULL)
    return FALSE;
  rp_reserve_fill (config->state);
  agent->reporter = rp_reporter_start (config, agent->host->journal, agent->http);
  agent->giver = rp_giver_start (config, agent->host->stock, agent->http);
  for (guint i = 0; i < config->targets->len; i++)
    {
      RpTargetLoop *loop = g_ptr_array_index (agent->host->loops, i);

      rp_target_loop_start (loop);
      g_ptr_array_add (agent->pollers,
                       rp_poller_start (config, g_ptr_array_index (config->targets, i), loop,
                                        agent->http, agent->giver, on_answered, agent));
    }
  rp_log_info ("agent", "%s (pid %ld) follows %u target(s) of %s, state in %s", config->agent,
               (long) getpid (), config->targets->len, config->server, config->state);
  return TRUE;
}

/* Everything is told to stop before anything is waited for. */
static void
stop_agent (Agent *agent)
{
  for (guint i = 0; i < agent->pollers->len; i++)
    rp_poller_stop (g_ptr_array_index (agent->pollers, i));
  for (guint i = 0; agent->host != NULL && i < agent->host->loops->len; i++)
    rp_target_loop_stop (g_ptr_array_index (agent->host->loops, i));
  g_ptr_array_unref (agent->pollers);
  rp_control_free (agent->control);
  if (agent->host != NULL)
    g_ptr_array_set_size (agent->host->loops, 0);
  rp_giver_free (agent->giver);
  rp_reporter_free (agent->reporter);
  rp_http_client_free (agent->http);
  rp_host_close (agent->host);
}

/* ---- a single run ---- */

static gboolean
nothing_to_send (const Agent *agent, const char *target)
{
  g_autoptr (GError) error = NULL;
  gint64 waiting = 0;
  gint64 refused = 0;

  return !rp_journal_count (agent->host->journal, target, &waiting, &refused, &error)
         || waiting == 0;
}

/* TRUE when the target is done; the worst of the targets is kept in `worst`. */
static gboolean
target_is_done (const Agent *agent, guint i, GError **worst)
{
  const RpTargetConfig *target = g_ptr_array_index (agent->host->config->targets, i);
  g_autofree char *message = NULL;
  gboolean lost;
  RpPhase phase;
  RpErrorCode code;

  if (!rp_target_loop_rests (g_ptr_array_index (agent->host->loops, i), &lost, &phase, &message))
    return FALSE;
  if (!lost && !nothing_to_send (agent, target->name))
    return FALSE;
  if (phase == RP_PHASE_FAILED)
    code = RP_ERROR_UNHEALTHY;
  else if (phase == RP_PHASE_RETURNED)
    code = RP_ERROR_ROLLED_BACK;
  else if (lost || phase == RP_PHASE_PREPARING)
    code = RP_ERROR_UNREACHABLE;
  else
    return TRUE;
  if (*worst == NULL)
    g_set_error (worst, RP_ERROR, (gint) code, "%s: %s", target->name,
                 lost && !(phase == RP_PHASE_FAILED || phase == RP_PHASE_RETURNED)
                     ? "the server does not answer; it stays as it is"
                     : message);
  return TRUE;
}

static gboolean
all_are_done (const Agent *agent, GError **worst)
{
  g_autoptr (GError) found = NULL;

  for (guint i = 0; i < agent->host->loops->len; i++)
    if (!target_is_done (agent, i, &found))
      return FALSE;
  if (found != NULL)
    g_propagate_error (worst, g_steal_pointer (&found));
  return TRUE;
}

static gboolean
watch (Agent *agent, GError **error)
{
  g_autoptr (GError) worst = NULL;

  while (!must_stop (agent))
    {
      if (agent->options->once && all_are_done (agent, &worst))
        break;
      poll (NULL, 0, WATCH_MS);
    }
  if (worst == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&worst));
  return FALSE;
}

gboolean
rp_agent_run (const RpAgentOptions *options, GError **error)
{
  Agent agent = { .options = options,
                  .pollers = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_poller_free) };
  gboolean ok;

  watch_signals ();
  ok = start_agent (&agent, error) && watch (&agent, error);
  if (signalled != 0)
    rp_log_info ("agent", "stopping on signal %d; what runs keeps running", (int) signalled);
  stop_agent (&agent);
  return ok;
}

/* ---- undo ---- */

static json_t *
undo_request (const RpAgentUndoOptions *options, const char *actor)
{
  g_autofree char *cause
      = options->cause != NULL ? g_utf8_make_valid (options->cause, -1) : NULL;
  g_autofree char *valid = g_utf8_make_valid (actor, -1);

  return json_pack ("{s:s, s:s?, s:I, s:s?, s:s}", "op", "undo", "target", options->target,
                    "to_revision", (json_int_t) options->to_revision, "cause", cause, "actor",
                    valid);
}

/* The lock was free: this process is the agent for as long as the undo takes. */
static gboolean
undo_here (RpHost *host, const RpAgentUndoOptions *options, const char *actor,
           json_t **out_report, GError **error)
{
  const RpTargetConfig *target = rp_agent_config_find (host->config, options->target, error);
  RpUndoRequest request = { options->to_revision, options->cause, actor };
  RpTargetLoop *loop;

  if (target == NULL)
    return FALSE;
  loop = rp_host_add (host, target, NULL, NULL, error);
  return loop != NULL && rp_target_loop_undo (loop, &request, out_report, error);
}

/* One try: by the agent if one listens, else here.  RP_ERROR_BUSY with `*out_again`: somebody holds the
 * lock but does not listen (yet, or any more). */
static gboolean
try_undo (const RpAgentUndoOptions *options, const char *state, const char *actor,
          json_t **out_report, gboolean *out_again, GError **error)
{
  g_autoptr (json_t) request = undo_request (options, actor);
  g_autoptr (RpHost) host = NULL;
  g_autoptr (GError) failure = NULL;

  *out_again = FALSE;
  if (rp_control_ask (state, request, out_report, &failure))
    return TRUE;
  if (!g_error_matches (failure, RP_ERROR, RP_ERROR_UNREACHABLE))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  g_clear_error (&failure);
  host = rp_host_open (options->config_path,
                       options->drivers != NULL ? options->drivers : rp_drivers, FALSE, &failure);
  if (host != NULL)
    return undo_here (host, options, actor, out_report, error);
  *out_again = g_error_matches (failure, RP_ERROR, RP_ERROR_BUSY);
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

gboolean
rp_agent_undo (const RpAgentUndoOptions *options, json_t **out_report, GError **error)
{
  g_autoptr (RpAgentConfig) config = rp_agent_config_load (
      options->config_path != NULL ? options->config_path : RP_AGENT_DEFAULT_CONFIG, error);
  g_autofree char *actor = options->actor != NULL
                               ? g_strdup (options->actor)
                               : g_strdup_printf ("%s@%s", g_get_user_name (), g_get_host_name ());
  gint64 until_us = g_get_monotonic_time () + (gint64) UNDO_FIND_MS * 1000;

  if (config == NULL || rp_agent_config_find (config, options->target, error) == NULL
      || !rp_dir_make (config->state, 0700, error))
    return FALSE;
  for (;;)
    {
      g_autoptr (GError) failure = NULL;
      gboolean again;

      if (try_undo (options, config->state, actor, out_report, &again, &failure))
        return TRUE;
      if (!again || g_get_monotonic_time () > until_us)
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          return FALSE;
        }
      poll (NULL, 0, WATCH_MS);
    }
}
