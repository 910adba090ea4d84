/* An environment: where releases run, what it must be able to return to, and its targets. */
#pragma once

#include "release/revision.h"

typedef struct
{
  char *name;
  char *component;
} RpTargetDecl;

/* See release/pause.h. */
typedef struct
{
  char *actor;
  char *because;
  gint64 at_us;
} RpPause;
void rp_pause_free (RpPause *pause);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpPause, rp_pause_free)
/* *out is NULL if it is not paused. */
gboolean rp_pause_load (RpTxn *txn, const char *app, const char *environment, RpPause **out,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
json_t *rp_pause_to_json_or_null (const RpPause *pause);

typedef struct
{
  char *app;
  char *name;
  gint64 order; /* in promotion order, from 1 */
  gint64 window;         /* known good releases besides the current one */
  gint64 window_for_ms;  /* and those that ran in so long; 0: no more than these */
  gboolean rollback_on_failure;
  gint64 trial_ms;
  gint64 progress_deadline_ms;
  GPtrArray *targets;    /* RpTargetDecl: those declared now */
  gboolean present;      /* still declared */
  RpPause *pause;        /* or NULL */
  char *gates;           /* gate_rules.h, as canonical JSON: read where a gate is asked for, and by no rollback */
  char *signals;         /* signal_rules.h, the same */
  gint64 seq;            /* of the last event that concerns it */
  gint64 pointer_seq;    /* of the last event that changes what its agents get */
  RpRevision *current;   /* NULL: not loaded, or nothing was ever deployed */
  RpRevision *last_good; /* the undo target; NULL: not loaded, or none */
} RpEnvironment;
RpEnvironment *rp_environment_new (const char *app, const char *name);
void rp_environment_free (RpEnvironment *environment);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpEnvironment, rp_environment_free)

/* With targets and pause, without revisions. RP_ERROR_NOT_FOUND names the app's environments. */
RpEnvironment *rp_environment_load (RpTxn *txn, const char *app, const char *name,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RpEnvironment, those declared, by order. */
GPtrArray *rp_environment_load_all (RpTxn *txn, const char *app,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* What its window reaches at `now_us`: as many releases as it says, and all that ran for as long as it
 * says. rp_known_good_clear() is the caller's. */
gboolean rp_environment_load_window (RpTxn *txn, const RpEnvironment *environment, gint64 now_us,
                                     RpKnownGood *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Fills `current` and `last_good`. */
gboolean rp_environment_load_revisions (RpTxn *txn, RpEnvironment *environment,
                                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RP_ERROR_NOT_FOUND if it is no longer declared: nothing may be moved there. */
gboolean rp_environment_require_present (const RpEnvironment *environment,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_environment_to_json (const RpEnvironment *environment);

/* `app/environment/target` of each declared target that runs what is in `repository`. */
GPtrArray *rp_environment_targets_of (RpEngine *engine, const char *repository, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
