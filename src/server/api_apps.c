#include "base/error.h"
#include "base/json.h"
#include "release/app.h"
#include "release/json_out.h"
#include "server/api.h"

#define APPLY_LIMIT (1024 * 1024) /* bytes of a repoint.yaml */

gboolean
rp_api_version (RpRequest *request, GError **error)
{
  g_autoptr (json_t) list
      = rp_ledger_list (rp_request_services (request)->ledger, 0, 1, NULL, error);
  if (list == NULL)
    return FALSE;
  json_t *json = json_object ();
  json_object_set_new (json, "version", json_string (RP_VERSION));
  json_object_set (json, "ledger", json_object_get (list, "head"));
  rp_respond_json (request, 200, json);
  return TRUE;
}

gboolean
rp_api_apply (RpRequest *request, GError **error)
{
  gsize size;
  const char *file = rp_request_query (request, "file");
  const void *data = g_bytes_get_data (rp_request_body (request), &size);
  gint64 seq;
  if (size > APPLY_LIMIT)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "the file has %" G_GSIZE_FORMAT " bytes; at most %d are taken", size,
                   APPLY_LIMIT);
      return FALSE;
    }
  g_autoptr (RpApp) declared
      = rp_app_parse (data, size, file != NULL ? file : "repoint.yaml", error);
  g_autoptr (GPtrArray) changes = NULL;
  if (declared == NULL
      || !rp_app_apply (rp_request_services (request)->engine, declared, rp_request_actor (request),
                        &changes, &seq, error))
    return FALSE;
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (declared->name));
  json_object_set_new (json, "changes", rp_json_texts (changes));
  json_object_set_new (json, "seq", json_integer (seq));
  rp_respond_json (request, 200, json);
  return TRUE;
}

gboolean
rp_api_apps (RpRequest *request, GError **error)
{
  g_autoptr (GPtrArray) apps = rp_app_list (rp_request_services (request)->engine, error);
  if (apps == NULL)
    return FALSE;
  json_t *array = json_array ();
  for (guint i = 0; i < apps->len; i++)
    json_array_append_new (array, rp_app_to_json (apps->pdata[i]));
  json_t *json = json_object ();
  json_object_set_new (json, "apps", array);
  rp_respond_json (request, 200, json);
  return TRUE;
}

gboolean
rp_api_app (RpRequest *request, GError **error)
{
  g_autoptr (RpApp) app = rp_app_describe (rp_request_services (request)->engine,
                                           rp_request_param (request, "app"), error);
  if (app == NULL)
    return FALSE;
  rp_respond_json (request, 200, rp_app_to_json (app));
  return TRUE;
}
