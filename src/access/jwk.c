#include "access/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <string.h>

#include "access/secret.h"
#include "base/error.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define POINT_MAX 66 /* bytes of a coordinate of P-521 */

static const struct {
  const char *name;
  const char *kind;  /* kty */
  const char *curve; /* crv, or NULL */
  const char *hash;  /* or NULL: it hashes by itself */
  gsize half;        /* bytes of each half of an ECDSA signature */
  gboolean pss;      /* RSASSA-PSS with a salt as long as the hash (RFC 7518, 3.5) */
} algorithms[] = {
  { "RS256", "RSA", NULL, "SHA256", 0, FALSE },    { "RS384", "RSA", NULL, "SHA384", 0, FALSE },
  { "RS512", "RSA", NULL, "SHA512", 0, FALSE },    { "PS256", "RSA", NULL, "SHA256", 0, TRUE },
  { "PS384", "RSA", NULL, "SHA384", 0, TRUE },     { "PS512", "RSA", NULL, "SHA512", 0, TRUE },
  { "ES256", "EC", "P-256", "SHA256", 32, FALSE }, { "ES384", "EC", "P-384", "SHA384", 48, FALSE },
  { "ES512", "EC", "P-521", "SHA512", 66, FALSE }, { "EdDSA", "OKP", "Ed25519", NULL, 0, FALSE },
};

typedef struct {
  char *kid, *kind, *curve, *algorithm; /* all but kind may be NULL */
  EVP_PKEY *key;
} Key;

struct RpJwks {
  gatomicrefcount refs;
  GPtrArray *keys; /* Key */
};

static void
free_key (gpointer data)
{
  Key *key = data;

  g_free (key->kid);
  g_free (key->kind);
  g_free (key->curve);
  g_free (key->algorithm);
  EVP_PKEY_free (key->key);
  g_free (key);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Key, free_key)

RpJwks *
rp_jwks_ref (RpJwks *jwks)
{
  g_atomic_ref_count_inc (&jwks->refs);
  return jwks;
}

void
rp_jwks_unref (RpJwks *jwks)
{
  if (jwks == NULL || !g_atomic_ref_count_dec (&jwks->refs))
    return;
  g_ptr_array_unref (jwks->keys);
  g_free (jwks);
}

/* ---- reading ---- */

static guint8 *
decode (const json_t *json, const char *name, gsize *out_size)
{
  const char *text = rp_json_str (json, name);

  return text != NULL ? rp_base64url_decode (text, out_size) : NULL;
}

static EVP_PKEY *
build (const char *type, OSSL_PARAM_BLD *builder)
{
  OSSL_PARAM *params = OSSL_PARAM_BLD_to_param (builder);
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name (NULL, type, NULL);
  EVP_PKEY *key = NULL;

  if (params == NULL || context == NULL || EVP_PKEY_fromdata_init (context) != 1
      || EVP_PKEY_fromdata (context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
    key = NULL;
  EVP_PKEY_CTX_free (context);
  OSSL_PARAM_free (params);
  return key;
}

static EVP_PKEY *
rsa_key (const json_t *json)
{
  gsize n_size, e_size;
  g_autofree guint8 *n_data = decode (json, "n", &n_size), *e_data = decode (json, "e", &e_size);
  OSSL_PARAM_BLD *builder;
  BIGNUM *n, *e;
  EVP_PKEY *key = NULL;

  if (n_data == NULL || e_data == NULL || n_size > RSA_BITS_MAX / 8 || e_size > 8)
    return NULL;
  n = BN_bin2bn (n_data, (int) n_size, NULL);
  e = BN_bin2bn (e_data, (int) e_size, NULL);
  builder = OSSL_PARAM_BLD_new ();
  if (n != NULL && e != NULL && BN_num_bits (n) >= RSA_BITS_MIN && BN_is_odd (e) && !BN_is_one (e)
      && OSSL_PARAM_BLD_push_BN (builder, OSSL_PKEY_PARAM_RSA_N, n) == 1
      && OSSL_PARAM_BLD_push_BN (builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
    key = build ("RSA", builder);
  OSSL_PARAM_BLD_free (builder);
  BN_free (n);
  BN_free (e);
  return key;
}

static EVP_PKEY *
ec_key (const json_t *json, const char *curve)
{
  gsize half = strcmp (curve, "P-256") == 0 ? 32 : strcmp (curve, "P-384") == 0 ? 48 : POINT_MAX;
  gsize x_size, y_size;
  g_autofree guint8 *x = decode (json, "x", &x_size), *y = decode (json, "y", &y_size);
  guint8 point[1 + 2 * POINT_MAX] = { 4 };
  OSSL_PARAM_BLD *builder;
  EVP_PKEY *key = NULL;

  if (x == NULL || y == NULL || x_size != half || y_size != half)
    return NULL;
  memcpy (point + 1, x, half);
  memcpy (point + 1 + half, y, half);
  builder = OSSL_PARAM_BLD_new ();
  if (OSSL_PARAM_BLD_push_utf8_string (builder, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1
      && OSSL_PARAM_BLD_push_octet_string (builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * half) == 1)
    key = build ("EC", builder);
  OSSL_PARAM_BLD_free (builder);
  return key;
}

static EVP_PKEY *
ed25519_key (const json_t *json)
{
  gsize size;
  g_autofree guint8 *x = decode (json, "x", &size);

  return x != NULL && size == 32 ? EVP_PKEY_new_raw_public_key (EVP_PKEY_ED25519, NULL, x, size)
                                 : NULL;
}

static EVP_PKEY *
read_key (const json_t *json, const char *kind, const char *curve)
{
  if (strcmp (kind, "RSA") == 0)
    return rsa_key (json);
  if (curve == NULL)
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (algorithms); i++)
    if (g_strcmp0 (algorithms[i].curve, curve) == 0 && strcmp (algorithms[i].kind, kind) == 0)
      return strcmp (kind, "EC") == 0 ? ec_key (json, curve) : ed25519_key (json);
  return NULL;
}

/* Is it there to check signatures? Both ways of saying so are optional (RFC 7517, 4.2 and 4.3). */
static gboolean
is_for_signatures (const json_t *json)
{
  const char *use = rp_json_str (json, "use");
  const json_t *operations = json_object_get (json, "key_ops");
  gsize i;
  json_t *one;

  if (use != NULL && strcmp (use, "sig") != 0)
    return FALSE;
  json_array_foreach (operations, i, one)
    if (g_strcmp0 (json_string_value (one), "verify") == 0)
      return TRUE;
  return operations == NULL;
}

static void
add_key (RpJwks *jwks, const json_t *json)
{
  g_autoptr (Key) key = g_new0 (Key, 1);

  key->kind = g_strdup (rp_json_str (json, "kty"));
  key->curve = g_strdup (rp_json_str (json, "crv"));
  key->kid = g_strdup (rp_json_str (json, "kid"));
  key->algorithm = g_strdup (rp_json_str (json, "alg"));
  if (key->kind == NULL || !is_for_signatures (json))
    return;
  key->key = read_key (json, key->kind, key->curve);
  if (key->key != NULL)
    g_ptr_array_add (jwks->keys, g_steal_pointer (&key));
  ERR_clear_error ();
}

RpJwks *
rp_jwks_parse (const void *data, gsize size, GError **error)
{
  g_autoptr (json_t) json = rp_json_parse (data, size, "key set", error);
  g_autoptr (RpJwks) jwks = g_new0 (RpJwks, 1);
  json_t *list, *one;
  gsize i;

  g_atomic_ref_count_init (&jwks->refs);
  jwks->keys = g_ptr_array_new_with_free_func (free_key);
  if (json == NULL || !rp_json_need_array (json, "keys", "key set", &list, error))
    return NULL;
  if (json_array_size (list) > RP_JWKS_KEYS_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "the key set has more than %d keys",
                   RP_JWKS_KEYS_MAX);
      return NULL;
    }
  json_array_foreach (list, i, one)
    if (json_is_object (one))
      add_key (jwks, one);
  if (jwks->keys->len > 0)
    return g_steal_pointer (&jwks);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                       "the key set has no key of a kind that is taken (RSA from 2048 bits, P-256, P-384, "
                       "P-521, Ed25519)");
  return NULL;
}

/* ---- verifying ---- */

static int
find_algorithm (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (algorithms); i++)
    if (strcmp (algorithms[i].name, name) == 0)
      return (int) i;
  return -1;
}

gboolean
rp_jwk_algorithm_ok (const char *name)
{
  return find_algorithm (name) >= 0;
}

static gboolean
fits (const Key *key, int algorithm)
{
  return strcmp (key->kind, algorithms[algorithm].kind) == 0
         && (algorithms[algorithm].curve == NULL
             || g_strcmp0 (key->curve, algorithms[algorithm].curve) == 0)
         && (key->algorithm == NULL || strcmp (key->algorithm, algorithms[algorithm].name) == 0);
}

static const Key *
find_key (const RpJwks *jwks, const RpJwt *jwt, int algorithm)
{
  const Key *found = NULL;

  for (guint i = 0; i < jwks->keys->len; i++)
    {
      const Key *key = jwks->keys->pdata[i];
      if (!fits (key, algorithm) || (jwt->kid != NULL && g_strcmp0 (key->kid, jwt->kid) != 0))
        continue;
      if (found != NULL)
        return NULL; /* it does not say which */
      found = key;
    }
  return found;
}

/* r and s behind each other become what libcrypto expects. */
static guint8 *
ecdsa_der (const RpJwt *jwt, gsize half, gsize *out_size)
{
  ECDSA_SIG *signature;
  guint8 *der = NULL, *copy = NULL;
  int size;

  if (jwt->signature_size != 2 * half)
    return NULL;
  signature = ECDSA_SIG_new ();
  if (ECDSA_SIG_set0 (signature, BN_bin2bn (jwt->signature, (int) half, NULL),
                      BN_bin2bn (jwt->signature + half, (int) half, NULL))
      == 1)
    {
      size = i2d_ECDSA_SIG (signature, &der);
      copy = size > 0 ? g_memdup2 (der, (gsize) size) : NULL;
      *out_size = size > 0 ? (gsize) size : 0;
      OPENSSL_free (der);
    }
  ECDSA_SIG_free (signature);
  return copy;
}

static gboolean
set_padding (EVP_PKEY_CTX *context, int algorithm)
{
  return !algorithms[algorithm].pss
         || (EVP_PKEY_CTX_set_rsa_padding (context, RSA_PKCS1_PSS_PADDING) == 1
             && EVP_PKEY_CTX_set_rsa_pss_saltlen (context, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static gboolean
check_signature (EVP_PKEY *key, int algorithm, const char *text, const guint8 *signature, gsize size)
{
  EVP_MD_CTX *context = EVP_MD_CTX_new ();
  EVP_PKEY_CTX *options; /* belongs to the context */
  gboolean good = EVP_DigestVerifyInit_ex (context, &options, algorithms[algorithm].hash, NULL, NULL, key, NULL) == 1
                  && set_padding (options, algorithm)
                  && EVP_DigestVerify (context, signature, size, (const guint8 *) text, strlen (text)) == 1;

  EVP_MD_CTX_free (context);
  ERR_clear_error ();
  return good;
}

RpJwkVerdict
rp_jwks_verify (const RpJwks *jwks, const RpJwt *jwt)
{
  int algorithm = find_algorithm (jwt->algorithm);
  const Key *key = algorithm >= 0 ? find_key (jwks, jwt, algorithm) : NULL;
  g_autofree guint8 *der = NULL;
  const guint8 *signature = jwt->signature;
  gsize size = jwt->signature_size;

  if (algorithm < 0)
    return RP_JWK_BAD;
  if (key == NULL)
    return RP_JWK_NO_KEY;
  if (algorithms[algorithm].half > 0)
    {
      der = ecdsa_der (jwt, algorithms[algorithm].half, &size);
      if (der == NULL)
        return RP_JWK_BAD;
      signature = der;
    }
  return check_signature (key->key, algorithm, jwt->signed_text, signature, size) ? RP_JWK_GOOD : RP_JWK_BAD;
}
