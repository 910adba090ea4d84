/* Carries out what rollout.c decides: loads the state, steps, appends the events.  All run inside a
 * write transaction, except rp_engine_tick() (engine.h).
 */
#pragma once

#include "release/engine.h"
#include "release/rollout.h"

/* After revision.created. */
gboolean rp_rollout_run_started (RpEngine *engine, RpTxn *txn, const char *app,
                                 const char *environment, const char *actor,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Before the next revision.created: ends the one that is current. */
gboolean rp_rollout_run_moved_on (RpEngine *engine, RpTxn *txn, const char *app,
                                  const char *environment, const char *actor,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* After app.applied. */
gboolean rp_rollout_run_declared (RpEngine *engine, RpTxn *txn, const char *app,
                                  const char *environment, const char *actor,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The state of the environment's current revision; revision 0 if there is none. `rows` keeps the
 * strings. */
gboolean rp_rollout_load (RpTxn *txn, const char *app, const char *environment, RpRollout *out,
                          RpRows **out_rows, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Records the outcome, if there is one. */
gboolean rp_rollout_record (RpEngine *engine, RpTxn *txn, const char *app, const char *environment,
                            gint64 revision, const RpRolloutActions *actions, const char *actor,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
