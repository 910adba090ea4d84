#include "server/request.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "server/problem.h"

static void
set_response (RpRequest *request, int status, const char *content_type,
              struct MHD_Response *response, guint64 size)
{
  g_return_if_fail (response != NULL);
  if (request->response != NULL)
    {
      rp_log_error ("http", "%s answered twice", request->match.route->template);
      MHD_destroy_response (response);
      return;
    }
  if (content_type != NULL)
    rp_respond_header (request, "Content-Type", content_type);
  request->response = response;
  request->status = status;
  request->sent_bytes = request->is_head ? 0 : size;
}

static void
unref_bytes (void *data)
{
  g_bytes_unref (data);
}

void
rp_respond_bytes (RpRequest *request, int status, const char *content_type, GBytes *bytes)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);
  struct MHD_Response *response;

  if (size == 0)
    response = MHD_create_response_from_buffer (0, NULL, MHD_RESPMEM_PERSISTENT);
  else
    response = MHD_create_response_from_buffer_with_free_callback_cls (
        size, (void *) (gsize) data, unref_bytes, g_bytes_ref (bytes));
  set_response (request, status, content_type, response, size);
}

static gboolean
has_header (const RpRequest *request, const char *name)
{
  for (guint i = 0; i < request->headers->len; i += 2)
    if (g_ascii_strcasecmp (request->headers->pdata[i], name) == 0)
      return TRUE;
  return FALSE;
}

void
rp_respond_json (RpRequest *request, int status, json_t *json)
{
  char *text = rp_json_print (json);
  g_autoptr (GBytes) bytes = g_bytes_new_take (text, strlen (text));
  gboolean typed = has_header (request, "Content-Type");

  json_decref (json);
  rp_respond_bytes (request, status, typed ? NULL : "application/json", bytes);
}

void
rp_respond_empty (RpRequest *request, int status)
{
  set_response (request, status, NULL,
                MHD_create_response_from_buffer (0, NULL, MHD_RESPMEM_PERSISTENT), 0);
}

void
rp_respond_fd (RpRequest *request, int status, const char *content_type, int fd, guint64 offset,
               guint64 size)
{
  struct MHD_Response *response = MHD_create_response_from_fd_at_offset64 (size, fd, offset);

  if (response == NULL)
    {
      close (fd);
      response = MHD_create_response_from_buffer (0, NULL, MHD_RESPMEM_PERSISTENT);
      status = 500;
      size = 0;
    }
  set_response (request, status, content_type, response, size);
}

void
rp_respond_with (RpRequest *request, int status, const char *content_type,
                 struct MHD_Response *response, guint64 size)
{
  if (response != NULL)
    set_response (request, status, content_type, response, size);
  else
    rp_respond_empty (request, 500);
}

void
rp_respond_header (RpRequest *request, const char *name, const char *value)
{
  g_ptr_array_add (request->headers, g_strdup (name));
  g_ptr_array_add (request->headers, g_strdup (value));
}

/* distribution-spec, "Error Codes". No empty detail: crane, oras and Docker show it behind the message, as "map[]". */
static json_t *
registry_envelope (const GError *error, const char *message)
{
  return json_pack ("{s:[{s:s, s:s}]}", "errors", "code", rp_error_oci_code (error), "message",
                    message);
}

/* Clients of registries show their users the text of a refusal from 400 to 499; of a 507 they show
 * nothing but the number, and a full disk is what one wants to be told. */
static int
registry_status (const GError *error)
{
  return g_error_matches (error, RP_ERROR, RP_ERROR_NO_SPACE) ? 413 : rp_error_http_status (error);
}

void
rp_respond_error (RpRequest *request, const GError *error)
{
  int status = rp_error_http_status (error);
  gboolean registry = rp_request_is_registry (request);
  /* Whatever bytes got into the text: who is refused is told why (promise 10). */
  g_autofree char *message = g_utf8_make_valid (error->message, -1);
  json_t *json = registry ? registry_envelope (error, message) : rp_problem_new (error, message, NULL);

  if (status >= 500)
    rp_log_error ("http", "%.500s: %d: %s (request %s)", request->path, status, error->message,
                  rp_request_id (request));
  if (registry)
    status = registry_status (error);
  if (status == 503 || (status == 429 && !has_header (request, "Retry-After")))
    rp_respond_header (request, "Retry-After", "1");
  if (!registry && !has_header (request, "Content-Type"))
    rp_respond_header (request, "Content-Type", RP_PROBLEM_TYPE);
  rp_respond_json (request, status, json);
}
