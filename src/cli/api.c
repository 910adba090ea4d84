#include "cli/api.h"

#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/http.h"
#include "cli/cli.h"
#include "cli/credentials.h"

enum {
  ANSWER_TIMEOUT_MS = 600 * 1000, /* the server may hash gigabytes before it answers */
  LONG_POLL_GRACE_MS = 15 * 1000,
  PAGE_SIZE = 200,
  POST_ATTEMPTS = 4,
  FIRST_RETRY_MS = 200, /* doubled every time */
};

#define ACTOR_HEADER "X-Repoint-Actor: "

struct RpApi {
  RpHttpClient *http;
  char *base_url; /* without a slash at the end */
  char *registry;
  char *actor_header;
  char *authorization; /* a header, or NULL */
};

char *
rp_api_find_actor (void)
{
  const char *named = g_getenv ("REPOINT_ACTOR");
  char *actor = named != NULL && *named != '\0'
                    ? g_strdup (named)
                    : g_strdup_printf ("%s@%s", g_get_user_name (), g_get_host_name ());
  for (char *p = actor; *p != '\0'; p++)
    if ((guchar) *p < 0x20 || *p == 0x7f)
      *p = '?';
  return actor;
}

/* A token with a line break in it would be two headers. */
void
rp_api_set_token (RpApi *api, const char *token)
{
  g_autofree char *line = g_strdup (token);

  g_free (api->authorization);
  api->authorization = NULL;
  if (line != NULL)
    api->authorization
        = g_strconcat ("Authorization: Bearer ", g_strdelimit (line, "\r\n", '?'), NULL);
}

void
rp_api_set_password (RpApi *api, const char *account, const char *password)
{
  g_autofree char *pair = g_strconcat (account, ":", password, NULL);
  g_autofree char *text = g_base64_encode ((const guchar *) pair, strlen (pair));

  g_free (api->authorization);
  api->authorization = g_strconcat ("Authorization: Basic ", text, NULL);
}

static gboolean
load_token (RpApi *api, GError **error)
{
  const char *named = g_getenv ("REPOINT_TOKEN");
  g_autofree char *token = NULL;

  if (named != NULL && *named != '\0')
    token = g_strdup (named);
  else if (!rp_credentials_load (api->base_url, &token, error))
    return FALSE;
  rp_api_set_token (api, token);
  return TRUE;
}

RpApi *
rp_api_new (const char *base_url, const char *ca_file, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (base_url, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri != NULL ? g_uri_get_scheme (uri) : "";
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;
  if (host == NULL || *host == '\0'
      || (!g_str_equal (scheme, "http") && !g_str_equal (scheme, "https")))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "server `%s`: expected a URL such as http://127.0.0.1:5000", base_url);
      return NULL;
    }
  RpApi *api = g_new0 (RpApi, 1);
  g_autofree char *actor = rp_api_find_actor ();
  const char *authority = strstr (base_url, "://") + 3;
  api->http = rp_http_client_new (NULL);
  rp_http_client_trust (api->http, ca_file);
  api->base_url = g_strdup (base_url);
  while (g_str_has_suffix (api->base_url, "/"))
    api->base_url[strlen (api->base_url) - 1] = '\0';
  api->registry = g_strndup (authority, strcspn (authority, "/?#"));
  api->actor_header = g_strconcat (ACTOR_HEADER, actor, NULL);
  if (!load_token (api, error))
    {
      rp_api_free (api);
      return NULL;
    }
  return api;
}

void
rp_api_free (RpApi *api)
{
  if (api == NULL)
    return;
  rp_http_client_free (api->http);
  g_free (api->base_url);
  g_free (api->registry);
  g_free (api->actor_header);
  g_free (api->authorization);
  g_free (api);
}

const char *
rp_api_token (const RpApi *api)
{
  const char *scheme = "Authorization: Bearer ";

  if (api->authorization == NULL || !g_str_has_prefix (api->authorization, scheme))
    return NULL;
  return api->authorization + strlen (scheme);
}

const char *
rp_api_actor (const RpApi *api)
{
  return api->actor_header + strlen (ACTOR_HEADER);
}

const char *
rp_api_registry (const RpApi *api)
{
  return api->registry;
}

const char *
rp_api_base_url (const RpApi *api)
{
  return api->base_url;
}

char *
rp_api_path (const char *first, ...)
{
  GString *path = g_string_new ("/api/v1");
  va_list segments;
  va_start (segments, first);
  for (const char *segment = first; segment != NULL; segment = va_arg (segments, const char *))
    {
      g_string_append_c (path, '/');
      g_string_append_uri_escaped (path, segment, NULL, FALSE);
    }
  va_end (segments);
  return g_string_free (path, FALSE);
}

void
rp_api_query (char **path, const char *name, const char *value)
{
  g_autofree char *before = *path;
  g_autofree char *escaped = g_uri_escape_string (value, NULL, FALSE);
  *path = g_strconcat (before, strchr (before, '?') != NULL ? "&" : "?", name, "=", escaped, NULL);
}

void
rp_api_query_int (char **path, const char *name, gint64 value)
{
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT, value);
  rp_api_query (path, name, text);
}

static gboolean
is_connection_loss (const GError *error)
{
  return g_error_matches (error, RP_ERROR, RP_ERROR_UNREACHABLE)
         || g_error_matches (error, RP_ERROR, RP_ERROR_TIMEOUT);
}

static RpHttpResponse *
send_request (RpApi *api, const RpHttpRequest *request, int attempts, GError **error)
{
  gulong pause_ms = FIRST_RETRY_MS;
  for (;;)
    {
      g_autoptr (GError) local = NULL;
      RpHttpResponse *response = rp_http_send (api->http, request, &local);
      if (response != NULL)
        return response;
      if (--attempts <= 0 || !is_connection_loss (local))
        {
          gboolean lost = is_connection_loss (local);
          if (g_error_matches (local, RP_ERROR, RP_ERROR_UNTRUSTED))
            g_propagate_error (error, g_steal_pointer (&local));
          else
            g_propagate_prefixed_error (error, g_steal_pointer (&local),
                                        "no answer from the server at %s: ", api->base_url);
          if (lost)
            rp_cli_hint (error, "start it with `repoint serve`, or name another with --server URL "
                                "or REPOINT_SERVER");
          return NULL;
        }
      g_usleep (pause_ms * 1000);
      pause_ms *= 2;
    }
}

/* The server's own error as one line: what follows a line break would read as a hint of ours. */
static gboolean
check_answer (const RpHttpResponse *response, GError **error)
{
  g_autoptr (GError) local = NULL;
  if (rp_http_response_check (response, "server", &local))
    return TRUE;
  if (g_str_has_prefix (local->message, "server: "))
    {
      char *message = g_strdup (local->message + strlen ("server: "));
      g_free (local->message);
      local->message = message;
    }
  g_strdelimit (local->message, "\r\n", ' ');
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static json_t *
read_answer (RpApi *api, const RpHttpResponse *response, GError **error)
{
  if (!check_answer (response, error))
    return NULL;
  json_t *answer = rp_json_parse (response->body->data, response->body->len, "answer", error);
  if (answer == NULL)
    {
      g_prefix_error (error, "%s does not speak repoint's API: ", api->base_url);
      rp_cli_hint (error, "is --server (or REPOINT_SERVER) the address of `repoint serve`?");
    }
  return answer;
}

json_t *
rp_api_get (RpApi *api, const char *path, gint64 wait_ms, GError **error)
{
  g_autofree char *url = g_strconcat (api->base_url, path, NULL);
  const char *headers[]
      = { api->actor_header, "Accept: application/json", api->authorization, NULL };
  RpHttpRequest request = { .method = "GET", .url = url, .headers = headers };
  request.timeout_ms = wait_ms > 0 ? wait_ms + LONG_POLL_GRACE_MS : ANSWER_TIMEOUT_MS;
  g_autoptr (RpHttpResponse) response = send_request (api, &request, 1, error);
  if (response == NULL)
    return NULL;
  return read_answer (api, response, error);
}

GBytes *
rp_api_get_bytes (RpApi *api, const char *path, GError **error)
{
  g_autofree char *url = g_strconcat (api->base_url, path, NULL);
  const char *headers[] = { api->actor_header, api->authorization, NULL };
  RpHttpRequest request
      = { .method = "GET", .url = url, .headers = headers, .timeout_ms = ANSWER_TIMEOUT_MS };
  g_autoptr (RpHttpResponse) response = send_request (api, &request, 1, error);
  if (response == NULL || !check_answer (response, error))
    return NULL;
  return g_bytes_new (response->body->data, response->body->len);
}

static json_t *
get_page (RpApi *api, const char *path, gint64 before, gint64 limit, GError **error)
{
  g_autofree char *page = g_strdup (path);
  rp_api_query_int (&page, "limit", limit);
  if (before > 0)
    rp_api_query_int (&page, "before", before);
  return rp_api_get (api, page, 0, error);
}

json_t *
rp_api_get_pages (RpApi *api, const char *path, const char *key, gint64 limit, GError **error)
{
  g_autoptr (json_t) all = json_array ();
  gint64 before = 0;
  while (limit == 0 || (gint64) json_array_size (all) < limit)
    {
      gint64 left = limit == 0 ? PAGE_SIZE : limit - (gint64) json_array_size (all);
      g_autoptr (json_t) answer = get_page (api, path, before, MIN (left, PAGE_SIZE), error);
      if (answer == NULL)
        return NULL;
      const json_t *page = json_object_get (answer, key);
      gsize n = json_array_size (page);
      json_array_extend (all, (json_t *) page);
      gint64 last = rp_json_int (json_array_get (page, n - 1), "number");
      if (n == 0 || last <= 1 || (before > 0 && last >= before))
        break;
      before = last;
    }
  json_t *result = json_object ();
  json_object_set (result, key, all);
  return result;
}

static json_t *
send_json (RpApi *api, const char *method, const char *path, const json_t *body, int attempts,
           GError **error)
{
  g_autofree char *url = g_strconcat (api->base_url, path, NULL);
  g_autofree char *text = rp_json_print (body);
  const char *headers[] = { api->actor_header, "Content-Type: application/json",
                            "Accept: application/json", api->authorization, NULL };
  RpHttpRequest request = { .method = method, .url = url, .headers = headers };
  request.body = text;
  request.body_size = strlen (text);
  request.timeout_ms = ANSWER_TIMEOUT_MS;
  g_autoptr (RpHttpResponse) response = send_request (api, &request, attempts, error);
  if (response == NULL)
    return NULL;
  return read_answer (api, response, error);
}

json_t *
rp_api_ask (RpApi *api, const char *path, const json_t *body, GError **error)
{
  return send_json (api, "POST", path, body, 1, error);
}

json_t *
rp_api_put (RpApi *api, const char *path, const json_t *body, GError **error)
{
  return send_json (api, "PUT", path, body, POST_ATTEMPTS, error);
}

gboolean
rp_api_delete (RpApi *api, const char *path, GError **error)
{
  g_autofree char *url = g_strconcat (api->base_url, path, NULL);
  const char *headers[]
      = { api->actor_header, "Accept: application/json", api->authorization, NULL };
  RpHttpRequest request = { .method = "DELETE", .url = url, .headers = headers };
  request.timeout_ms = ANSWER_TIMEOUT_MS;
  g_autoptr (RpHttpResponse) response = send_request (api, &request, 1, error);
  return response != NULL && check_answer (response, error);
}

json_t *
rp_api_post_bytes (RpApi *api, const char *path, const char *content_type, GBytes *body,
                   int *out_status, GError **error)
{
  g_autofree char *url = g_strconcat (api->base_url, path, NULL);
  g_autofree char *uuid = g_uuid_string_random ();
  g_autofree char *key = g_strconcat ("Idempotency-Key: ", uuid, NULL);
  g_autofree char *type = g_strconcat ("Content-Type: ", content_type, NULL);
  const char *headers[]
      = { api->actor_header, key, type, "Accept: application/json", api->authorization, NULL };
  RpHttpRequest request = { .method = "POST", .url = url, .headers = headers };
  request.body = g_bytes_get_data (body, &request.body_size);
  request.timeout_ms = ANSWER_TIMEOUT_MS;
  g_autoptr (RpHttpResponse) response = send_request (api, &request, POST_ATTEMPTS, error);
  if (response == NULL)
    return NULL;
  if (out_status != NULL)
    *out_status = response->status;
  return read_answer (api, response, error);
}

json_t *
rp_api_post (RpApi *api, const char *path, const json_t *body, GError **error)
{
  char *text = rp_json_print (body);
  g_autoptr (GBytes) bytes = g_bytes_new_take (text, strlen (text));
  return rp_api_post_bytes (api, path, "application/json", bytes, NULL, error);
}
