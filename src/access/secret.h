/* Secrets and what is kept of them.  A password is kept as a yescrypt hash, because people choose it; a
 * token, 256 random bits, as its SHA-256.  Nothing here logs, and nothing keeps a secret itself.
 * All functions are thread-safe.
 */
#pragma once

#include <glib.h>

#define RP_PASSWORD_MIN 10  /* bytes */
#define RP_PASSWORD_MAX 256 /* bytes */

/* 1 to 256 random bytes from the kernel. */
gboolean rp_secret_random (void *out, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* In a time that depends on the lengths alone. */
gboolean rp_secret_equal (const char *a, const char *b);

/* RP_ERROR_INVALID if it is too short or too long, or not text. */
gboolean rp_password_check (const char *password, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A yescrypt hash with a salt of its own; g_free(). Takes tens of milliseconds, on purpose. */
char *rp_password_hash (const char *password, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* `hash` NULL: takes as long and is never right, so that nobody can time which accounts there are. */
gboolean rp_password_verify (const char *password, const char *hash);

/* `rpt_<id>_<secret>`: the id is no secret and finds the row. */
#define RP_TOKEN_PREFIX "rpt_"

typedef struct {
  char *text; /* shown once */
  char *id;
  char *hash; /* what is kept: hex */
} RpFreshToken;
void rp_fresh_token_clear (RpFreshToken *token);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpFreshToken, rp_fresh_token_clear)

gboolean rp_token_make (RpFreshToken *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Has it the shape of a token? *out_id and *out_hash are the caller's. */
gboolean rp_token_split (const char *text, char **out_id, char **out_hash);

/* base64url without padding (RFC 4648, 5). */
char *rp_base64url_encode (const void *data, gsize size);
/* NULL if it is not that. */
guint8 *rp_base64url_decode (const char *text, gsize *out_size);
