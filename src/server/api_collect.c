#include "base/error.h"
#include "base/json.h"
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
  const char *text = rp_request_param (request, "digest");
  gboolean rescued = FALSE;
  RpDigest digest;

  if (!rp_digest_parse (text, &digest, error)
      || !rp_registry_rescue (rp_request_services (request)->registry, &digest,
                              rp_request_actor (request), &rescued, error))
    return FALSE;
  if (!rescued)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                   "%s is not among the condemned: it was never condemned, or was unlinked since; "
                   "`repoint ledger log --kind blob.` tells, and a push brings it back",
                   text);
      return FALSE;
    }
  json_t *json = json_object ();
  json_object_set_new (json, "restored", json_string (text));
  rp_respond_json (request, 200, json);
  return TRUE;
}
