#include "server/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define BACKLOG 1024

typedef struct addrinfo AddressList;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AddressList, freeaddrinfo)

void
rp_listener_clear (RpListener *listener)
{
  if (listener->fd >= 0)
    close (listener->fd);
  g_free (listener->host);
  *listener = (RpListener){ .fd = -1 };
}

static gboolean
split_address (const char *text, char **host, char **port, GError **error)
{
  const char *colon = strrchr (text, ':');
  guint64 number;

  if (colon == NULL || !g_ascii_string_to_unsigned (colon + 1, 10, 0, G_MAXUINT16, &number, NULL)
      || (memchr (text, ':', (gsize) (colon - text)) != NULL && text[0] != '['))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "cannot listen on \"%s\": expected HOST:PORT, as in 127.0.0.1:5000 or "
                   "[::1]:5000",
                   text);
      return FALSE;
    }
  *host = text[0] == '[' && colon > text + 1 && colon[-1] == ']'
              ? g_strndup (text + 1, (gsize) (colon - text - 2))
              : g_strndup (text, (gsize) (colon - text));
  *port = g_strdup (colon + 1);
  return TRUE;
}

static gboolean
is_loopback (const struct sockaddr *address)
{
  if (address->sa_family == AF_INET)
    {
      const struct sockaddr_in *v4 = (const struct sockaddr_in *) (const void *) address;
      return ntohl (v4->sin_addr.s_addr) >> 24 == 127;
    }
  if (address->sa_family == AF_INET6)
    return IN6_IS_ADDR_LOOPBACK (
        &((const struct sockaddr_in6 *) (const void *) address)->sin6_addr);
  return FALSE;
}

static gboolean
refused_to_listen (const char *text, int number, GError **error)
{
  if (number == EADDRINUSE)
    g_set_error (error, RP_ERROR, RP_ERROR_BUSY,
                 "cannot listen on %s: another process does; stop it or choose another port "
                 "with --listen",
                 text);
  else
    rp_error_set_errno (error, number, "cannot listen on %s", text);
  return FALSE;
}

static int
bind_socket (const AddressList *address, const char *text, GError **error)
{
  rp_autofd int fd = socket (address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;

  if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
    {
      rp_error_set_errno (error, errno, "cannot open a socket for %s", text);
      return -1;
    }
  if (bind (fd, address->ai_addr, address->ai_addrlen) != 0)
    {
      (void) !refused_to_listen (text, errno, error);
      return -1;
    }
  int result = fd;
  fd = -1;
  return result;
}

static guint16
bound_port (int fd)
{
  struct sockaddr_storage address = { 0 };
  socklen_t size = sizeof address;

  if (getsockname (fd, (struct sockaddr *) &address, &size) != 0)
    return 0;
  return address.ss_family == AF_INET6
             ? ntohs (((struct sockaddr_in6 *) (void *) &address)->sin6_port)
             : ntohs (((struct sockaddr_in *) (void *) &address)->sin_port);
}

static AddressList *
resolve (const char *text, char **out_host, GError **error)
{
  struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
  g_autofree char *host = NULL, *port = NULL;
  AddressList *list = NULL;
  int failure;

  if (!split_address (text, &host, &port, error))
    return NULL;
  failure = getaddrinfo (*host != '\0' ? host : NULL, port, &hints, &list);
  if (failure != 0)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "cannot listen on %s: %s", text,
                   gai_strerror (failure));
      return NULL;
    }
  *out_host = g_steal_pointer (&host);
  return list;
}

gboolean
rp_listener_probe (const char *text, GError **error)
{
  g_autofree char *host = NULL;
  g_autoptr (AddressList) list = resolve (text, &host, error);
  rp_autofd int fd = -1;
  const int on = 1;

  if (list == NULL)
    return FALSE;
  fd = socket (list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0
      && (bind (fd, list->ai_addr, list->ai_addrlen) == 0 || errno == EADDRINUSE))
    return TRUE;
  return rp_error_set_errno (error, errno, "cannot listen on %s", text);
}

gboolean
rp_listener_bind (const char *text, RpListener *out, GError **error)
{
  g_autofree char *host = NULL;
  g_autoptr (AddressList) list = resolve (text, &host, error);

  if (list == NULL)
    return FALSE;
  out->fd = bind_socket (list, text, error);
  if (out->fd < 0)
    return FALSE;
  out->port = bound_port (out->fd);
  out->beyond = !is_loopback (list->ai_addr);
  out->host = list->ai_family == AF_INET6 ? g_strconcat ("[", *host ? host : "::1", "]", NULL)
                                          : g_strdup (*host ? host : "127.0.0.1");
  return TRUE;
}

/* As for people. */
static char *
name_of (const struct sockaddr_storage *address, socklen_t size)
{
  const struct sockaddr_un *local = (const struct sockaddr_un *) (const void *) address;
  char host[NI_MAXHOST];

  if (address->ss_family == AF_UNIX)
    return g_strdup (size > offsetof (struct sockaddr_un, sun_path) && local->sun_path[0] == '/'
                         ? local->sun_path
                         : "a unix socket");
  if (getnameinfo ((const struct sockaddr *) address, size, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
    return g_strdup ("unknown");
  return address->ss_family == AF_INET6 ? g_strconcat ("[", host, "]", NULL) : g_strdup (host);
}

static gboolean
socket_says (int fd, int option, int wanted)
{
  int value = -1;
  socklen_t size = sizeof value;

  return getsockopt (fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

gboolean
rp_listener_adopt (int fd, RpListener *out, GError **error)
{
  struct sockaddr_storage address = { 0 };
  socklen_t size = sizeof address;
  int flags = fcntl (fd, F_GETFL);

  if (flags < 0 || getsockname (fd, (struct sockaddr *) &address, &size) != 0
      || !socket_says (fd, SO_TYPE, SOCK_STREAM) || !socket_says (fd, SO_ACCEPTCONN, 1))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "descriptor %d is no stream socket, or does not listen: expected ListenStream= "
                   "with Accept=no",
                   fd);
      return FALSE;
    }
  if (fcntl (fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl (fd, F_SETFD, FD_CLOEXEC) != 0)
    return rp_error_set_errno (error, errno, "descriptor %d", fd);
  out->fd = fd;
  out->lent = TRUE;
  out->port = address.ss_family == AF_UNIX ? 0 : bound_port (fd);
  out->host = name_of (&address, size);
  out->beyond = address.ss_family != AF_UNIX && !is_loopback ((const struct sockaddr *) &address);
  return TRUE;
}

gboolean
rp_listener_start (const RpListener *listener, gboolean allow_anonymous, GError **error)
{
  g_autofree char *text = listener->port > 0 ? g_strdup_printf ("%s:%u", listener->host, listener->port)
                                             : g_strdup (listener->host);

  if (listener->beyond && !allow_anonymous)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_DENIED,
                   "%s can be reached from other machines, and nobody who comes is asked who they "
                   "are: add an account first (repoint account add NAME --allow administer --data "
                   "DIR), listen on 127.0.0.1, or say --allow-anonymous if that network may push "
                   "and deploy",
                   text);
      return FALSE;
    }
  /* Of one that listens already the backlog is its owner's. */
  return socket_says (listener->fd, SO_ACCEPTCONN, 1) || listen (listener->fd, BACKLOG) == 0
         || refused_to_listen (text, errno, error);
}
