#include "oci/signature.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/error.h"
#include "base/json.h"
#include "oci/provenance.h"

#define SIGNED_PREDICATE "https://sigstore.dev/cosign/sign/v1"
#define SIGNATURES_MAX   16 /* tried of one envelope */
#define RSA_BITS_MIN     2048

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_MD_CTX, EVP_MD_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BIO, BIO_free)

/* ---- keys ---- */

static EVP_PKEY *
read_key (const char *pem, GError **error)
{
  g_autoptr (BIO) bio = BIO_new_mem_buf (pem, -1);
  g_autoptr (EVP_PKEY) key = bio == NULL ? NULL : PEM_read_bio_PUBKEY (bio, NULL, NULL, NULL);
  if (key != NULL
      && (EVP_PKEY_is_a (key, "EC") || EVP_PKEY_is_a (key, "ED25519")
          || (EVP_PKEY_is_a (key, "RSA") && EVP_PKEY_get_bits (key) >= RSA_BITS_MIN)))
    return g_steal_pointer (&key);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                       "no public key: expected the text of cosign.pub, -----BEGIN PUBLIC KEY-----, of an"
                       " elliptic curve, Ed25519 or RSA of 2048 bits or more");
  return NULL;
}

gboolean
rp_signature_check_key (const char *pem, GError **error)
{
  g_autoptr (EVP_PKEY) key = read_key (pem, error);
  return key != NULL;
}

/* The hash that goes with the key; NULL where the key has its own. */
static const EVP_MD *
hash_of (const EVP_PKEY *key)
{
  if (EVP_PKEY_is_a (key, "ED25519"))
    return NULL;
  if (EVP_PKEY_is_a (key, "EC") && EVP_PKEY_get_bits (key) > 384)
    return EVP_sha512 ();
  return EVP_PKEY_is_a (key, "EC") && EVP_PKEY_get_bits (key) > 256 ? EVP_sha384 () : EVP_sha256 ();
}

static gboolean
fits (EVP_PKEY *key, const char *signature, const GString *signed_bytes)
{
  gsize size;
  g_autofree guchar *bytes = g_base64_decode (signature, &size);
  g_autoptr (EVP_MD_CTX) context = EVP_MD_CTX_new ();
  return context != NULL && size > 0
         && EVP_DigestVerifyInit (context, NULL, hash_of (key), NULL, key) == 1
         && EVP_DigestVerify (context, bytes, size, (const guchar *) signed_bytes->str, signed_bytes->len)
                == 1;
}

/* ---- envelopes ---- */

/* What an envelope signs: its type and its payload, with their lengths before them. */
static GString *
pre_authentication (const char *type, const guchar *payload, gsize size)
{
  GString *text = g_string_new (NULL);
  g_string_append_printf (text, "DSSEv1 %" G_GSIZE_FORMAT " %s %" G_GSIZE_FORMAT " ", strlen (type), type,
                          size);
  g_string_append_len (text, (const char *) payload, (gssize) size);
  return text;
}

static gboolean
is_signed_by (const json_t *envelope, EVP_PKEY *key, const GString *signed_bytes)
{
  gsize i;
  json_t *one;
  json_array_foreach (json_object_get (envelope, "signatures"), i, one)
  {
    const char *signature = rp_json_str (one, "sig");
    if (i < SIGNATURES_MAX && signature != NULL && fits (key, signature, signed_bytes))
      return TRUE;
  }
  return FALSE;
}

static gboolean
is_about (const json_t *statement, const RpDigest *subject)
{
  char text[RP_DIGEST_STRING_SIZE];
  (void) rp_digest_format (subject, text);
  char *hex = strchr (text, ':');
  gsize i;
  json_t *one;
  *hex++ = '\0';
  json_array_foreach (json_object_get (statement, "subject"), i, one)
    if (g_strcmp0 (rp_json_str (json_object_get (one, "digest"), text), hex) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
set_wrong (GError **error, const char *why)
{
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID, why);
  return FALSE;
}

static gboolean
check_statement (const guchar *payload, gsize size, const RpDigest *subject, GError **error)
{
  g_autoptr (json_t) statement = rp_json_parse (payload, size, "statement", error);
  if (statement == NULL)
    return FALSE;
  if (g_strcmp0 (rp_json_str (statement, "predicateType"), SIGNED_PREDICATE) != 0)
    return set_wrong (error, "it is an attestation of something else");
  return is_about (statement, subject) || set_wrong (error, "it is about something else");
}

gboolean
rp_signature_verify (const void *data, gsize size, const RpDigest *subject, const char *pem,
                     GError **error)
{
  g_autoptr (EVP_PKEY) key = read_key (pem, error);
  g_autoptr (json_t) root = key == NULL ? NULL : rp_json_parse (data, size, "signature", error);
  if (root == NULL)
    return FALSE;
  const json_t *envelope = json_object_get (root, "dsseEnvelope");
  if (envelope == NULL)
    envelope = root;
  const char *type = rp_json_str (envelope, "payloadType");
  const char *encoded = rp_json_str (envelope, "payload");
  if (g_strcmp0 (type, RP_MEDIA_IN_TOTO) != 0 || encoded == NULL)
    return set_wrong (error, "it is no envelope of a statement");
  gsize payload_size;
  g_autofree guchar *payload = g_base64_decode (encoded, &payload_size);
  g_autoptr (GString) signed_bytes = pre_authentication (type, payload, payload_size);
  /* Nothing that it says is looked at before it is known who says it. */
  if (!is_signed_by (envelope, key, signed_bytes))
    return set_wrong (error, "it is not signed by this key");
  return check_statement (payload, payload_size, subject, error);
}
