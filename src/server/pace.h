/* Whether a request comes too often, or over a connection that is one too many.  A refusal becomes
 * request->refusal: 429 or 503, with Retry-After.  Health checks always pass.
 */
#pragma once

#include "server/request.h"

/* Once the route is known, before anybody is asked who they are. FALSE if it refuses. */
gboolean rp_pace_address (RpRequest *request);
/* Once request->identity is known. FALSE if it refuses. */
gboolean rp_pace_account (RpRequest *request);
/* May an answer that is ready be sent to this connection? What says no asks again as a request, and is told why. */
gboolean rp_pace_ready (RpServer *server, struct MHD_Connection *connection);

/* Both ends of a connection: MHD_NotifyConnectionCallback; `cls` is the RpServer. */
void rp_pace_connection (void *cls, struct MHD_Connection *connection, void **guest,
                         enum MHD_ConnectionNotificationCode code);
