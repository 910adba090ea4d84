#include "base/error.h"
#include "base/json.h"
#include "server/api.h"

gboolean
rp_api_scrub_status (RpRequest *request, GError **error)
{
  json_t *status = rp_scrubber_status (rp_request_services (request)->scrubber, error);

  if (status == NULL)
    return FALSE;
  rp_respond_json (request, 200, status);
  return TRUE;
}

gboolean
rp_api_scrub_now (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "what", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, fields, error);
  const char *what;
  json_t *done;

  if (body == NULL || !rp_json_need_string (body, "what", "scrub", &what, error))
    return FALSE;
  done = rp_scrubber_now (rp_request_services (request)->scrubber, what, error);
  if (done == NULL)
    return FALSE;
  rp_respond_json (request, 200, done);
  return TRUE;
}
