/* Would the hosts of an environment get what they have to pull? Their agents try, with the very credentials, and say so
 * when they poll; and whether the token that one came with is still good is known here.
 */
#pragma once

#include "release/engine.h"

/* An array with one object for each of `targets` (RpTargetView): {"target","state":"work"|"refused"|"untried","message",
 * "tried_at"|null}. Adds to `reasons` (char *) why an environment is not ready for it: RP_READY_REFUSED and more. json_decref(). */
#define RP_READY_REFUSED "credentials of "
json_t *rp_credentials_look (RpEngine *engine, const char *app, const char *environment,
                             const GPtrArray *targets, GPtrArray *reasons);
