/* Groups of accounts and identities. */
#include "base/json.h"
#include "server/api.h"

static RpAccess *
access_of (const RpRequest *request)
{
  return rp_request_services (request)->access;
}

gboolean
rp_api_groups (RpRequest *request, GError **error)
{
  (void) error;
  rp_respond_json (request, 200, rp_access_groups (access_of (request)));
  return TRUE;
}

gboolean
rp_api_group_set (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "members", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, fields, error);
  json_t *members;

  if (body == NULL || !rp_json_need_array (body, "members", "request", &members, error)
      || !rp_access_group_set (access_of (request), rp_request_actor (request), rp_request_param (request, "group"),
                               members, error))
    return FALSE;
  rp_respond_json (request, 200, json_object ());
  return TRUE;
}

gboolean
rp_api_group_remove (RpRequest *request, GError **error)
{
  if (!rp_access_group_remove (access_of (request), rp_request_actor (request), rp_request_param (request, "group"),
                               error))
    return FALSE;
  rp_respond_json (request, 200, json_object ());
  return TRUE;
}
