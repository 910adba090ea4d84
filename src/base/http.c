#include "base/http.h"

#include <curl/curl.h>
#include <gio/gio.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/http_failure.h"

enum {
  DEFAULT_CONNECT_TIMEOUT_MS = 5000,
  DEFAULT_BODY_LIMIT = 16 << 20,
  ERROR_BODY_LIMIT = 1 << 20, /* of an error reply, which is kept beside a sink too */
  HEADER_LIMIT = 256,         /* replies with more header lines are refused */
  STALL_LIMIT_S = 60,
  REDIRECT_LIMIT = 5,
};

struct RpHttpClient {
  char *unix_socket, *ca_file, *user_agent;
  gint64 connect_timeout_ms;
  pthread_mutex_t lock;
  GPtrArray *idle; /* CURL handles with their kept connections; under `lock` */
};

/* ---- the pool ---- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void
init_curl (void)
{
  if (curl_global_init (CURL_GLOBAL_DEFAULT) != CURLE_OK)
    g_error ("libcurl cannot be initialised");
}

RpHttpClient *
rp_http_client_new (const RpHttpOptions *options)
{
  static const RpHttpOptions defaults = { 0 };
  if (options == NULL)
    options = &defaults;
  pthread_once (&curl_once, init_curl);
  RpHttpClient *client = g_new0 (RpHttpClient, 1);
  client->unix_socket = g_strdup (options->unix_socket);
  client->ca_file = g_strdup (options->ca_file);
  client->user_agent
      = g_strdup (options->user_agent != NULL ? options->user_agent : "repoint/" RP_VERSION);
  client->connect_timeout_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms
                                                               : DEFAULT_CONNECT_TIMEOUT_MS;
  pthread_mutex_init (&client->lock, NULL);
  client->idle = g_ptr_array_new_with_free_func (curl_easy_cleanup);
  return client;
}

void
rp_http_client_free (RpHttpClient *client)
{
  if (client == NULL)
    return;
  g_ptr_array_unref (client->idle);
  pthread_mutex_destroy (&client->lock);
  g_free (client->unix_socket);
  g_free (client->ca_file);
  g_free (client->user_agent);
  g_free (client);
}

void
rp_http_client_trust (RpHttpClient *client, const char *ca_file)
{
  g_free (client->ca_file);
  client->ca_file = g_strdup (ca_file);
}

static CURL *
take_handle (RpHttpClient *client)
{
  pthread_mutex_lock (&client->lock);
  CURL *handle = client->idle->len > 0
                     ? g_ptr_array_steal_index_fast (client->idle, client->idle->len - 1)
                     : NULL;
  pthread_mutex_unlock (&client->lock);
  if (handle == NULL)
    handle = curl_easy_init ();
  if (handle == NULL)
    g_error ("libcurl: out of memory");
  return handle;
}

static void
give_handle (RpHttpClient *client, CURL *handle)
{
  curl_easy_reset (handle); /* options go, connections stay */
  pthread_mutex_lock (&client->lock);
  g_ptr_array_add (client->idle, handle);
  pthread_mutex_unlock (&client->lock);
}

/* ---- one exchange ---- */

typedef struct {
  const RpHttpRequest *request;
  CURL *handle;
  RpHttpResponse *response;
  guint n_headers;
  gsize body_sent;
  GError *error; /* what one of our callbacks failed with */
} Exchange;

static int
status_of (const Exchange *exchange)
{
  long status = 0;
  curl_easy_getinfo (exchange->handle, CURLINFO_RESPONSE_CODE, &status);
  return (int)status;
}

static gboolean
keep_body (Exchange *exchange, const char *data, gsize size, gsize limit)
{
  if (size > limit - MIN (limit, exchange->response->body->len))
    {
      g_set_error (&exchange->error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "the reply of %s is larger than the %" G_GSIZE_FORMAT " bytes that are read",
                   exchange->request->url, limit);
      return FALSE;
    }
  g_byte_array_append (exchange->response->body, (const guint8 *)data, (guint)size);
  return TRUE;
}

static size_t
on_body (char *data, size_t one, size_t size, void *user_data)
{
  Exchange *exchange = user_data;
  const RpHttpRequest *request = exchange->request;
  int status = status_of (exchange);
  gboolean ok;
  if (status >= 300 && status < 400 && request->sink != NULL)
    ok = TRUE; /* the text of a redirection is for browsers */
  else if (request->sink != NULL && status >= 200 && status < 300)
    ok = request->sink (data, size, request->sink_data, &exchange->error);
  else if (request->sink != NULL)
    ok = keep_body (exchange, data, size, ERROR_BODY_LIMIT);
  else
    ok = keep_body (exchange, data, size,
                    request->limit_bytes > 0 ? MIN (request->limit_bytes, G_MAXINT)
                                             : DEFAULT_BODY_LIMIT);
  return ok ? size : 0;
}

static size_t
on_header (char *data, size_t one, size_t size, void *user_data)
{
  Exchange *exchange = user_data;
  RpHttpResponse *response = exchange->response;
  if (size >= 5 && memcmp (data, "HTTP/", 5) == 0)
    {
      /* A status line starts another reply: after 100 Continue or a redirection. */
      g_hash_table_remove_all (response->headers);
      g_byte_array_set_size (response->body, 0);
      exchange->n_headers = 0;
      return size;
    }
  const char *colon = memchr (data, ':', size);
  if (colon == NULL)
    return size;
  if (++exchange->n_headers > HEADER_LIMIT)
    {
      g_set_error (&exchange->error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "the reply of %s has more than %d header lines", exchange->request->url,
                   HEADER_LIMIT);
      return 0;
    }
  gsize name_size = (gsize)(colon - data);
  g_autofree char *value = g_strndup (colon + 1, size - name_size - 1);
  g_hash_table_replace (response->headers, g_ascii_strdown (data, (gssize)name_size),
                        g_strdup (g_strstrip (value)));
  return size;
}

static size_t
on_source (char *buffer, size_t one, size_t size, void *user_data)
{
  Exchange *exchange = user_data;
  const RpHttpRequest *request = exchange->request;
  gssize got = request->source (buffer, size, request->source_data, &exchange->error);
  return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static int
on_progress (void *user_data, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
  const Exchange *exchange = user_data;
  return g_atomic_int_get (exchange->request->cancelled) != 0;
}

static struct curl_slist *
header_list (const RpHttpRequest *request)
{
  gboolean typed = FALSE;
  struct curl_slist *list = NULL;
  for (const char *const *line = request->headers; line != NULL && *line != NULL; line++)
    {
      typed = typed || g_ascii_strncasecmp (*line, "Content-Type:", 13) == 0;
      list = curl_slist_append (list, *line);
    }
  if (!typed) /* libcurl would call every body a form */
    list = curl_slist_append (list, "Content-Type:");
  /* No waiting for 100 Continue: our peers answer at once, or read on. */
  return curl_slist_append (list, "Expect:");
}

static void
set_body (Exchange *exchange)
{
  const RpHttpRequest *request = exchange->request;
  CURL *handle = exchange->handle;
  if (request->source != NULL)
    {
      curl_easy_setopt (handle, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt (handle, CURLOPT_READFUNCTION, on_source);
      curl_easy_setopt (handle, CURLOPT_READDATA, exchange);
      curl_easy_setopt (handle, CURLOPT_INFILESIZE_LARGE,
                        (curl_off_t)(request->source_size < 0 ? -1 : request->source_size));
      curl_easy_setopt (handle, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    }
  else if (request->body != NULL || strcmp (request->method, "POST") == 0
           || strcmp (request->method, "PUT") == 0 || strcmp (request->method, "PATCH") == 0)
    {
      curl_easy_setopt (handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
      curl_easy_setopt (handle, CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
    }
  else if (strcmp (request->method, "HEAD") == 0)
    curl_easy_setopt (handle, CURLOPT_NOBODY, 1L);
  curl_easy_setopt (handle, CURLOPT_CUSTOMREQUEST, request->method);
}

static void
set_limits (const RpHttpClient *client, Exchange *exchange)
{
  const RpHttpRequest *request = exchange->request;
  CURL *handle = exchange->handle;
  curl_easy_setopt (handle, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms);
  if (request->timeout_ms > 0)
    curl_easy_setopt (handle, CURLOPT_TIMEOUT_MS, (long)MIN (request->timeout_ms, G_MAXINT));
  else
    {
      curl_easy_setopt (handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
      curl_easy_setopt (handle, CURLOPT_LOW_SPEED_TIME, (long)STALL_LIMIT_S);
    }
  if (request->cancelled != NULL)
    {
      curl_easy_setopt (handle, CURLOPT_NOPROGRESS, 0L);
      curl_easy_setopt (handle, CURLOPT_XFERINFOFUNCTION, on_progress);
      curl_easy_setopt (handle, CURLOPT_XFERINFODATA, exchange);
    }
}

/* A proxy in the environment is for the world outside; it could not reach our own host. */
gboolean
rp_http_is_loopback (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;
  return host != NULL
         && (strcmp (host, "localhost") == 0 || strcmp (host, "::1") == 0
             || (g_str_has_prefix (host, "127.") && g_hostname_is_ip_address (host)));
}

static void
set_request (const RpHttpClient *client, Exchange *exchange, struct curl_slist *headers)
{
  const RpHttpRequest *request = exchange->request;
  CURL *handle = exchange->handle;
  curl_easy_setopt (handle, CURLOPT_NOSIGNAL, 1L); /* threads: no SIGALRM */
  curl_easy_setopt (handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt (handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  /* A body cannot be sent twice without asking its source; such a redirection is the caller's. */
  gboolean may_follow = request->source == NULL && !request->stay
                        && (strcmp (request->method, "GET") == 0
                            || strcmp (request->method, "HEAD") == 0);
  curl_easy_setopt (handle, CURLOPT_FOLLOWLOCATION, may_follow ? 1L : 0L);
  curl_easy_setopt (handle, CURLOPT_MAXREDIRS, (long)REDIRECT_LIMIT);
  curl_easy_setopt (handle, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  curl_easy_setopt (handle, CURLOPT_URL, request->url);
  curl_easy_setopt (handle, CURLOPT_USERAGENT, client->user_agent);
  curl_easy_setopt (handle, CURLOPT_HTTPHEADER, headers);
  if (client->unix_socket != NULL)
    curl_easy_setopt (handle, CURLOPT_UNIX_SOCKET_PATH, client->unix_socket);
  if (client->unix_socket != NULL || rp_http_is_loopback (request->url))
    curl_easy_setopt (handle, CURLOPT_PROXY, "");
  if (client->ca_file != NULL)
    curl_easy_setopt (handle, CURLOPT_CAINFO, client->ca_file);
  curl_easy_setopt (handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt (handle, CURLOPT_WRITEDATA, exchange);
  curl_easy_setopt (handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt (handle, CURLOPT_HEADERDATA, exchange);
  set_body (exchange);
  set_limits (client, exchange);
}

/* `GET http://…`, and through which socket. */
static char *
describe (const RpHttpClient *client, const RpHttpRequest *request)
{
  if (client->unix_socket == NULL)
    return g_strconcat (request->method, " ", request->url, NULL);
  return g_strconcat (request->method, " ", request->url, " (socket ", client->unix_socket, ")", NULL);
}

RpHttpResponse *
rp_http_send (RpHttpClient *client, const RpHttpRequest *request, GError **error)
{
  g_autoptr (RpHttpResponse) response = g_new0 (RpHttpResponse, 1);
  response->headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  response->body = g_byte_array_new ();
  Exchange exchange = { .request = request, .response = response };
  exchange.handle = take_handle (client);
  struct curl_slist *headers = header_list (request);
  char detail[CURL_ERROR_SIZE] = "";
  set_request (client, &exchange, headers);
  curl_easy_setopt (exchange.handle, CURLOPT_ERRORBUFFER, detail);
  CURLcode code = curl_easy_perform (exchange.handle);
  RpHttpFailure failure = { .code = code, .detail = detail };
  curl_easy_getinfo (exchange.handle, CURLINFO_SSL_VERIFYRESULT, &failure.verify_result);
  curl_easy_getinfo (exchange.handle, CURLINFO_OS_ERRNO, &failure.os_errno);
  response->status = status_of (&exchange);
  give_handle (client, exchange.handle);
  curl_slist_free_all (headers);
  if (exchange.error != NULL)
    {
      g_propagate_error (error, exchange.error);
      return NULL;
    }
  if (code != CURLE_OK)
    {
      g_autofree char *what = describe (client, request);
      rp_http_explain (&failure, what, client->ca_file, error);
      return NULL;
    }
  /* One NUL that does not count, so that text can be used as such. */
  g_byte_array_append (response->body, (const guint8 *)"", 1);
  g_byte_array_set_size (response->body, response->body->len - 1);
  return g_steal_pointer (&response);
}

void
rp_http_response_free (RpHttpResponse *response)
{
  if (response == NULL)
    return;
  g_hash_table_unref (response->headers);
  g_byte_array_unref (response->body);
  g_free (response);
}

const char *
rp_http_response_header (const RpHttpResponse *response, const char *lower_name)
{
  return g_hash_table_lookup (response->headers, lower_name);
}
