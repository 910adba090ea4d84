#include "access/jwk.h"

#include "fuzz.h"

/* Of RFC 8037, appendix A.2. */
static const char key_set[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\","
                              "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static void
try_token (const RpJwks *jwks, const RpJwt *jwt)
{
  GError *error = NULL;
  gint64 expires_us = 0;

  (void) rp_jwt_issuer (jwt);
  (void) rp_jwt_is_for (jwt, "repoint");
  fuzz_check (rp_jwt_check_claims (jwt, G_GINT64_CONSTANT (1700000000000000), &expires_us, &error), &error);
  g_assert (jwks == NULL || rp_jwks_verify (jwks, jwt) != RP_JWK_GOOD
            || rp_jwk_algorithm_ok (jwt->algorithm));
}

/* The same bytes as a token and as a key set. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (RpJwks) own = rp_jwks_parse (data, size, &error);
  fuzz_check (own != NULL, &error);
  g_autoptr (RpJwks) known = rp_jwks_parse (key_set, sizeof key_set - 1, NULL);
  g_autoptr (RpJwt) jwt = rp_jwt_parse (text, &error);
  fuzz_check (jwt != NULL, &error);

  g_assert (jwt == NULL || rp_jwt_looks_like (text));
  if (jwt != NULL)
    try_token (known, jwt);
  return 0;
}
