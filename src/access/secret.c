#include "access/secret.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"

#define ID_BYTES 6
#define SECRET_BYTES 32
#define SECRET_CHARS 43 /* 32 bytes in base64url */

gboolean
rp_secret_random (void *out, gsize size, GError **error)
{
  g_assert (size >= 1 && size <= 256); /* what getrandom() gives in one piece */
  if (getrandom (out, size, 0) == (gssize) size)
    return TRUE;
  return rp_error_set_errno (error, errno, "no random bytes from the kernel");
}

gboolean
rp_secret_equal (const char *a, const char *b)
{
  gsize length = strlen (a);

  return length == strlen (b) && CRYPTO_memcmp (a, b, length) == 0;
}

/* ---- base64url ---- */

char *
rp_base64url_encode (const void *data, gsize size)
{
  char *text = g_base64_encode (data, size);

  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  text[strcspn (text, "=")] = '\0';
  return text;
}

guint8 *
rp_base64url_decode (const char *text, gsize *out_size)
{
  gsize length = strlen (text);
  g_autoptr (GString) padded = NULL;

  for (const char *at = text; *at != '\0'; at++)
    if (!g_ascii_isalnum (*at) && *at != '-' && *at != '_')
      return NULL;
  if (length == 0 || length % 4 == 1)
    return NULL;
  padded = g_string_new (text);
  g_strdelimit (padded->str, "-", '+');
  g_strdelimit (padded->str, "_", '/');
  while (padded->len % 4 != 0)
    g_string_append_c (padded, '=');
  return g_base64_decode (padded->str, out_size);
}

/* ---- passwords ---- */

gboolean
rp_password_check (const char *password, GError **error)
{
  gsize length = strlen (password);

  if (!g_utf8_validate (password, -1, NULL) || strpbrk (password, "\r\n") != NULL)
    g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                         "a password is one line of UTF-8 text");
  else if (length < RP_PASSWORD_MIN || length > RP_PASSWORD_MAX)
    g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "a password has %d to %d bytes, this one %zu",
                 RP_PASSWORD_MIN, RP_PASSWORD_MAX, length);
  else
    return TRUE;
  return FALSE;
}

/* `setting` is a hash, or the beginning of one to be. NULL if that is not possible. */
static char *
hash_with (const char *password, const char *setting)
{
  g_autofree struct crypt_data *data = g_new0 (struct crypt_data, 1);
  const char *hash = crypt_r (password, setting, data);
  char *copy = hash != NULL && hash[0] == '$' ? g_strdup (hash) : NULL;

  OPENSSL_cleanse (data, sizeof *data);
  return copy;
}

char *
rp_password_hash (const char *password, GError **error)
{
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  char *hash = NULL;

  if (crypt_gensalt_rn ("$y$", 0, NULL, 0, setting, sizeof setting) != NULL)
    hash = hash_with (password, setting);
  if (hash == NULL)
    g_set_error_literal (error, RP_ERROR, RP_ERROR_FAILED,
                         "the system's libcrypt cannot make a yescrypt hash");
  return hash;
}

gboolean
rp_password_verify (const char *password, const char *hash)
{
  /* Of nothing; only its cost counts. */
  static const char nobody[]
      = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$4SX8XhUABrS9YGCAJLzA1cbZETu46bElQ2mRAaXzp95";
  g_autofree char *found = NULL;

  if (strlen (password) > RP_PASSWORD_MAX)
    return FALSE;
  found = hash_with (password, hash != NULL ? hash : nobody);
  return found != NULL && hash != NULL && rp_secret_equal (found, hash);
}

/* ---- tokens ---- */

void
rp_fresh_token_clear (RpFreshToken *token)
{
  if (token->text != NULL)
    OPENSSL_cleanse (token->text, strlen (token->text));
  g_clear_pointer (&token->text, g_free);
  g_clear_pointer (&token->id, g_free);
  g_clear_pointer (&token->hash, g_free);
}

static char *
hash_secret (const char *secret)
{
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, secret, -1);
}

gboolean
rp_token_make (RpFreshToken *out, GError **error)
{
  guint8 bytes[ID_BYTES + SECRET_BYTES];
  GString *id = NULL;
  g_autofree char *secret = NULL;

  if (!rp_secret_random (bytes, sizeof bytes, error))
    return FALSE;
  id = g_string_new (NULL);
  for (gsize i = 0; i < ID_BYTES; i++)
    g_string_append_printf (id, "%02x", bytes[i]);
  secret = rp_base64url_encode (bytes + ID_BYTES, SECRET_BYTES);
  out->id = g_string_free (id, FALSE);
  out->hash = hash_secret (secret);
  out->text = g_strconcat (RP_TOKEN_PREFIX, out->id, "_", secret, NULL);
  OPENSSL_cleanse (bytes, sizeof bytes);
  OPENSSL_cleanse (secret, strlen (secret));
  return TRUE;
}

gboolean
rp_token_split (const char *text, char **out_id, char **out_hash)
{
  const char *id, *secret;

  if (!g_str_has_prefix (text, RP_TOKEN_PREFIX))
    return FALSE;
  id = text + strlen (RP_TOKEN_PREFIX);
  if (strspn (id, "0123456789abcdef") != 2 * ID_BYTES || id[2 * ID_BYTES] != '_')
    return FALSE;
  secret = id + 2 * ID_BYTES + 1;
  if (strlen (secret) != SECRET_CHARS)
    return FALSE;
  *out_id = g_strndup (id, 2 * ID_BYTES);
  *out_hash = hash_secret (secret);
  return TRUE;
}
