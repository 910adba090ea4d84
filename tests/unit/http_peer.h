/* An HTTP server for tests that misbehaves to order: one thread, one request a connection, on a TCP port of the
 * kernel's choice or on a unix socket.
 */
#pragma once

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib.h>
#include <string.h>

typedef struct {
  char *method;
  char *path;       /* with its query */
  char *range;      /* of `Range: bytes=…`, or NULL */
  GByteArray *body; /* NUL-ended beyond its length */
} PeerRequest;

typedef struct {
  int status;          /* 0: close without an answer */
  const char *headers; /* further lines, each with its \r\n; or NULL */
  GBytes *body;        /* or NULL; the handler's gift */
  gssize cut_after;    /* bytes of the body before the connection is closed; -1: all */
} PeerReply;

typedef void (*PeerHandler) (const PeerRequest *request, PeerReply *reply, gpointer user_data);

typedef struct {
  GSocket *listener;
  GThread *thread;
  GCancellable *stop;
  PeerHandler handler;
  gpointer user_data;
  guint16 port;
} Peer;

static inline gboolean
peer_send (GSocket *socket, const void *data, gsize size)
{
  const char *rest = data;
  while (size > 0) {
    gssize n = g_socket_send (socket, rest, size, NULL, NULL);
    if (n <= 0)
      return FALSE;
    rest += n;
    size -= (gsize) n;
  }
  return TRUE;
}

/* The value of a header line, or NULL. `head` is in lower case. */
static inline char *
peer_header (const char *head, const char *name)
{
  g_autofree char *mark = g_strdup_printf ("\r\n%s: ", name);
  const char *found = strstr (head, mark);
  if (!found)
    return NULL;
  found += strlen (mark);
  return g_strndup (found, strcspn (found, "\r"));
}

static inline gboolean
peer_read (GSocket *socket, PeerRequest *request)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char buffer[4096], *end = NULL;
  while (!end) {
    gssize n = g_socket_receive (socket, buffer, sizeof buffer, NULL, NULL);
    if (n <= 0)
      return FALSE;
    g_string_append_len (text, buffer, n);
    end = strstr (text->str, "\r\n\r\n");
  }
  gsize head_size = (gsize) (end + 4 - text->str);
  g_autofree char *head = g_ascii_strdown (text->str, (gssize) head_size);
  g_auto (GStrv) words = g_strsplit (text->str, " ", 3);
  g_autofree char *range = peer_header (head, "range");
  g_autofree char *length = peer_header (head, "content-length");
  gsize body_size = length ? g_ascii_strtoull (length, NULL, 10) : 0;
  request->method = g_strdup (words[0]);
  request->path = g_strdup (words[1]);
  request->range = range ? g_strdup (range + strlen ("bytes=")) : NULL;
  request->body = g_byte_array_new ();
  g_byte_array_append (request->body, (guint8 *) text->str + head_size,
                       (guint) (text->len - head_size));
  while (request->body->len < body_size) {
    gssize n = g_socket_receive (socket, buffer, sizeof buffer, NULL, NULL);
    if (n <= 0)
      return FALSE;
    g_byte_array_append (request->body, (guint8 *) buffer, (guint) n);
  }
  g_byte_array_append (request->body, (const guint8 *) "", 1);
  g_byte_array_set_size (request->body, request->body->len - 1);
  return TRUE;
}

static inline void
peer_answer (GSocket *socket, const PeerRequest *request, const PeerReply *reply)
{
  gsize size = 0;
  const void *data = reply->body ? g_bytes_get_data (reply->body, &size) : NULL;
  g_autofree char *head = g_strdup_printf (
      "HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", reply->status,
      size, reply->headers ? reply->headers : "");
  if (reply->status == 0 || !peer_send (socket, head, strlen (head)))
    return;
  if (reply->cut_after >= 0)
    size = MIN (size, (gsize) reply->cut_after);
  if (!g_str_equal (request->method, "HEAD"))
    peer_send (socket, data, size);
}

static inline void
peer_serve (Peer *peer, GSocket *socket)
{
  PeerRequest request = { 0 };
  PeerReply reply = { .status = 404, .cut_after = -1 };
  if (peer_read (socket, &request)) {
    peer->handler (&request, &reply, peer->user_data);
    peer_answer (socket, &request, &reply);
  }
  g_socket_shutdown (socket, FALSE, TRUE, NULL);
  g_socket_close (socket, NULL);
  g_clear_pointer (&reply.body, g_bytes_unref);
  g_clear_pointer (&request.body, g_byte_array_unref);
  g_free (request.method);
  g_free (request.path);
  g_free (request.range);
}

static inline gpointer
peer_run (gpointer data)
{
  Peer *peer = data;
  while (!g_cancellable_is_cancelled (peer->stop)) {
    g_autoptr (GSocket) socket = g_socket_accept (peer->listener, peer->stop, NULL);
    if (socket)
      peer_serve (peer, socket);
  }
  return NULL;
}

/* `unix_path` NULL: TCP on loopback. */
static inline Peer *
peer_start (const char *unix_path, PeerHandler handler, gpointer user_data)
{
  Peer *peer = g_new0 (Peer, 1);
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address
      = unix_path ? g_unix_socket_address_new (unix_path) : g_inet_socket_address_new (loopback, 0);
  peer->listener = g_socket_new (g_socket_address_get_family (address), G_SOCKET_TYPE_STREAM,
                                 G_SOCKET_PROTOCOL_DEFAULT, NULL);
  g_assert (g_socket_bind (peer->listener, address, TRUE, NULL));
  g_assert (g_socket_listen (peer->listener, NULL));
  if (!unix_path) {
    g_autoptr (GSocketAddress) bound = g_socket_get_local_address (peer->listener, NULL);
    peer->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  }
  peer->handler = handler;
  peer->user_data = user_data;
  peer->stop = g_cancellable_new ();
  peer->thread = g_thread_new ("peer", peer_run, peer);
  return peer;
}

static inline void
peer_stop (Peer *peer)
{
  g_cancellable_cancel (peer->stop);
  g_thread_join (peer->thread);
  g_object_unref (peer->listener);
  g_object_unref (peer->stop);
  g_free (peer);
}
