/* Where what targets run is not what their environment points at.  What a target runs is what its
 * agent saw last: of one that is silent nothing is claimed.
 */
#pragma once

#include "release/target_view.h"

typedef enum
{
  RP_DRIFT_FOLLOWS, /* it runs what it is pointed at */
  RP_DRIFT_MOVING,  /* not yet: the rollout goes on */
  RP_DRIFT_UNKNOWN, /* nobody has said for too long, or ever */
  RP_DRIFT_DRIFTED  /* it runs something else */
} RpDriftVerdict;
const char *rp_drift_name (RpDriftVerdict verdict);

/* Of a target whose environment is pointed at `current` (NULL: at nothing yet). *out_reason, g_free(),
 * says why in a sentence. Pure. */
RpDriftVerdict rp_drift_judge (const RpTargetView *target, const RpRevision *current, gint64 now_us,
                               char **out_reason);

/* Of all targets of the environment: {"app","environment","revision","verdict","targets"}, the verdict
 * being the worst. */
json_t *rp_drift_look (RpEngine *engine, const char *app, const char *environment,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
