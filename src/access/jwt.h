/* JSON Web Tokens as they come in (RFC 7519, compact serialization of RFC 7515): taken apart here, believed
 * nowhere before rp_jwk_verify().  Pure.
 */
#pragma once

#include <glib.h>

#include "base/json.h"

#define RP_JWT_MAX 8192 /* bytes */

typedef struct {
  char *algorithm; /* `RS256` … as it says itself */
  char *kid;       /* or NULL */
  json_t *claims;  /* an object */
  char *signed_text;
  guint8 *signature;
  gsize signature_size;
} RpJwt;
void rp_jwt_free (RpJwt *jwt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpJwt, rp_jwt_free)

/* Has `text` the shape of one, and not that of a password? */
gboolean rp_jwt_looks_like (const char *text);
/* RP_ERROR_UNAUTHORIZED: it is none, too long, or has extensions that must be understood (`crit`).  Errors never
 * quote it. */
RpJwt *rp_jwt_parse (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Who issued it; NULL if it does not say. Borrowed. */
const char *rp_jwt_issuer (const RpJwt *jwt);
/* Is it for `audience`? One name, or a list with it. */
gboolean rp_jwt_is_for (const RpJwt *jwt, const char *audience);
/* exp, nbf and iat with a minute for clocks that differ, and a `sub` that can be recorded.  *out_expires_us is exp.
 * RP_ERROR_UNAUTHORIZED. */
gboolean rp_jwt_check_claims (const RpJwt *jwt, gint64 now_us, gint64 *out_expires_us,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
