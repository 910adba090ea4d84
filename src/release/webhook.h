/* The webhook among the gates: somebody else's program that must say yes.  It is asked while a plan is made, never in a
 * transaction; what it said goes with the request into the one that decides.
 */
#pragma once

#include "release/move.h"

/* POSTs what is about to happen to move's webhook and waits for as long as its rule says.  What is no clear yes is a no:
 * no answer in time, another status than 200, a redirection, something that is not {"allow": true}. */
RpWebhookAnswer *rp_webhook_ask (RpEngine *engine, const RpMoveRequest *request, const RpDecision *move);
void rp_webhook_answer_free (RpWebhookAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpWebhookAnswer, rp_webhook_answer_free)
