#include "release/rollout_run.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "release/engine_priv.h"
#include "release/move.h"
#include "release/signal_watch.h"

#define ACTOR_SELF "repoint" /* who acts when nobody asked */

static gboolean
load_targets (RpTxn *txn, const char *app, const char *environment, RpRollout *out,
              RpRows **out_rows, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT name, revision, state, progress, message FROM target"
                      " WHERE app = $1 AND environment = $2 AND present = 1 ORDER BY ordinal",
                      "ss", app, environment);
  if (rows == NULL)
    return FALSE;
  out->targets = g_array_new (FALSE, TRUE, sizeof (RpRolloutTarget));
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpRolloutTarget target = { .name = rp_rows_text (rows, i, 0),
                                 .revision = rp_rows_int (rows, i, 1),
                                 .progress = rp_rows_int (rows, i, 3),
                                 .message = rp_rows_text (rows, i, 4) };
      if (!rp_target_phase_parse (rp_rows_text (rows, i, 2), &target.phase, error))
        return FALSE;
      g_array_append_val (out->targets, target);
    }
  *out_rows = g_steal_pointer (&rows);
  return TRUE;
}

/* Did repoint roll this release back by itself here before? */
static gboolean
load_rolled_back_before (RpTxn *txn, const char *app, const char *environment, gint64 release,
                         gboolean *out, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT COUNT(*) FROM revision r JOIN revision b ON b.app = r.app"
                      " AND b.environment = r.environment AND b.number = r.rolled_back_by"
                      " WHERE r.app = $1 AND r.environment = $2 AND r.release = $3"
                      " AND b.kind = 'auto-rollback'",
                      "ssi", app, environment, release);
  if (rows == NULL)
    return FALSE;
  *out = rp_rows_int (rows, 0, 0) > 0;
  return TRUE;
}

gboolean
rp_rollout_load (RpTxn *txn, const char *app, const char *environment, RpRollout *out,
                 RpRows **out_rows, GError **error)
{
  g_auto (RpRollout) state = { 0 };
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT r.number, r.outcome, r.kind, r.release, r.progress_at_us, e.on_failure,"
      " e.progress_deadline_ms FROM revision r JOIN environment e"
      " ON e.app = r.app AND e.name = r.environment"
      " WHERE r.app = $1 AND r.environment = $2 ORDER BY r.number DESC LIMIT 1",
      "ss", app, environment);
  RpRevisionKind kind = RP_KIND_DEPLOY;
  if (rows == NULL || !load_targets (txn, app, environment, &state, out_rows, error))
    return FALSE;
  if (rp_rows_count (rows) > 0)
    {
      state.revision = rp_rows_int (rows, 0, 0);
      state.outcome = rp_outcome_parse (rp_rows_text (rows, 0, 1));
      state.progress_at_us = rp_rows_int (rows, 0, 4);
      state.rollback_on_failure = g_str_equal (rp_rows_text (rows, 0, 5), "rollback");
      state.progress_deadline_us = rp_rows_int (rows, 0, 6) * 1000;
      if (!rp_kind_parse (rp_rows_text (rows, 0, 2), &kind, error)
          || !load_rolled_back_before (txn, app, environment, rp_rows_int (rows, 0, 3),
                                       &state.rolled_back_before, error))
        {
          g_clear_pointer (out_rows, rp_rows_free);
          return FALSE;
        }
      state.is_rollback = rp_kind_is_rollback (kind);
    }
  *out = state;
  state.targets = NULL;
  return TRUE;
}

gboolean
rp_rollout_record (RpEngine *engine, RpTxn *txn, const char *app, const char *environment,
                   gint64 revision, const RpRolloutActions *actions, const char *actor,
                   GError **error)
{
  if (!actions->finish)
    return TRUE;
  g_autoptr (json_t) body = json_object ();
  json_object_set_new (body, "app", json_string (app));
  json_object_set_new (body, "environment", json_string (environment));
  json_object_set_new (body, "number", json_integer (revision));
  json_object_set_new (body, "outcome", json_string (rp_outcome_name (actions->outcome)));
  json_object_set_new (body, "reason", json_string (actions->reason));
  json_object_set_new (body, "rollback_due", json_boolean (actions->roll_back));
  return rp_ledger_append (engine->ledger, txn, actor, "revision.finished", body, NULL, error)
         && (actions->outcome != RP_OUTCOME_HEALTHY
             || rp_signal_watch_begin (engine, txn, app, environment, revision, error));
}

static gboolean
run (RpEngine *engine, RpTxn *txn, const char *app, const char *environment,
     const RpRolloutEvent *event, const char *actor, GError **error)
{
  g_auto (RpRollout) state = { 0 };
  g_auto (RpRolloutActions) actions = { 0 };
  g_autoptr (RpRows) rows = NULL;
  if (!rp_rollout_load (txn, app, environment, &state, &rows, error))
    return FALSE;
  if (state.revision == 0)
    return TRUE;
  rp_rollout_step (&state, event, &actions);
  return rp_rollout_record (engine, txn, app, environment, state.revision, &actions, actor, error);
}

gboolean
rp_rollout_run_started (RpEngine *engine, RpTxn *txn, const char *app, const char *environment,
                        const char *actor, GError **error)
{
  RpRolloutEvent event = { .kind = RP_ROLLOUT_STARTED, .now_us = rp_clock_now_us () };
  return run (engine, txn, app, environment, &event, actor, error);
}

gboolean
rp_rollout_run_moved_on (RpEngine *engine, RpTxn *txn, const char *app, const char *environment,
                         const char *actor, GError **error)
{
  RpRolloutEvent event = { .kind = RP_ROLLOUT_MOVED_ON };
  return run (engine, txn, app, environment, &event, actor, error);
}

gboolean
rp_rollout_run_declared (RpEngine *engine, RpTxn *txn, const char *app, const char *environment,
                         const char *actor, GError **error)
{
  RpRolloutEvent event = { .kind = RP_ROLLOUT_DECLARED };
  return run (engine, txn, app, environment, &event, actor, error);
}

/* ---- time ---- */

typedef struct
{
  RpEngine *engine;
  gint64 now_us;
  RpRows *late; /* app, environment, number, reason, rollback_due */
  const char *app;
  const char *environment;
  gint64 number;
  const char *reason;
} Tick;

static gboolean
find_late (RpTxn *txn, gpointer user_data, GError **error)
{
  Tick *tick = user_data;
  tick->late = rp_txn_query (
      txn, error,
      "SELECT r.app, r.environment, r.number, COALESCE((SELECT w.reason FROM signal_watch w"
      "  WHERE w.app = r.app AND w.environment = r.environment AND w.number = r.number"
      "  AND w.state = 'failed'), r.outcome_reason), r.rollback_due FROM revision r"
      " JOIN environment e ON e.app = r.app AND e.name = r.environment"
      " WHERE (r.outcome = 'progressing' OR r.rollback_due = 1) AND (r.rollback_due = 1"
      " OR r.progress_at_us + e.progress_deadline_ms * 1000 < $1)"
      " ORDER BY r.app, r.environment, r.number LIMIT 1000",
      "i", tick->now_us);
  return tick->late != NULL;
}

static gboolean
tick_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  const Tick *tick = user_data;
  RpRolloutEvent event = { .kind = RP_ROLLOUT_TICK, .now_us = tick->now_us };
  return run (tick->engine, txn, tick->app, tick->environment, &event, ACTOR_SELF, error);
}

static gboolean
stop_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  const Tick *tick = user_data;
  g_autoptr (RpRevision) revision
      = rp_revision_load (txn, tick->app, tick->environment, tick->number, error);
  if (revision == NULL)
    return FALSE;
  if (!revision->rollback_due)
    return TRUE;
  g_autoptr (json_t) body = json_object ();
  json_object_set_new (body, "app", json_string (tick->app));
  json_object_set_new (body, "environment", json_string (tick->environment));
  json_object_set_new (body, "number", json_integer (tick->number));
  json_object_set_new (body, "reason", json_string (tick->reason));
  return rp_ledger_append (tick->engine->ledger, txn, ACTOR_SELF, "revision.stopped", body, NULL,
                           error);
}

/* Refused for good: said once, in the ledger, rather than tried again for ever. */
static gboolean
stop (Tick *tick, const GError *why, GError **error)
{
  g_autofree char *reason = g_strdup_printf ("not rolled back by itself: %s", why->message);
  rp_log_warning ("release", "%s/%s revision %" G_GINT64_FORMAT " %s", tick->app, tick->environment,
                  tick->number, reason);
  tick->reason = reason;
  return rp_db_write (tick->engine->db, stop_in_txn, tick, error);
}

static gboolean
roll_back (Tick *tick, const char *because, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autofree char *cause
      = g_strdup_printf ("revision %" G_GINT64_FORMAT " failed: %s", tick->number, because);
  RpMoveRequest request = { .app = tick->app,
                            .environment = tick->environment,
                            .kind = RP_KIND_AUTO_ROLLBACK,
                            .expected_revision = tick->number,
                            .cause = cause,
                            .actor = ACTOR_SELF };
  gboolean created;
  g_autoptr (RpRevision) revision = rp_revision_move (tick->engine, &request, &created, &local);
  if (revision != NULL || g_error_matches (local, RP_ERROR, RP_ERROR_MOVED))
    return TRUE;
  if (g_error_matches (local, RP_ERROR, RP_ERROR_BLOCKED)
      || g_error_matches (local, RP_ERROR, RP_ERROR_NOT_FOUND))
    return stop (tick, local, error);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

gboolean
rp_engine_tick (RpEngine *engine, gint64 now_us, GError **error)
{
  Tick tick = { .engine = engine, .now_us = now_us };
  if (!rp_db_read (engine->db, find_late, &tick, error))
    return FALSE;
  g_autoptr (RpRows) late = tick.late;
  for (gsize i = 0; i < rp_rows_count (late); i++)
    {
      tick.app = rp_rows_text (late, i, 0);
      tick.environment = rp_rows_text (late, i, 1);
      tick.number = rp_rows_int (late, i, 2);
      gboolean done = rp_rows_int (late, i, 4) != 0
                          ? roll_back (&tick, rp_rows_text (late, i, 3), error)
                          : rp_db_write (engine->db, tick_in_txn, &tick, error);
      if (!done)
        return FALSE;
    }
  return TRUE;
}
