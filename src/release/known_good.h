/* Which earlier release is known to be good: what `undo` goes to and what a window must keep. Pure:
 * a history in, a choice out.
 *
 * A revision has a verdict once it became healthy (good) or failed, or was rolled back from (bad);
 * one that was superseded before either has none.  One that became healthy and whose signals failed is bad, too.  A release is good in an environment if the
 * newest verdict about it there is good. So failed attempts push nothing out, a release that was
 * rolled back from is no target until it is deployed again on purpose and becomes healthy, and
 * order is that of revision numbers alone.
 */
#pragma once

#include <glib.h>

typedef enum
{
  RP_OUTCOME_PROGRESSING,
  RP_OUTCOME_HEALTHY,
  RP_OUTCOME_FAILED,
  RP_OUTCOME_SUPERSEDED
} RpOutcome;
const char *rp_outcome_name (RpOutcome outcome);
RpOutcome rp_outcome_parse (const char *name); /* of our own records */

typedef struct
{
  gint64 number;
  gint64 release;
  RpOutcome outcome;
  gint64 rolled_back_by; /* 0: none */
  gint64 at_us;          /* when it was pointed at */
  gboolean signals_failed; /* never of a rollback: it is not the release that came back which is to blame */
} RpHistoryRow;

typedef enum
{
  RP_SKIP_SAME_RELEASE, /* as the current one: going there would change nothing */
  RP_SKIP_FAILED,
  RP_SKIP_ROLLED_BACK,
  RP_SKIP_SIGNALS_FAILED,
  RP_SKIP_NEVER_HEALTHY,
  RP_SKIP_RELEASE_FAILED_LATER,      /* was healthy, but its release failed in `other` since */
  RP_SKIP_RELEASE_ROLLED_BACK_LATER, /* ... was rolled back from in `other` since */
} RpSkipReason;

typedef struct
{
  gint64 revision;
  gint64 release;
  RpSkipReason why;
  gint64 other; /* the revision that speaks against it, 0 if it is itself */
} RpSkipped;

typedef struct
{
  gint64 revision;
  gint64 release;
  gboolean good;
} RpWindowEntry;

typedef struct
{
  gint64 undo_revision; /* 0: there is none */
  gint64 undo_release;
  GArray *skipped; /* RpSkipped: what was passed over on the way there, newest first */
  GArray
      *window; /* RpWindowEntry: the current one, then good ones of other releases, newest first */
} RpKnownGood;
void rp_known_good_clear (RpKnownGood *known);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpKnownGood, rp_known_good_clear)

/* `rows`: the whole history, newest (the current one) first; `window`: how many good releases
 * besides the current one. */
void rp_known_good_select (const RpHistoryRow *rows, gsize n_rows, gint64 window, RpKnownGood *out);

/* How many good releases besides the current one were the current one at `since_us` or later: as many as
 * a window must have to reach back to then. */
gint64 rp_known_good_since (const RpHistoryRow *rows, gsize n_rows, gint64 since_us);

/* Is the revision `number` of the history good, that is healthy, not rolled back from, and of a
 * good release? */
gboolean rp_known_good_is (const RpHistoryRow *rows, gsize n_rows, gint64 number);
