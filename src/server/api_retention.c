#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "retention/retention.h"
#include "server/api.h"

static RpRetention *
retention_of (const RpRequest *request)
{
  return rp_request_services (request)->retention;
}

/* {"<key>": value}. Takes over `value`; FALSE if there is none. */
static gboolean
respond_member (RpRequest *request, const char *key, json_t *value)
{
  json_t *json;

  if (value == NULL)
    return FALSE;
  json = json_object ();
  json_object_set_new (json, key, value);
  rp_respond_json (request, 200, json);
  return TRUE;
}

static gboolean
respond (RpRequest *request, int status, json_t *json)
{
  if (json == NULL)
    return FALSE;
  rp_respond_json (request, status, json);
  return TRUE;
}

/* ---- holds ---- */

gboolean
rp_api_holds (RpRequest *request, GError **error)
{
  gint64 all;

  return rp_request_query_int (request, "all", 0, &all, error)
         && respond_member (request, "holds", rp_hold_list (retention_of (request), all != 0, error));
}

gboolean
rp_api_hold_place (RpRequest *request, GError **error)
{
  g_autoptr (json_t) body = rp_request_json (request, error);

  return body != NULL
         && respond (request, 201, rp_hold_place (retention_of (request), body,
                                                  rp_request_actor (request), error));
}

gboolean
rp_api_hold_end (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "because", NULL };
  const char *text = rp_request_param (request, "hold");
  g_autoptr (json_t) body = rp_request_fields (request, fields, error);
  const char *because = NULL;
  gint64 id;

  if (body == NULL || !rp_json_opt_string (body, "because", "hold", &because, error))
    return FALSE;
  if (!g_ascii_string_to_signed (text, 10, 1, G_MAXINT64, &id, NULL))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "\"%.40s\" is no number of a hold", text);
      return FALSE;
    }
  return respond (request, 200, rp_hold_end (retention_of (request), id, because,
                                             rp_request_actor (request), error));
}

/* ---- policies ---- */

gboolean
rp_api_lifecycles (RpRequest *request, GError **error)
{
  return respond_member (request, "policies",
                         rp_attachment_list (retention_of (request),
                                             rp_request_query (request, "repository"), error));
}

gboolean
rp_api_lifecycle_set (RpRequest *request, GError **error)
{
  g_autoptr (json_t) body = rp_request_json (request, error);

  return body != NULL
         && respond (request, 200,
                     rp_attachment_set (retention_of (request), rp_request_param (request, "pattern"),
                                        body, rp_request_actor (request), error));
}

gboolean
rp_api_lifecycle_drop (RpRequest *request, GError **error)
{
  if (!rp_attachment_drop (retention_of (request), rp_request_param (request, "pattern"),
                           rp_request_actor (request), error))
    return FALSE;
  rp_respond_empty (request, 204);
  return TRUE;
}

/* ---- what goes ---- */

gboolean
rp_api_retention_preview (RpRequest *request, GError **error)
{
  return respond (request, 200,
                  rp_sweep_preview (retention_of (request), rp_request_query (request, "repository"),
                                    rp_clock_now_us (), error));
}

gboolean
rp_api_retention_run (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "repository", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, fields, error);
  const char *repository = NULL;

  return body != NULL && rp_json_opt_string (body, "repository", "run", &repository, error)
         && respond (request, 200, rp_sweep_run (retention_of (request), repository,
                                                 rp_request_actor (request), rp_clock_now_us (),
                                                 error));
}

gboolean
rp_api_retention_why (RpRequest *request, GError **error)
{
  return respond (request, 200,
                  rp_sweep_why (retention_of (request), rp_request_param (request, "reference"),
                                rp_clock_now_us (), error));
}

gboolean
rp_api_retention_advise (RpRequest *request, GError **error)
{
  return respond_member (request, "environments", rp_window_advise (retention_of (request), error));
}
