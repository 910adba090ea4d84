/* Error replies of the three kinds of server that we talk to, as one GError. */
#include "base/http.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"

/* For replies that name no code of ours. */
static RpErrorCode
code_of_status (int status)
{
  static const struct {
    int status;
    RpErrorCode code;
  } rows[] = {
    { 400, RP_ERROR_INVALID },     { 401, RP_ERROR_UNAUTHORIZED }, { 403, RP_ERROR_DENIED },
    { 404, RP_ERROR_NOT_FOUND },   { 405, RP_ERROR_UNSUPPORTED },  { 409, RP_ERROR_CONFLICT },
    { 413, RP_ERROR_TOO_LARGE },   { 416, RP_ERROR_RANGE },        { 422, RP_ERROR_INVALID },
    { 429, RP_ERROR_TOO_MANY },    { 502, RP_ERROR_UNREACHABLE },  { 503, RP_ERROR_BUSY },
    { 504, RP_ERROR_TIMEOUT },     { 507, RP_ERROR_NO_SPACE },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].status == status)
      return rows[i].code;
  return RP_ERROR_FAILED;
}

/* The registry's codes that say more than the status does. */
static RpErrorCode
code_of_registry (const char *name, int status)
{
  static const struct {
    const char *name;
    RpErrorCode code;
  } rows[] = {
    { "MANIFEST_UNKNOWN", RP_ERROR_MANIFEST_UNKNOWN },
    { "MANIFEST_INVALID", RP_ERROR_MANIFEST_INVALID },
    { "MANIFEST_BLOB_UNKNOWN", RP_ERROR_MANIFEST_BLOB_UNKNOWN },
    { "BLOB_UNKNOWN", RP_ERROR_BLOB_UNKNOWN },
    { "BLOB_UPLOAD_UNKNOWN", RP_ERROR_UPLOAD_UNKNOWN },
    { "BLOB_UPLOAD_INVALID", RP_ERROR_UPLOAD_INVALID },
    { "DIGEST_INVALID", RP_ERROR_DIGEST_INVALID },
    { "NAME_UNKNOWN", RP_ERROR_NAME_UNKNOWN },
    { "NAME_INVALID", RP_ERROR_NAME_INVALID },
    { "SIZE_INVALID", RP_ERROR_SIZE_INVALID },
    { "UNAUTHORIZED", RP_ERROR_UNAUTHORIZED },
    { "TOOMANYREQUESTS", RP_ERROR_TOO_MANY },
  };
  for (gsize i = 0; name != NULL && i < G_N_ELEMENTS (rows); i++)
    if (strcmp (rows[i].name, name) == 0)
      return rows[i].code;
  return code_of_status (status);
}

/* The text of an engine or of a server unknown to us: no envelope, or none that we know. */
static const char *
plain_text (const RpHttpResponse *response)
{
  const char *type = rp_http_response_header (response, "content-type");
  const char *text = (const char *)response->body->data;
  gsize size = response->body->len;
  gboolean readable = type != NULL && g_str_has_prefix (type, "text/plain") && size > 0
                      && size < 500 && g_utf8_validate (text, (gssize)size, NULL);
  return readable ? text : NULL;
}

/* Fills code and message from whichever envelope `body` is; `message` is borrowed from it. */
static void
read_envelope (const json_t *body, int status, RpErrorCode *code, const char **message)
{
  const json_t *ours = json_object_get (body, "error");
  const json_t *registry = json_array_get (json_object_get (body, "errors"), 0);
  if (json_is_object (ours))
    {
      const char *name = rp_json_str (ours, "code");
      RpErrorCode named = rp_error_from_name (name);
      *code = named != RP_ERROR_FAILED || g_strcmp0 (name, "failed") == 0 ? named
                                                                          : code_of_status (status);
      *message = rp_json_str (ours, "message");
    }
  else if (registry != NULL)
    {
      *code = code_of_registry (rp_json_str (registry, "code"), status);
      *message = rp_json_str (registry, "message");
    }
  else
    *message = rp_json_str (body, "message");
}

gboolean
rp_http_response_check (const RpHttpResponse *response, const char *what, GError **error)
{
  if (response->status < 400)
    return TRUE;
  RpErrorCode code = code_of_status (response->status);
  const char *message = NULL;
  g_autoptr (json_t) body = rp_json_parse (response->body->data, response->body->len, what, NULL);
  if (body != NULL)
    read_envelope (body, response->status, &code, &message);
  if (message == NULL || message[0] == '\0')
    message = plain_text (response);
  g_autofree char *fallback = g_strdup_printf ("the server answered with status %d and no reason",
                                               response->status);
  g_autofree char *text = g_strdup (message != NULL && message[0] != '\0' ? message : fallback);
  g_set_error (error, RP_ERROR, (int)code, "%s: %s", what, g_strchomp (text));
  return FALSE;
}
