/* Identities of other platforms, and the sessions that their tokens are traded for. */
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "server/api.h"

static RpAccess *
access_of (const RpRequest *request)
{
  return rp_request_services (request)->access;
}

gboolean
rp_api_identities (RpRequest *request, GError **error)
{
  (void) error;
  rp_respond_json (request, 200, rp_access_identities (access_of (request)));
  return TRUE;
}

gboolean
rp_api_identity_set (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "issuer", "audience", "jwks_url", "claims", "allow", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, fields, error);

  if (body == NULL
      || !rp_access_identity_set (access_of (request), rp_request_actor (request),
                                  rp_request_param (request, "identity"), body, error))
    return FALSE;
  rp_respond_json (request, 200, json_object ());
  return TRUE;
}

gboolean
rp_api_identity_remove (RpRequest *request, GError **error)
{
  if (!rp_access_identity_remove (access_of (request), rp_request_actor (request),
                                  rp_request_param (request, "identity"), error))
    return FALSE;
  rp_respond_json (request, 200, json_object ());
  return TRUE;
}

/* For an identity token and nothing else: a session that could be traded for the next would never end. */
gboolean
rp_api_session_begin (RpRequest *request, GError **error)
{
  const RpIdentity *identity = rp_request_identity (request);
  gint64 expires_us = rp_clock_now_us () + RP_SESSION_TTL_US;
  g_autofree char *expires = NULL, *session = NULL;
  json_t *json;

  if (identity == NULL || identity->credential != RP_CREDENTIAL_IDENTITY_TOKEN)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_DENIED,
                           "a session is for an identity token of another platform, as the Bearer token; whoever has an "
                           "account gets a token with `repoint login`");
      return FALSE;
    }
  expires = rp_clock_format (expires_us);
  session = rp_access_session (access_of (request), identity, expires_us);
  json = rp_identity_to_json (identity);
  json_object_set_new (json, "expires_at", json_string (expires));
  json_object_set_new (json, "secret", json_string (session));
  rp_respond_header (request, "Cache-Control", "no-store");
  rp_respond_json (request, 201, json);
  return TRUE;
}

gboolean
rp_api_session_try (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "token", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, fields, error);
  const char *token;

  if (body == NULL || !rp_json_need_string (body, "token", "request", &token, error))
    return FALSE;
  rp_respond_json (request, 200, rp_access_identity_try (access_of (request), token, rp_clock_now_us ()));
  return TRUE;
}
