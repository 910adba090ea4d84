#include "access/jwt.h"

#include <string.h>

#include "access/secret.h"
#include "base/error.h"

#define SKEW_S 60
#define SUBJECT_MAX 255 /* bytes, as OpenID Connect Core 1.0, 2 has it */
#define KID_MAX 256     /* bytes */

void
rp_jwt_free (RpJwt *jwt)
{
  if (jwt == NULL)
    return;
  g_free (jwt->algorithm);
  g_free (jwt->kid);
  json_decref (jwt->claims);
  g_free (jwt->signed_text);
  g_free (jwt->signature);
  g_free (jwt);
}

static gboolean
refuse (GError **error, const char *why)
{
  g_set_error (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
               "the identity token is refused: %s; ask its issuer for a new one", why);
  return FALSE;
}

/* ---- taking apart ---- */

static json_t *
decode_object (const char *text, const char *what)
{
  gsize size;
  g_autofree guint8 *data = rp_base64url_decode (text, &size);
  json_t *json = data != NULL ? rp_json_parse (data, size, what, NULL) : NULL;

  if (json_is_object (json))
    return json;
  json_decref (json);
  return NULL;
}

/* A header at its beginning tells it from a password. */
gboolean
rp_jwt_looks_like (const char *text)
{
  const char *first = strchr (text, '.');
  const char *second = first != NULL ? strchr (first + 1, '.') : NULL;
  g_autofree char *head = NULL;
  g_autoptr (json_t) header = NULL;

  if (second == NULL || strchr (second + 1, '.') != NULL || first - text > RP_JWT_MAX)
    return FALSE;
  head = g_strndup (text, (gsize) (first - text));
  header = decode_object (head, "header");
  return header != NULL;
}

static gboolean
take_header (RpJwt *jwt, const char *text)
{
  g_autoptr (json_t) header = decode_object (text, "header");
  const json_t *kid = json_object_get (header, "kid");
  const char *algorithm = rp_json_str (header, "alg");

  if (header == NULL || algorithm == NULL || strlen (algorithm) > 16
      || json_object_get (header, "crit") != NULL || (kid != NULL && !json_is_string (kid))
      || json_string_length (kid) > KID_MAX)
    return FALSE;
  jwt->algorithm = g_strdup (algorithm);
  jwt->kid = g_strdup (json_string_value (kid));
  return TRUE;
}

RpJwt *
rp_jwt_parse (const char *text, GError **error)
{
  g_autoptr (RpJwt) jwt = g_new0 (RpJwt, 1);
  g_auto (GStrv) parts = NULL;

  if (strlen (text) > RP_JWT_MAX || !rp_jwt_looks_like (text))
    {
      refuse (error, "it is no JSON Web Token, or longer than 8192 bytes");
      return NULL;
    }
  parts = g_strsplit (text, ".", 3);
  jwt->claims = decode_object (parts[1], "claims");
  jwt->signature = rp_base64url_decode (parts[2], &jwt->signature_size);
  if (!take_header (jwt, parts[0]) || jwt->claims == NULL || jwt->signature == NULL)
    {
      refuse (error, "it is not a signed JSON Web Token that can be understood");
      return NULL;
    }
  jwt->signed_text = g_strconcat (parts[0], ".", parts[1], NULL);
  return g_steal_pointer (&jwt);
}

/* ---- claims ---- */

const char *
rp_jwt_issuer (const RpJwt *jwt)
{
  return rp_json_str (jwt->claims, "iss");
}

gboolean
rp_jwt_is_for (const RpJwt *jwt, const char *audience)
{
  const json_t *found = json_object_get (jwt->claims, "aud");
  gsize i;
  json_t *one;

  if (json_is_string (found))
    return strcmp (json_string_value (found), audience) == 0;
  json_array_foreach (found, i, one)
    if (json_is_string (one) && strcmp (json_string_value (one), audience) == 0)
      return TRUE;
  return FALSE;
}

/* FALSE if there is something else than a number that can be a time; where there is none *out_s stays. */
static gboolean
read_time (const RpJwt *jwt, const char *name, gint64 *out_s)
{
  const json_t *value = json_object_get (jwt->claims, name);
  double seconds = json_number_value (value);

  if (value == NULL)
    return TRUE;
  if (!json_is_number (value) || seconds < 0 || seconds > 1e11)
    return FALSE;
  *out_s = (gint64) seconds;
  return TRUE;
}

/* It becomes part of the ledger's actor. */
static gboolean
subject_ok (const char *subject)
{
  if (subject == NULL || *subject == '\0' || strlen (subject) > SUBJECT_MAX)
    return FALSE;
  for (const char *at = subject; *at != '\0'; at = g_utf8_next_char (at))
    if (!g_unichar_isprint (g_utf8_get_char (at)))
      return FALSE;
  return TRUE;
}

gboolean
rp_jwt_check_claims (const RpJwt *jwt, gint64 now_us, gint64 *out_expires_us, GError **error)
{
  gint64 now_s = now_us / G_USEC_PER_SEC;
  gint64 expires_s = -1, not_before_s = 0, issued_s = 0;

  if (!read_time (jwt, "exp", &expires_s) || !read_time (jwt, "nbf", &not_before_s)
      || !read_time (jwt, "iat", &issued_s) || expires_s < 0)
    return refuse (error, "it does not say when it expires, or its times are none");
  if (now_s >= expires_s + SKEW_S)
    return refuse (error, "it has expired");
  if (now_s < not_before_s - SKEW_S || now_s < issued_s - SKEW_S)
    return refuse (error, "it is not valid yet (is the clock here right?)");
  if (!subject_ok (rp_json_str (jwt->claims, "sub")))
    return refuse (error, "it has no subject that could be recorded");
  *out_expires_us = expires_s * G_USEC_PER_SEC;
  return TRUE;
}
