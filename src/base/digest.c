#include "base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

typedef struct {
  const char *name;
  gsize size; /* in bytes */
} Algorithm;

static const Algorithm algorithms[] = {
  [RP_DIGEST_SHA256] = { "sha256", 32 },
  [RP_DIGEST_SHA512] = { "sha512", 64 },
};

/* Looking an algorithm up by name takes locks in OpenSSL 3; it is done once. */
static EVP_MD *fetched[G_N_ELEMENTS (algorithms)];
static pthread_once_t fetched_once = PTHREAD_ONCE_INIT;

static void
fetch_all (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (algorithms); i++)
    {
      fetched[i] = EVP_MD_fetch (NULL, algorithms[i].name, NULL);
      if (fetched[i] == NULL)
        g_error ("OpenSSL offers no %s; repoint cannot work without it", algorithms[i].name);
    }
}

static const EVP_MD *
evp_md (RpDigestAlgorithm algorithm)
{
  pthread_once (&fetched_once, fetch_all);
  return fetched[algorithm];
}

static int
hex_value (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `hex` must be exactly 2 × size lower-case digits. */
static gboolean
parse_hex (const char *hex, gsize size, guint8 *out)
{
  for (gsize i = 0; i < size; i++)
    {
      int high = hex_value (hex[2 * i]);
      int low = high < 0 ? -1 : hex_value (hex[2 * i + 1]);
      if (low < 0)
        return FALSE;
      out[i] = (guint8)(high << 4 | low);
    }
  return hex[2 * size] == '\0';
}

static const Algorithm *
algorithm_of_text (const char *text)
{
  for (gsize i = 0; i < G_N_ELEMENTS (algorithms); i++)
    {
      gsize length = strlen (algorithms[i].name);
      if (strncmp (text, algorithms[i].name, length) == 0 && text[length] == ':')
        return &algorithms[i];
    }
  return NULL;
}

gboolean
rp_digest_parse (const char *text, RpDigest *out, GError **error)
{
  if (text == NULL)
    text = "";
  RpDigest digest = { 0 };
  const Algorithm *algorithm = algorithm_of_text (text);
  if (algorithm != NULL
      && parse_hex (text + strlen (algorithm->name) + 1, algorithm->size, digest.bytes))
    {
      digest.algorithm = (RpDigestAlgorithm)(algorithm - algorithms);
      *out = digest;
      return TRUE;
    }
  g_autofree char *shown = g_utf8_make_valid (text, (gssize)strnlen (text, 160));
  g_set_error (error, RP_ERROR, RP_ERROR_DIGEST_INVALID,
               "\"%s\" is no digest: expected sha256: and 64, or sha512: and 128, lower-case hex "
               "digits",
               shown);
  return FALSE;
}

const char *
rp_digest_format (const RpDigest *digest, char out[RP_DIGEST_STRING_SIZE])
{
  static const char digits[] = "0123456789abcdef";
  const Algorithm *algorithm = &algorithms[digest->algorithm];
  gsize length = strlen (algorithm->name);
  memcpy (out, algorithm->name, length);
  char *p = out + length;
  *p++ = ':';
  for (gsize i = 0; i < algorithm->size; i++)
    {
      *p++ = digits[digest->bytes[i] >> 4];
      *p++ = digits[digest->bytes[i] & 15];
    }
  *p = '\0';
  return out;
}

char *
rp_digest_to_string (const RpDigest *digest)
{
  char text[RP_DIGEST_STRING_SIZE];
  return g_strdup (rp_digest_format (digest, text));
}

const char *
rp_digest_algorithm_name (RpDigestAlgorithm algorithm)
{
  return algorithms[algorithm].name;
}

gsize
rp_digest_size (RpDigestAlgorithm algorithm)
{
  return algorithms[algorithm].size;
}

gboolean
rp_digest_equal (gconstpointer a, gconstpointer b)
{
  const RpDigest *left = a, *right = b;
  return left->algorithm == right->algorithm
         && memcmp (left->bytes, right->bytes, sizeof left->bytes) == 0;
}

guint
rp_digest_hash (gconstpointer digest)
{
  guint hash;
  memcpy (&hash, ((const RpDigest *)digest)->bytes, sizeof hash);
  return hash;
}

RpDigest *
rp_digest_copy (const RpDigest *digest)
{
  return g_memdup2 (digest, sizeof *digest);
}

RpDigest
rp_digest_of (RpDigestAlgorithm algorithm, const void *data, gsize size)
{
  RpDigest digest = { .algorithm = algorithm };
  if (EVP_Digest (data, size, digest.bytes, NULL, evp_md (algorithm), NULL) != 1)
    g_error ("libcrypto: EVP_Digest failed");
  return digest;
}

gboolean
rp_digest_of_fd (RpDigestAlgorithm algorithm, int fd, RpDigest *out, guint64 *out_size,
                 GError **error)
{
  g_autoptr (RpHasher) hasher = rp_hasher_new (algorithm);
  if (!rp_hasher_update_from_fd (hasher, fd, out_size, error))
    return FALSE;
  *out = rp_hasher_peek (hasher);
  return TRUE;
}

struct RpHasher {
  RpDigestAlgorithm algorithm;
  EVP_MD_CTX *context;
};

/* libcrypto fails here only when memory is gone, which GLib treats as fatal too. */
static void
must (int ok, const char *step)
{
  if (ok != 1)
    g_error ("libcrypto: %s failed", step);
}

RpHasher *
rp_hasher_new (RpDigestAlgorithm algorithm)
{
  RpHasher *hasher = g_new0 (RpHasher, 1);
  hasher->algorithm = algorithm;
  hasher->context = EVP_MD_CTX_new ();
  must (hasher->context != NULL, "EVP_MD_CTX_new");
  must (EVP_DigestInit_ex2 (hasher->context, evp_md (algorithm), NULL), "EVP_DigestInit_ex2");
  return hasher;
}

RpHasher *
rp_hasher_copy (const RpHasher *hasher)
{
  RpHasher *copy = g_new0 (RpHasher, 1);
  copy->algorithm = hasher->algorithm;
  copy->context = EVP_MD_CTX_new ();
  must (copy->context != NULL, "EVP_MD_CTX_new");
  must (EVP_MD_CTX_copy_ex (copy->context, hasher->context), "EVP_MD_CTX_copy_ex");
  return copy;
}

void
rp_hasher_update (RpHasher *hasher, const void *data, gsize size)
{
  if (size > 0)
    must (EVP_DigestUpdate (hasher->context, data, size), "EVP_DigestUpdate");
}

gboolean
rp_hasher_update_from_fd (RpHasher *hasher, int fd, guint64 *out_size, GError **error)
{
  enum { PIECE_BYTES = 256 * 1024 };
  g_autofree guint8 *buffer = g_malloc (PIECE_BYTES);
  guint64 offset = 0;
  for (;;)
    {
      ssize_t got = pread (fd, buffer, PIECE_BYTES, (off_t)offset);
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        return rp_error_set_errno (
            error, errno, "reading bytes to hash them at offset %" G_GUINT64_FORMAT, offset);
      if (got == 0)
        break;
      rp_hasher_update (hasher, buffer, (gsize)got);
      offset += (guint64)got;
    }
  if (out_size != NULL)
    *out_size = offset;
  return TRUE;
}

RpDigest
rp_hasher_peek (const RpHasher *hasher)
{
  RpDigest digest = { .algorithm = hasher->algorithm };
  g_autoptr (RpHasher) copy = rp_hasher_copy (hasher);
  must (EVP_DigestFinal_ex (copy->context, digest.bytes, NULL), "EVP_DigestFinal_ex");
  return digest;
}

void
rp_hasher_free (RpHasher *hasher)
{
  if (hasher == NULL)
    return;
  EVP_MD_CTX_free (hasher->context);
  g_free (hasher);
}
