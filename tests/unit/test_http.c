#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/http.h"

/* ---- a server that answers request after request with what its script says ---- */

#define HANG ((const char *)1) /* instead of a reply: wait until the client goes away */

typedef struct {
  int listener;
  char *url; /* http://127.0.0.1:PORT */
  char *socket_path;
  pthread_t thread;
  const char *const *replies; /* NULL-ended */
  GPtrArray *requests;        /* whole, as text; read them after server_stop() */
  int n_connections;
} Server;

static gsize
body_size_of (const char *head)
{
  const char *field = strcasestr (head, "\r\nContent-Length:");
  return field != NULL ? strtoul (field + 17, NULL, 10) : 0;
}

/* One request, head and body; NULL when the client has gone. */
static char *
read_request (int fd)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (;;)
    {
      const char *end = strstr (text->str, "\r\n\r\n");
      if (end != NULL)
        {
          gboolean chunked = strcasestr (text->str, "Transfer-Encoding: chunked") != NULL;
          gsize head = (gsize)(end - text->str) + 4;
          if (chunked ? g_str_has_suffix (text->str, "\r\n0\r\n\r\n")
                      : text->len >= head + body_size_of (text->str))
            return g_string_free (g_steal_pointer (&text), FALSE);
        }
      char piece[4096];
      ssize_t got = read (fd, piece, sizeof piece);
      if (got <= 0)
        return NULL;
      g_string_append_len (text, piece, got);
    }
}

static void *
serve (void *user_data)
{
  Server *server = user_data;
  int fd = -1;
  for (const char *const *reply = server->replies; *reply != NULL;)
    {
      if (fd < 0)
        {
          fd = accept (server->listener, NULL, NULL);
          if (fd < 0)
            return NULL;
          server->n_connections++;
        }
      char *request = read_request (fd);
      if (request != NULL)
        g_ptr_array_add (server->requests, request);
      char byte;
      if (request != NULL && *reply == HANG)
        while (read (fd, &byte, 1) > 0)
          continue;
      else if (request != NULL)
        {
          g_autofree char *text = g_strdup (*reply);
          char *url = strstr (text, "@URL@");
          g_autofree char *filled
              = url != NULL ? g_strdup_printf ("%.*s%s%s", (int)(url - text), text, server->url,
                                               url + 5)
                            : g_strdup (text);
          ssize_t sent = send (fd, filled, strlen (filled), MSG_NOSIGNAL);
          (void)sent;
        }
      if (request == NULL || *reply == HANG || strstr (*reply, "Connection: close") != NULL)
        rp_close_fd (&fd);
      reply += request != NULL;
    }
  rp_close_fd (&fd);
  return NULL;
}

static Server *
server_start (const char *const *replies, const char *socket_path)
{
  Server *server = g_new0 (Server, 1);
  server->replies = replies;
  server->requests = g_ptr_array_new_with_free_func (g_free);
  if (socket_path != NULL)
    {
      struct sockaddr_un address = { .sun_family = AF_UNIX };
      g_strlcpy (address.sun_path, socket_path, sizeof address.sun_path);
      server->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      assert_int_equal (bind (server->listener, (void *)&address, sizeof address), 0);
      server->socket_path = g_strdup (socket_path);
      server->url = g_strdup ("http://engine");
    }
  else
    {
      struct sockaddr_in address
          = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
      socklen_t size = sizeof address;
      server->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      assert_int_equal (bind (server->listener, (void *)&address, size), 0);
      assert_int_equal (getsockname (server->listener, (void *)&address, &size), 0);
      server->url = g_strdup_printf ("http://127.0.0.1:%u", ntohs (address.sin_port));
    }
  assert_int_equal (listen (server->listener, 8), 0);
  assert_int_equal (pthread_create (&server->thread, NULL, serve, server), 0);
  return server;
}

/* Ends it; the recorded requests stay until server_free(). */
static void
server_stop (Server *server)
{
  shutdown (server->listener, SHUT_RDWR);
  pthread_join (server->thread, NULL);
  close (server->listener);
  if (server->socket_path != NULL)
    unlink (server->socket_path);
}

static void
server_free (Server *server)
{
  g_ptr_array_unref (server->requests);
  g_free (server->socket_path);
  g_free (server->url);
  g_free (server);
}

static const char *
request_of (Server *server, guint i)
{
  assert_in_range (i, 0, server->requests->len - 1);
  return g_ptr_array_index (server->requests, i);
}

static RpHttpResponse *
send_to (RpHttpClient *client, Server *server, RpHttpRequest request, GError **error)
{
  g_autofree char *url = g_strconcat (server->url, request.url, NULL);
  request.url = url;
  return rp_http_send (client, &request, error);
}

#define OK_REPLY(body, length) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n" body

/* ---- tests ---- */

static void
requests_carry_what_is_asked_only (void **state)
{
  static const char *const replies[]
      = { "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-Thing: one\r\nx-thing:  two \r\n\r\n"
          "hello",
          OK_REPLY ("", "0"), NULL };
  static const char *const headers[] = { "X-Repoint-Actor: me@here", NULL };
  Server *server = server_start (replies, NULL);
  g_autoptr (RpHttpClient) client = rp_http_client_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (RpHttpResponse) first = send_to (
      client, server, (RpHttpRequest){ .method = "POST", .url = "/a?b=c", .headers = headers,
                                       .body = "{\"x\":1}", .body_size = 7 }, &error);
  check_ok (first != NULL);
  assert_int_equal (first->status, 201);
  assert_string_equal ((char *)first->body->data, "hello");
  assert_int_equal (first->body->len, 5);
  assert_string_equal (rp_http_response_header (first, "x-thing"), "two");
  assert_null (rp_http_response_header (first, "absent"));
  g_autoptr (RpHttpResponse) second
      = send_to (client, server, (RpHttpRequest){ .method = "PUT", .url = "/" }, &error);
  check_ok (second != NULL);
  server_stop (server);

  assert_int_equal (server->n_connections, 1); /* kept and used again */
  const char *request = request_of (server, 0);
  assert_true (g_str_has_prefix (request, "POST /a?b=c HTTP/1.1\r\n"));
  assert_true (g_str_has_suffix (request, "\r\n\r\n{\"x\":1}"));
  check_contains (request, "X-Repoint-Actor: me@here\r\n");
  check_contains (request, "User-Agent: repoint/" RP_VERSION "\r\n");
  assert_null (strstr (request, "Content-Type"));
  assert_null (strstr (request, "Expect"));
  check_contains (request_of (server, 1), "Content-Length: 0\r\n");
  server_free (server);
}

static gboolean
collect (const void *data, gsize size, gpointer user_data, GError **error)
{
  g_string_append_len (user_data, data, (gssize)size);
  return TRUE;
}

static gboolean
refuse (const void *data, gsize size, gpointer user_data, GError **error)
{
  g_set_error_literal (error, RP_ERROR, RP_ERROR_NO_SPACE, "full");
  return FALSE;
}

static void
sinks_get_good_bodies_only (void **state)
{
  static const char *const replies[]
      = { OK_REPLY ("bytes", "5"),
          "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nwhy", OK_REPLY ("bytes", "5"), NULL };
  Server *server = server_start (replies, NULL);
  g_autoptr (RpHttpClient) client = rp_http_client_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) got = g_string_new (NULL);
  RpHttpRequest request = { .method = "GET", .url = "/", .sink = collect, .sink_data = got };
  g_autoptr (RpHttpResponse) good = send_to (client, server, request, &error);
  check_ok (good != NULL);
  assert_string_equal (got->str, "bytes");
  assert_int_equal (good->body->len, 0);
  g_autoptr (RpHttpResponse) bad = send_to (client, server, request, &error);
  check_ok (bad != NULL);
  assert_string_equal (got->str, "bytes");
  assert_string_equal ((char *)bad->body->data, "why");
  request.sink = refuse;
  g_autoptr (RpHttpResponse) aborted = send_to (client, server, request, &error);
  check_fails (aborted != NULL, RP_ERROR_NO_SPACE);
  server_stop (server);
  server_free (server);
}

typedef struct {
  const char *rest;
  gboolean fail;
} Text;

static gssize
text_source (void *buffer, gsize size, gpointer user_data, GError **error)
{
  Text *text = user_data;
  if (text->fail)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_CORRUPT, "rotten");
      return -1;
    }
  gsize take = MIN (MIN (size, 3), strlen (text->rest));
  memcpy (buffer, text->rest, take);
  text->rest += take;
  return (gssize)take;
}

static void
sources_are_streamed (void **state)
{
  static const char *const replies[]
      = { OK_REPLY ("", "0"), OK_REPLY ("", "0"), OK_REPLY ("", "0"), NULL };
  Server *server = server_start (replies, NULL);
  g_autoptr (RpHttpClient) client = rp_http_client_new (NULL);
  g_autoptr (GError) error = NULL;
  Text text = { "streamed" };
  RpHttpRequest request = { .method = "PATCH", .url = "/", .source = text_source,
                            .source_size = 8, .source_data = &text };
  g_autoptr (RpHttpResponse) sized = send_to (client, server, request, &error);
  check_ok (sized != NULL);
  text.rest = "streamed";
  request.source_size = -1;
  g_autoptr (RpHttpResponse) chunked = send_to (client, server, request, &error);
  check_ok (chunked != NULL);
  text.fail = TRUE;
  g_autoptr (RpHttpResponse) failed = send_to (client, server, request, &error);
  check_fails (failed != NULL, RP_ERROR_CORRUPT);
  server_stop (server);
  assert_true (g_str_has_prefix (request_of (server, 0), "PATCH / "));
  assert_true (g_str_has_suffix (request_of (server, 0), "\r\n\r\nstreamed"));
  check_contains (request_of (server, 1), "Transfer-Encoding: chunked\r\n");
  check_contains (request_of (server, 1), "\r\nstr\r\n");
  server_free (server);
}

static void
large_replies_are_refused (void **state)
{
  static const char *const replies[] = { OK_REPLY ("123456", "6"), OK_REPLY ("12345", "5"), NULL };
  Server *server = server_start (replies, NULL);
  g_autoptr (RpHttpClient) client = rp_http_client_new (NULL);
  g_autoptr (GError) error = NULL;
  RpHttpRequest request = { .method = "GET", .url = "/", .limit_bytes = 5 };
  g_autoptr (RpHttpResponse) large = send_to (client, server, request, &error);
  check_fails (large != NULL, RP_ERROR_TOO_LARGE);
  g_autoptr (RpHttpResponse) fits = send_to (client, server, request, &error);
  check_ok (fits != NULL);
  server_stop (server);
  server_free (server);
}

static void
broken_replies_are_unreachable (void **state)
{
  static const char *const replies[]
      = { "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nshort", NULL };
  Server *server = server_start (replies, NULL);
  g_autoptr (RpHttpClient) client = rp_http_client_new (NULL);
  g_autoptr (GError) error = NULL;
  RpHttpRequest request = { .method = "GET", .url = "/" };
  g_autoptr (RpHttpResponse) cut = send_to (client, server, request, &error);
  check_fails (cut != NULL, RP_ERROR_UNREACHABLE);
  server_stop (server);
  g_autoptr (RpHttpResponse) gone = send_to (client, server, request, &error);
  assert_null (gone);
  check_contains (error->message, server->url);
  check_fails (FALSE, RP_ERROR_UNREACHABLE);
  server_free (server);
}

static void
silence_times_out (void **state)
{
  static const char *const replies[] = { HANG, NULL };
  Server *server = server_start (replies, NULL);
  g_autoptr (RpHttpClient) client = rp_http_client_new (NULL);
  g_autoptr (GError) error = NULL;
  RpHttpRequest request = { .method = "GET", .url = "/", .timeout_ms = 50 };
  g_autoptr (RpHttpResponse) response = send_to (client, server, request, &error);
  check_fails (response != NULL, RP_ERROR_TIMEOUT);
  server_stop (server);
  server_free (server);
}

static void *
cancel_soon (void *cancelled)
{
  g_usleep (20 * 1000);
  g_atomic_int_set ((gint *)cancelled, 1);
  return NULL;
}

static void
waits_can_be_cancelled (void **state)
{
  static const char *const replies[] = { HANG, NULL };
  Server *server = server_start (replies, NULL);
  g_autoptr (RpHttpClient) client = rp_http_client_new (NULL);
  g_autoptr (GError) error = NULL;
  gint cancelled = 0;
  pthread_t thread;
  assert_int_equal (pthread_create (&thread, NULL, cancel_soon, &cancelled), 0);
  RpHttpRequest request = { .method = "GET", .url = "/", .cancelled = &cancelled };
  g_autoptr (RpHttpResponse) response = send_to (client, server, request, &error);
  pthread_join (thread, NULL);
  assert_null (response);
  check_contains (error->message, "cancelled");
  check_fails (FALSE, RP_ERROR_UNREACHABLE);
  server_stop (server);
  server_free (server);
}

static void
redirections_stay_with_http (void **state)
{
  static const char *const replies[]
      = { "HTTP/1.1 307 Temporary Redirect\r\nLocation: @URL@/there\r\n"
          "Content-Length: 4\r\n\r\nmove",
          OK_REPLY ("there", "5"),
          "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
          "HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", NULL };
  Server *server = server_start (replies, NULL);
  g_autoptr (RpHttpClient) client = rp_http_client_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) got = g_string_new (NULL);
  RpHttpRequest request = { .method = "GET", .url = "/", .sink = collect, .sink_data = got };
  g_autoptr (RpHttpResponse) there = send_to (client, server, request, &error);
  check_ok (there != NULL);
  assert_string_equal (got->str, "there");
  g_autoptr (RpHttpResponse) file = send_to (client, server, request, &error);
  check_fails (file != NULL, RP_ERROR_INVALID);
  request.method = "POST";
  g_autoptr (RpHttpResponse) kept = send_to (client, server, request, &error);
  check_ok (kept != NULL);
  assert_int_equal (kept->status, 307);
  server_stop (server);
  server_free (server);
}

static void
other_protocols_are_refused (void **state)
{
  g_autoptr (RpHttpClient) client = rp_http_client_new (NULL);
  g_autoptr (GError) error = NULL;
  static const char *const urls[] = { "file:///etc/passwd", "ftp://127.0.0.1/", "http://", "" };
  for (gsize i = 0; i < G_N_ELEMENTS (urls); i++)
    {
      RpHttpRequest request = { .method = "GET", .url = urls[i] };
      g_autoptr (RpHttpResponse) response = rp_http_send (client, &request, &error);
      check_fails (response != NULL, RP_ERROR_INVALID);
    }
}

static void
unix_sockets_work (void **state)
{
  static const char *const replies[] = { OK_REPLY ("pong", "4"), NULL };
  g_autofree char *dir = g_dir_make_tmp ("repoint-http-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "engine.sock", NULL);
  Server *server = server_start (replies, path);
  RpHttpOptions options = { .unix_socket = path, .user_agent = "agent/1" };
  g_autoptr (RpHttpClient) client = rp_http_client_new (&options);
  g_autoptr (GError) error = NULL;
  RpHttpRequest request = { .method = "GET", .url = "/_ping" };
  g_autoptr (RpHttpResponse) response = send_to (client, server, request, &error);
  check_ok (response != NULL);
  assert_string_equal ((char *)response->body->data, "pong");
  server_stop (server);
  check_contains (request_of (server, 0), "User-Agent: agent/1\r\n");
  g_autoptr (RpHttpResponse) gone = send_to (client, server, request, &error);
  assert_null (gone);
  check_contains (error->message, path);
  server_free (server);
  rmdir (dir);
}

/* ---- several threads, one client ---- */

enum { THREADS = 4, ROUNDS = 20 };

typedef struct {
  RpHttpClient *client;
  Server *server;
  gboolean ok;
} Worker;

static void *
work (void *user_data)
{
  Worker *worker = user_data;
  worker->ok = TRUE;
  for (int i = 0; i < ROUNDS; i++)
    {
      RpHttpRequest request = { .method = "GET", .url = "/" };
      g_autoptr (RpHttpResponse) response = send_to (worker->client, worker->server, request, NULL);
      worker->ok = worker->ok && response != NULL && response->status == 200;
    }
  return NULL;
}

static void
threads_share_a_client (void **state)
{
  const char *replies[THREADS * ROUNDS + 1] = { NULL };
  for (int i = 0; i < THREADS * ROUNDS; i++)
    replies[i] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
  Server *server = server_start (replies, NULL);
  g_autoptr (RpHttpClient) client = rp_http_client_new (NULL);
  pthread_t threads[THREADS];
  Worker workers[THREADS];
  for (int i = 0; i < THREADS; i++)
    {
      workers[i] = (Worker){ client, server, FALSE };
      assert_int_equal (pthread_create (&threads[i], NULL, work, &workers[i]), 0);
    }
  for (int i = 0; i < THREADS; i++)
    {
      pthread_join (threads[i], NULL);
      assert_true (workers[i].ok);
    }
  server_stop (server);
  server_free (server);
}

static void
error_replies_become_errors (void **state)
{
  static const struct {
    int status;
    const char *type, *body;
    RpErrorCode code;
    const char *message;
  } rows[] = {
    { 409, NULL, "{\"error\":{\"code\":\"moved\",\"message\":\"by ann\"}}", RP_ERROR_MOVED,
      "w: by ann" },
    { 409, NULL, "{\"error\":{\"code\":\"new\",\"message\":\"m\"}}", RP_ERROR_CONFLICT, "w: m" },
    { 500, NULL, "{\"error\":{\"code\":\"failed\",\"message\":\"m\"}}", RP_ERROR_FAILED, "w: m" },
    { 404, NULL, "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"none\"}]}",
      RP_ERROR_MANIFEST_UNKNOWN, "w: none" },
    { 403, NULL, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no\"}]}", RP_ERROR_DENIED,
      "w: no" },
    { 404, NULL, "{\"message\":\"no such container\\n\"}", RP_ERROR_NOT_FOUND,
      "w: no such container" },
    { 500, NULL, "{\"errors\":[]}", RP_ERROR_FAILED, "status 500" },
    { 503, "text/plain; charset=utf-8", "busy\n", RP_ERROR_BUSY, "w: busy" },
    { 502, "text/html", "<html>", RP_ERROR_UNREACHABLE, "status 502" },
    { 507, NULL, "", RP_ERROR_NO_SPACE, "status 507" },
    { 418, NULL, "[1]", RP_ERROR_FAILED, "status 418" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (RpHttpResponse) response = g_new0 (RpHttpResponse, 1);
      response->status = rows[i].status;
      response->headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
      if (rows[i].type != NULL)
        g_hash_table_insert (response->headers, g_strdup ("content-type"), g_strdup (rows[i].type));
      response->body = g_byte_array_new ();
      g_byte_array_append (response->body, (const guint8 *)rows[i].body,
                           (guint)strlen (rows[i].body) + 1);
      g_byte_array_set_size (response->body, (guint)strlen (rows[i].body));
      g_autoptr (GError) error = NULL;
      assert_false (rp_http_response_check (response, "w", &error));
      assert_int_equal (error->code, rows[i].code);
      check_contains (error->message, rows[i].message);
    }
  RpHttpResponse fine = { .status = 304 };
  assert_true (rp_http_response_check (&fine, "w", NULL));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (requests_carry_what_is_asked_only),
    cmocka_unit_test (sinks_get_good_bodies_only),
    cmocka_unit_test (sources_are_streamed),
    cmocka_unit_test (large_replies_are_refused),
    cmocka_unit_test (broken_replies_are_unreachable),
    cmocka_unit_test (silence_times_out),
    cmocka_unit_test (waits_can_be_cancelled),
    cmocka_unit_test (redirections_stay_with_http),
    cmocka_unit_test (other_protocols_are_refused),
    cmocka_unit_test (unix_sockets_work),
    cmocka_unit_test (threads_share_a_client),
    cmocka_unit_test (error_replies_become_errors),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
