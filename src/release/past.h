/* What ran in an environment at some time: what it was pointed at, and what was seen of its targets.
 *
 * A time is asked for by people; what came before what is the ledger's sequence.  So it is the last
 * thing in the ledger's order that its clock does not put later.
 */
#pragma once

#include "release/target_view.h"

typedef struct
{
  char *app;
  char *environment;
  gint64 at_us;
  RpRevision *revision; /* as it is known now; NULL: nothing was deployed yet */
  GPtrArray *targets;   /* RpTargetView of those that had reported, as they had by then */
} RpPast;
void rp_past_free (RpPast *past);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpPast, rp_past_free)

/* With all of that millisecond. RP_ERROR_INVALID for a time that is still to come. */
RpPast *rp_past_get (RpEngine *engine, const char *app, const char *environment, gint64 at_us,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_past_to_json (const RpPast *past);
