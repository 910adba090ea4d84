/* Do the hosts of an environment run what a release has? */
#pragma once

#include "release/plan.h"
#include "release/target_view.h"

/* Adds a blocked item for each of `targets` (RpTargetView) whose agent said what its host is and for which the
 * release's artifact has nothing.  An index that cannot be read is for those who look at bytes.  Reads manifests. */
void rp_platforms_look (RpEngine *engine, const GPtrArray *targets, const RpRelease *release,
                        GPtrArray *items);
