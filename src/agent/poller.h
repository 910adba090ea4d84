/* Long-polls one target's pointer on a thread of its own and hands what comes to the target's loop.
 * While the server is away it goes on asking, less and less often, with jitter, so that a thousand
 * hosts do not come back in the same second.
 */
#pragma once

#include "agent/giver.h"
#include "agent/target_loop.h"
#include "base/http.h"

typedef struct RpPoller RpPoller;

/* All borrowed for the poller's life. `answered` (or NULL) is called after each answer, on its thread. */
RpPoller *rp_poller_start (const RpAgentConfig *config, const RpTargetConfig *target,
                           RpTargetLoop *loop, RpHttpClient *http, RpGiver *giver,
                           void (*answered) (gpointer user_data), gpointer user_data);
/* Asks it to end, cancelling the wait; returns at once. */
void rp_poller_stop (RpPoller *poller);
/* Stops and joins. */
void rp_poller_free (RpPoller *poller);

/* Doubles from 500 ms to 30 s with the number of `failures` (from 1), then takes 50 to 100 % of it by
 * `random` (any value). Pure. */
gint64 rp_back_off_ms (guint failures, guint32 random);
