/* A revision that is watched by the signals of its environment, and what came of it.  It begins in the transaction in which the
 * revision becomes healthy, if signals are declared; it ends with a verdict, or when the pointer moves on.
 *   signal.begun    {app, environment, number, for_ms}
 *   signal.measured {app, environment, number, signals}                        after each round of measurements
 *   signal.judged   {app, environment, number, state, reason, action, but, rollback_due, signals}
 * All that is known is in the ledger, so a server that starts again goes on where it was.
 */
#pragma once

#include "release/engine.h"
#include "release/signal_rules.h"
#include "release/signal_tally.h"

typedef struct
{
  char *app;
  char *environment;
  gint64 number; /* of the revision */
  char *version; /* of its release */
  RpSignalState state;
  gint64 began_us;
  gint64 until_us;
  char *reason; /* of the verdict; or NULL, as the next two */
  char *action; /* what was done */
  char *but;    /* why not more */
  gint64 judged_us;     /* 0: no verdict yet */
  RpSignalRules *rules; /* those declared now */
  GPtrArray *tallies;   /* RpSignalTally, of what was measured */
} RpSignalWatch;
void rp_signal_watch_free (RpSignalWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpSignalWatch, rp_signal_watch_free)

/* *out is NULL if that revision is not and was not watched. */
gboolean rp_signal_watch_load (RpTxn *txn, const char *app, const char *environment, gint64 number,
                               RpSignalWatch **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RpSignalWatch: all that are going on. */
GPtrArray *rp_signal_watch_list (RpEngine *engine, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RpSignalWatch: those of the revisions that are current, whatever their state. */
GPtrArray *rp_signal_watch_list_current (RpEngine *engine, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* null: not watched. */
json_t *rp_signal_watch_to_json_or_null (const RpSignalWatch *watch);

/* In the write transaction in which the revision becomes healthy. */
gboolean rp_signal_watch_begin (RpEngine *engine, RpTxn *txn, const char *app, const char *environment, gint64 number,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What a round brought. Borrowed. */
typedef struct
{
  const RpSignalWatch *watch;
  const GPtrArray *tallies; /* RpSignalTally: all of them, as they are now; NULL: nothing was measured */
  RpSignalState state;      /* what follows */
  const char *reason;       /* unless it is still watched */
} RpSignalRound;
/* Writes it down, and has done what was declared for a failure: a pause in the same transaction; a rollback is due from then on, and
 * made by rp_engine_tick(), where the release was not rolled back by itself before and did not come by a rollback.  Nothing happens if
 * the pointer moved on since. *out_watch is what is known afterwards. */
gboolean rp_signal_watch_note (RpEngine *engine, const RpSignalRound *round, RpSignalWatch **out_watch,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* For the projector: of these three kinds, and of the revision that takes the place of another. */
gboolean rp_signal_watch_apply_begun (RpTxn *txn, const RpEvent *event, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_signal_watch_apply_measured (RpTxn *txn, const RpEvent *event, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_signal_watch_apply_judged (RpTxn *txn, const RpEvent *event, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_signal_watch_apply_left (RpTxn *txn, const RpEvent *event, GError **error) G_GNUC_WARN_UNUSED_RESULT;
