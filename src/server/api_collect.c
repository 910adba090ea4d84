#include "base/error.h"
#include "base/json.h"
#include "registry/restore.h"
#include "server/api.h"

gboolean
rp_api_collect (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "dry", "until_free_bytes", NULL };
  g_autoptr (json_t) body = NULL;
  gboolean dry = FALSE;
  gint64 until_free = 0;

  if (g_bytes_get_size (rp_request_body (request)) > 0)
    {
      body = rp_request_fields (request, fields, error);
      if (body == NULL || !rp_json_opt_bool (body, "dry", "collection", &dry, error)
          || !rp_json_opt_int (body, "until_free_bytes", "collection", &until_free, error))
        return FALSE;
    }
  if (until_free < 0 || (dry && until_free > 0))
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                           "collection: \"until_free_bytes\" is a number of bytes from 1 on, and "
                           "cannot be tried with \"dry\"");
      return FALSE;
    }
  json_t *done = rp_collector_run (rp_request_services (request)->collector, dry,
                                   (guint64) until_free, error);
  if (done == NULL)
    return FALSE;
  rp_respond_json (request, 200, done);
  return TRUE;
}

gboolean
rp_api_restore (RpRequest *request, GError **error)
{
  RpDigest digest;
  json_t *json;

  if (!rp_digest_parse (rp_request_param (request, "digest"), &digest, error))
    return FALSE;
  json = rp_registry_restore (rp_request_services (request)->registry, &digest, rp_request_actor (request), error);
  if (json == NULL)
    return FALSE;
  rp_respond_json (request, 200, json);
  return TRUE;
}
