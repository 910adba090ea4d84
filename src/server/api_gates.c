/* What stands in the way of a deploy or a promote, and how it is put there and taken away. */
#include "base/json.h"
#include "release/approval.h"
#include "release/hold.h"
#include "release/pause.h"
#include "server/api.h"

/* ---- holds ---- */

gboolean
rp_api_release_holds (RpRequest *request, GError **error)
{
  g_autoptr (GPtrArray) holds
      = rp_release_hold_list (rp_request_services (request)->engine, rp_request_param (request, "app"),
                              rp_request_param (request, "environment"), error);
  if (holds == NULL)
    return FALSE;
  json_t *json = json_object ();
  json_object_set_new (json, "holds", rp_release_hold_list_to_json (holds));
  rp_respond_json (request, 200, json);
  return TRUE;
}

static RpReleaseHoldRequest
hold_request (const RpRequest *request)
{
  return (RpReleaseHoldRequest){ .app = rp_request_param (request, "app"),
                                 .environment = rp_request_param (request, "environment"),
                                 .release = rp_request_param (request, "release"),
                                 .actor = rp_request_actor (request) };
}

gboolean
rp_api_release_hold (RpRequest *request, GError **error)
{
  g_autoptr (json_t) body = rp_request_json (request, error);
  RpReleaseHoldRequest wanted = hold_request (request);
  if (body == NULL || !rp_json_need_string (body, "release", "hold", &wanted.release, error)
      || !rp_api_because (body, "hold", &wanted.because, error))
    return FALSE;
  g_autoptr (RpReleaseHold) hold
      = rp_release_hold_place (rp_request_services (request)->engine, &wanted, error);
  if (hold == NULL)
    return FALSE;
  rp_respond_json (request, 201, rp_release_hold_to_json (hold));
  return TRUE;
}

gboolean
rp_api_release_unhold (RpRequest *request, GError **error)
{
  g_autoptr (json_t) body = rp_request_json (request, error);
  RpReleaseHoldRequest wanted = hold_request (request);
  if (body == NULL || !rp_api_because (body, "hold", &wanted.because, error))
    return FALSE;
  g_autoptr (RpReleaseHold) hold
      = rp_release_hold_lift (rp_request_services (request)->engine, &wanted, error);
  if (hold == NULL)
    return FALSE;
  rp_respond_json (request, 200, rp_release_hold_to_json (hold));
  return TRUE;
}

/* ---- pauses ---- */

static gboolean
change_pause (RpRequest *request, RpPause *(*change) (RpEngine *, const RpPauseRequest *, GError **),
              GError **error)
{
  g_autoptr (json_t) body = rp_request_json (request, error);
  RpPauseRequest wanted = { .app = rp_request_param (request, "app"),
                            .environment = rp_request_param (request, "environment"),
                            .actor = rp_request_actor (request) };
  if (body == NULL || !rp_api_because (body, "pause", &wanted.because, error))
    return FALSE;
  g_autoptr (RpPause) pause = change (rp_request_services (request)->engine, &wanted, error);
  if (pause == NULL)
    return FALSE;
  rp_respond_json (request, 200, rp_pause_to_json_or_null (pause));
  return TRUE;
}

gboolean
rp_api_pause (RpRequest *request, GError **error)
{
  return change_pause (request, rp_pause_begin, error);
}

gboolean
rp_api_resume (RpRequest *request, GError **error)
{
  return change_pause (request, rp_pause_end, error);
}

/* ---- approvals ---- */

gboolean
rp_api_approve (RpRequest *request, GError **error)
{
  const RpIdentity *identity = rp_request_identity (request);
  g_autoptr (json_t) body = rp_request_json (request, error);
  g_autoptr (json_t) groups = NULL;
  RpApprovalRequest wanted = { .app = rp_request_param (request, "app"),
                               .environment = rp_request_param (request, "environment"),
                               .actor = rp_request_actor (request) };
  if (body == NULL || !rp_json_need_string (body, "release", "approval", &wanted.release, error)
      || !rp_json_opt_string (body, "because", "approval", &wanted.because, error)
      || !rp_api_check_cause (wanted.because, "approval.because", error))
    return FALSE;
  groups = identity != NULL && identity->account != NULL
               ? rp_access_groups_of (rp_request_services (request)->access, identity->account)
               : json_array ();
  wanted.groups = groups;
  g_autoptr (RpApproval) approval
      = rp_approval_give (rp_request_services (request)->engine, &wanted, error);
  if (approval == NULL)
    return FALSE;
  rp_respond_json (request, 201, rp_approval_to_json (approval));
  return TRUE;
}
