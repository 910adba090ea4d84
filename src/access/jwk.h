/* The keys of an issuer (JSON Web Key Set, RFC 7517 and 7518; Ed25519 by RFC 8037) and what they signed.
 * RpJwks never changes: thread-safe.
 */
#pragma once

#include "access/jwt.h"

typedef struct RpJwks RpJwks;

#define RP_JWKS_KEYS_MAX 64

/* Keys that cannot verify (of other kinds, for encryption, RSA below 2048 bits) are passed over. RP_ERROR_INVALID: it is no
 * key set, or no key of it is of use. */
RpJwks *rp_jwks_parse (const void *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
RpJwks *rp_jwks_ref (RpJwks *jwks);
void rp_jwks_unref (RpJwks *jwks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpJwks, rp_jwks_unref)

/* Is `name` one of RS, PS and ES with 256, 384 or 512, or EdDSA? The kind of key belongs to it: a public key can never pass for
 * the secret of an HMAC, and `none` is not there. */
gboolean rp_jwk_algorithm_ok (const char *name);

typedef enum { RP_JWK_GOOD, RP_JWK_BAD, RP_JWK_NO_KEY } RpJwkVerdict;
/* RP_JWK_NO_KEY: no key has this kid, or there is no kid and not exactly one key that fits. */
RpJwkVerdict rp_jwks_verify (const RpJwks *jwks, const RpJwt *jwt);
