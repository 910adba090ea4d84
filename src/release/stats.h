/* The four measures of DORA (https://dora.dev) of an environment, from its history, and nothing that the ledger
 * does not know.  rp_stats_definitions() says of each what is counted.
 */
#pragma once

#include "release/revision.h"

typedef struct
{
  gint64 number;
  RpRevisionKind kind;
  gint64 release;
  gint64 release_at_us; /* when that was recorded */
  gint64 at_us;
  RpOutcome outcome;
  gint64 outcome_at_us;  /* 0: none yet */
  gint64 rolled_back_by; /* 0: none */
} RpStatsRow;

/* What one rollback was good for. */
typedef struct
{
  gint64 number;
  RpRevisionKind kind;
  gint64 left;       /* the revision that it rolled back from */
  gint64 at_us;
  gint64 took_us;    /* from moving the pointer until it was healthy; -1: it did not become healthy (yet) */
  gint64 bad_for_us; /* from pointing at what it left until then; -1: not over */
} RpRestoration;

typedef struct
{
  gint64 deployments; /* that became healthy */
  gint64 restarts;    /* deploys of what was current already: counted nowhere else */
  gint64 rollbacks;
  gint64 decided; /* changes of which it is known whether they failed */
  gint64 failed;
  gint64 leads;       /* lead times that were measured */
  gint64 lead_us;     /* their median; 0: there are none */
  gint64 recoveries;  /* failed changes after which the environment was healthy again */
  gint64 recovery_us; /* the median of how long that took */
  gint64 open;        /* failed changes after which it is not yet */
  GArray *restorations; /* RpRestoration, newest first */
} RpStats;
void rp_stats_clear (RpStats *stats);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpStats, rp_stats_clear)

/* `rows`: RpStatsRow, all of the environment's history, oldest first. Counts what was pointed at from
 * `from_us` on. Pure. */
void rp_stats_compute (const GArray *rows, gint64 from_us, RpStats *out);

/* Of all environments of the app, or of `environment` if that is not NULL, in the last `days`. */
json_t *rp_stats_get (RpEngine *engine, const char *app, const char *environment, gint64 days,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Measure → what it counts, in a sentence. */
json_t *rp_stats_definitions (void);
