/* The guard: who asks, and may they do what the route needs.  Where there is no account it asks
 * nobody.  A refusal becomes request->refusal: 401 says how to come back with credentials, 403 what is
 * missing and who can give it.
 */
#pragma once

#include "server/request.h"

/* On the event loop, once the route is known.  What takes long (a password, an identity token) is left to
 * rp_guard_finish(): request->unguarded says so. */
void rp_guard_start (RpRequest *request);
/* On a worker, before anything else is done. FALSE if it refuses. */
gboolean rp_guard_finish (RpRequest *request);

/* `Basic`: the account and its password, or anything and a token of any kind. FALSE: the header is something
 * else. g_free() both. */
gboolean rp_guard_basic (const RpRequest *request, char **out_account, char **out_password);
/* Blocks if it is a password or an identity token. RP_ERROR_UNAUTHORIZED, RP_ERROR_TOO_MANY (with Retry-After set). */
RpIdentity *rp_guard_identify (RpRequest *request, const char *account, const char *password,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
