/* The token flow that registry clients know from the distribution project: credentials in, a ticket out.
 * A ticket carries no scopes: what its holder may do is looked up at each use, so that a change counts
 * at once. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "server/guard.h"
#include "server/v2.h"

#define FORM_MAX (16 * 1024) /* bytes */

static void
respond_ticket (RpRequest *request, const RpIdentity *identity)
{
  gint64 now_us = rp_clock_now_us ();
  g_autofree char *at = rp_clock_format (now_us);
  g_autofree char *ticket
      = rp_access_ticket (rp_request_services (request)->access, identity, now_us);
  json_t *json = json_object ();

  json_object_set_new (json, "token", json_string (ticket));
  json_object_set_new (json, "access_token", json_string (ticket));
  json_object_set_new (json, "expires_in", json_integer (RP_TICKET_TTL_US / G_USEC_PER_SEC));
  json_object_set_new (json, "issued_at", json_string (at));
  rp_respond_header (request, "Cache-Control", "no-store");
  rp_respond_json (request, 200, json);
}

static gboolean
refuse (RpRequest *request)
{
  rp_respond_header (request, "WWW-Authenticate", "Basic realm=\"repoint\"");
  return FALSE;
}

static gboolean
answer (RpRequest *request, const char *account, const char *password, GError **error)
{
  g_autoptr (RpIdentity) identity = rp_guard_identify (request, account, password, error);

  if (identity == NULL)
    return refuse (request);
  respond_ticket (request, identity);
  return TRUE;
}

/* Where nobody is asked, or anybody may pull. */
static gboolean
answer_anonymous (RpRequest *request, GError **error)
{
  RpAccess *access = rp_request_services (request)->access;
  g_autoptr (RpIdentity) anonymous = rp_access_anonymous (access);
  const RpIdentity nobody = { 0 };

  if (anonymous != NULL || rp_access_is_open (access))
    {
      respond_ticket (request, anonymous != NULL ? anonymous : &nobody);
      return TRUE;
    }
  g_set_error_literal (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                       "credentials are needed here: an account and its password, or a token as the "
                       "password");
  return refuse (request);
}

gboolean
rp_v2_token_get (RpRequest *request, GError **error)
{
  g_autofree char *account = NULL, *password = NULL;

  if (rp_access_is_open (rp_request_services (request)->access)
      || rp_request_header (request, "Authorization") == NULL)
    return answer_anonymous (request, error);
  if (rp_guard_basic (request, &account, &password))
    return answer (request, account, password, error);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                       "the Authorization header is not `Basic` with an account and a password");
  return refuse (request);
}

static char *
decode_value (const char *text)
{
  g_autofree char *spaced = g_strdup (text);

  return g_uri_unescape_string (g_strdelimit (spaced, "+", ' '), NULL);
}

/* NULL if the form has no such field, or not in text. g_free(). */
static char *
form_field (const RpRequest *request, const char *name)
{
  gsize size, length = strlen (name);
  const char *data = g_bytes_get_data (rp_request_body (request), &size);
  g_autofree char *form = g_strndup (size > 0 ? data : "", size);
  g_auto (GStrv) fields = g_strsplit (form, "&", -1);

  for (char **field = fields; *field != NULL; field++)
    if (strncmp (*field, name, length) == 0 && (*field)[length] == '=')
      return decode_value (*field + length + 1);
  return NULL;
}

gboolean
rp_v2_token_post (RpRequest *request, GError **error)
{
  g_autofree char *grant = NULL, *account = NULL, *secret = NULL;

  if (g_bytes_get_size (rp_request_body (request)) > FORM_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE, "a form of at most %d bytes is taken here",
                   FORM_MAX);
      return FALSE;
    }
  if (rp_access_is_open (rp_request_services (request)->access))
    return answer_anonymous (request, error);
  grant = form_field (request, "grant_type");
  account = form_field (request, "username");
  if (g_strcmp0 (grant, "password") == 0)
    secret = form_field (request, "password");
  else if (g_strcmp0 (grant, "refresh_token") == 0)
    secret = form_field (request, "refresh_token");
  if (secret != NULL && (account != NULL || rp_access_is_token (secret) || rp_access_is_identity_token (secret)))
    return answer (request, account != NULL ? account : "", secret, error);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                       "expected a form with grant_type=password, username and password, or "
                       "grant_type=refresh_token with a token of `repoint token create`");
  return FALSE;
}
