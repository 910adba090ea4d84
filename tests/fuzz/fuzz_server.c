/* A whole server, asked over a socket: routing, query, headers, credentials, and the body of every API.
 *
 * The input is a request without what every client adds: a line `METHOD TARGET`, lines of headers, an empty line, and
 * the body.  No input may be answered with an internal error, or keep the server from answering the next.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "server/read_check.h"
#include "server/settings.h"

#include "fuzz.h"

#define ANSWER_MAX (64 * 1024)

static RpServer *server;
static char *directory;
static RpServerOptions options;

static void
end_server (void)
{
  g_autoptr (GError) error = NULL;
  rp_server_close (server);
  rp_settings_clear (&options);
  g_assert (rp_dir_remove (directory, &error));
  g_free (directory);
}

static void
start_server (void)
{
  g_autoptr (GError) error = NULL;
  directory = g_dir_make_tmp ("fuzz-server-XXXXXX", &error);
  rp_settings_init (&options);
  g_free (options.data_dir);
  g_free (options.listen);
  options.data_dir = g_strdup (directory);
  options.listen = g_strdup ("127.0.0.1:0");
  g_free (options.confine);
  options.confine = g_strdup ("off"); /* the fuzzer needs files of its own */
  options.upload_expiry_ms = 1000;
  options.verify_reads = RP_READ_SHARE_ALL;
  options.threads = 1;
  options.workers = 2;
  rp_log_set_level (RP_LOG_ERROR);
  server = rp_server_open (&options, &error);
  g_assert_no_error (error);
  /* OpenSSL ends after the threads that used it: it has to begin before this is registered. */
  (void) rp_digest_of (RP_DIGEST_SHA256, "", 0);
  atexit (end_server);
}

static int
connect_to_server (void)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (rp_server_port (server)),
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  const struct timeval patience = { .tv_sec = 5 };
  const struct linger reset = { .l_onoff = 1 }; /* no port is left behind that waits */
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert (fd >= 0);
  g_assert (connect (fd, (const struct sockaddr *) (const void *) &address, sizeof address) == 0);
  setsockopt (fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

/* CRLF where the input has LF; the body's length is said. */
static GString *
make_request (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  const char *body = strstr (text, "\n\n");
  gsize head = body != NULL ? (gsize) (body - text) : strlen (text);
  gsize rest = body != NULL ? size - head - 2 : 0;
  GString *request = g_string_new (NULL);
  gboolean first = TRUE;
  for (gsize i = 0; i < head; i++)
    {
      if (text[i] != '\n')
        g_string_append_c (request, text[i]);
      else
        g_string_append (request, first ? " HTTP/1.1\r\n" : "\r\n");
      first = first && text[i] != '\n';
    }
  g_string_append_printf (request, "%s\r\nHost: fuzz\r\nContent-Length: %zu\r\n\r\n",
                          first ? " HTTP/1.1" : "", rest);
  g_string_append_len (request, (const char *) data + (size - rest), (gssize) rest);
  return request;
}

/* The server does not close the connection, which would wait for a minute: we do, once all of the answer is there. */
static gboolean
is_whole (const GString *request, const char *answer, gsize got)
{
  const char *at = answer;
  const char *end = strstr (at, "\r\n\r\n");
  while (end != NULL && g_str_has_prefix (at, "HTTP/1.1 100 "))
    {
      at = end + 4;
      end = strstr (at, "\r\n\r\n");
    }
  if (end == NULL)
    return FALSE;
  if (g_str_has_prefix (request->str, "HEAD ") || g_str_has_prefix (at, "HTTP/1.1 204")
      || g_str_has_prefix (at, "HTTP/1.1 304"))
    return TRUE;
  const char *length = g_strstr_len (at, end - at, "\r\nContent-Length: ");
  return length != NULL
         && got - (gsize) (end + 4 - answer)
                >= g_ascii_strtoull (length + strlen ("\r\nContent-Length: "), NULL, 10);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static char answer[ANSWER_MAX + 1];
  gsize got = 0;
  gssize n;
  if (server == NULL)
    start_server ();
  /* A long poll is answered when there is news, which nobody makes here. */
  if (g_strstr_len ((const char *) data, (gssize) size, "wait") != NULL)
    return 0;
  g_autoptr (GString) request = make_request (data, size);
  rp_autofd int fd = connect_to_server ();
  if (send (fd, request->str, request->len, MSG_NOSIGNAL) < 0)
    return 0;
  do
    {
      n = recv (fd, answer + got, ANSWER_MAX - got, 0);
      got += n > 0 ? (gsize) n : 0;
      answer[got] = '\0';
    }
  while (n > 0 && got < ANSWER_MAX && !is_whole (request, answer, got));
  g_assert (got == 0 || g_str_has_prefix (answer, "HTTP/1."));
  /* Who asks for a ledger that is not this one is told that it is corrupt; all else is a defect. */
  g_assert (!g_str_has_prefix (answer, "HTTP/1.1 500") || strstr (answer, "\"corrupt\"") != NULL);
  return 0;
}
