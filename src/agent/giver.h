/* Gives the server the true bytes of what is damaged there, out of the local store: what the answers to polls ask for, one
 * after the other, on a thread of its own.  What does not lie here, or is damaged here as well, is said not to.
 */
#pragma once

#include "agent/config.h"
#include "agent/stock.h"
#include "base/http.h"

typedef struct RpGiver RpGiver;

/* All borrowed for the giver's life. */
RpGiver *rp_giver_start (const RpAgentConfig *config, RpStock *stock, RpHttpClient *http);
/* From any thread; `digests` (RpDigest) is copied. What waits already is not given twice. */
void rp_giver_ask (RpGiver *giver, const RpTargetConfig *target, const GArray *digests);
/* Stops and joins; what was not given yet is asked for again. NULL is fine. */
void rp_giver_free (RpGiver *giver);
