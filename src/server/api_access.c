#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "server/api.h"

#define EXPIRES_MAX_S (100LL * 366 * 24 * 3600)

static RpAccess *
access_of (const RpRequest *request)
{
  return rp_request_services (request)->access;
}

static gboolean
administers (const RpRequest *request)
{
  return rp_request_may (request, RP_ACTION_ADMINISTER, NULL);
}

gboolean
rp_api_whoami (RpRequest *request, GError **error)
{
  const RpIdentity *identity = rp_request_identity (request);
  json_t *json;

  if (identity != NULL)
    json = rp_identity_to_json (identity);
  else
    json = json_pack ("{s:n, s:n, s:[]}", "account", "token", "allow");
  if (identity != NULL && identity->account != NULL)
    json_object_set_new (json, "groups", rp_access_groups_of (access_of (request), identity->account));
  rp_respond_json (request, 200, json);
  return TRUE;
}

/* ---- accounts ---- */

gboolean
rp_api_accounts (RpRequest *request, GError **error)
{
  rp_respond_json (request, 200, rp_access_accounts (access_of (request)));
  return TRUE;
}

gboolean
rp_api_account_add (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "account", "robot", "password", "allow", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, fields, error);
  const char *account, *password = NULL;
  gboolean robot = FALSE;
  json_t *allow, *json;

  if (body == NULL || !rp_json_need_string (body, "account", "request", &account, error)
      || !rp_json_opt_bool (body, "robot", "request", &robot, error)
      || !rp_json_opt_string (body, "password", "request", &password, error)
      || !rp_json_need_array (body, "allow", "request", &allow, error)
      || !rp_access_account_add (access_of (request), rp_request_actor (request), account, robot,
                                 password, allow, error))
    return FALSE;
  json = json_object ();
  json_object_set_new (json, "account", json_string (account));
  json_object_set_new (json, "robot", json_boolean (robot));
  json_object_set (json, "allow", allow);
  rp_respond_json (request, 201, json);
  return TRUE;
}

gboolean
rp_api_account_remove (RpRequest *request, GError **error)
{
  if (!rp_access_account_remove (access_of (request), rp_request_actor (request),
                                 rp_request_param (request, "account"), error))
    return FALSE;
  rp_respond_json (request, 200, json_object ());
  return TRUE;
}

gboolean
rp_api_account_allow (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "allow", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, fields, error);
  const char *account = rp_request_param (request, "account");
  json_t *allow, *json;

  if (body == NULL || !rp_json_need_array (body, "allow", "request", &allow, error)
      || !rp_access_account_allow (access_of (request), rp_request_actor (request), account, allow,
                                   error))
    return FALSE;
  json = json_object ();
  json_object_set_new (json, "account", json_string (account));
  json_object_set (json, "allow", allow);
  rp_respond_json (request, 200, json);
  return TRUE;
}

/* A secret is for whoever proves to be its owner by the password, since a token that was stolen must
 * not make others that outlive it; or for an administrator. */
static gboolean
check_owner (const RpRequest *request, const char *account, GError **error)
{
  const RpIdentity *identity = rp_request_identity (request);

  if (administers (request))
    return TRUE;
  if (g_strcmp0 (identity->account, account) != 0)
    g_set_error (error, RP_ERROR, RP_ERROR_DENIED,
                 "%s may not do this for %s: it lacks administer", identity->account, account);
  else if (identity->credential != RP_CREDENTIAL_PASSWORD)
    g_set_error (error, RP_ERROR, RP_ERROR_DENIED,
                 "a token cannot do this for %s: the password is needed, or an administrator",
                 account);
  else
    return TRUE;
  return FALSE;
}

gboolean
rp_api_account_password (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "password", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, fields, error);
  const char *account = rp_request_param (request, "account");
  const char *password;

  if (body == NULL || !rp_json_need_string (body, "password", "request", &password, error)
      || !check_owner (request, account, error)
      || !rp_access_account_password (access_of (request), rp_request_actor (request), account,
                                      password, error))
    return FALSE;
  rp_respond_json (request, 200, json_object ());
  return TRUE;
}

/* ---- tokens ---- */

gboolean
rp_api_tokens (RpRequest *request, GError **error)
{
  const RpIdentity *identity = rp_request_identity (request);
  const char *account = administers (request) ? NULL : identity->account;

  rp_respond_json (request, 200, rp_access_tokens (access_of (request), account));
  return TRUE;
}

static gboolean
read_expiry (const json_t *body, gint64 *out_us, GError **error)
{
  gint64 seconds = 0;

  if (!rp_json_opt_int (body, "expires_in_s", "request", &seconds, error))
    return FALSE;
  if (seconds < 0 || seconds > EXPIRES_MAX_S)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                           "request.expires_in_s: expected seconds of at most a hundred years, or 0 "
                           "for never");
      return FALSE;
    }
  *out_us = seconds == 0 ? 0 : rp_clock_now_us () + seconds * G_USEC_PER_SEC;
  return TRUE;
}

gboolean
rp_api_token_issue (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "account", "label", "allow", "expires_in_s", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, fields, error);
  const RpIdentity *identity = rp_request_identity (request);
  const char *account = identity != NULL ? identity->account : NULL, *label = "";
  const json_t *allow;
  gint64 expires_us;
  json_t *token;

  if (body == NULL || !rp_json_opt_string (body, "account", "request", &account, error)
      || !rp_json_opt_string (body, "label", "request", &label, error)
      || !read_expiry (body, &expires_us, error) || !check_owner (request, account, error))
    return FALSE;
  allow = json_object_get (body, "allow");
  token = rp_access_token_issue (access_of (request), rp_request_actor (request), account, label,
                                 json_is_null (allow) ? NULL : allow, expires_us, error);
  if (token == NULL)
    return FALSE;
  rp_respond_header (request, "Cache-Control", "no-store");
  rp_respond_json (request, 201, token);
  return TRUE;
}

/* Everyone may give up a token of their own. */
gboolean
rp_api_token_revoke (RpRequest *request, GError **error)
{
  const RpIdentity *identity = rp_request_identity (request);
  const char *token = rp_request_param (request, "token");
  g_autofree char *owner = rp_access_token_owner (access_of (request), token);

  if (owner != NULL && !administers (request) && strcmp (identity->account, owner) != 0)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_DENIED,
                   "%s may not revoke tokens of others: it lacks administer", identity->account);
      return FALSE;
    }
  if (!rp_access_token_revoke (access_of (request), rp_request_actor (request), token, error))
    return FALSE;
  rp_respond_json (request, 200, json_object ());
  return TRUE;
}
