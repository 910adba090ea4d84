/* Where the server listens. */
#pragma once

#include <glib.h>

typedef struct {
  char *host;   /* as for people: `127.0.0.1`, `[::1]`, `/run/repoint.sock` */
  guint16 port; /* 0: a unix socket */
  int fd;       /* bound, non-blocking; -1 once it was handed on */
  gboolean beyond; /* others than this machine's own reach it */
  gboolean lent;   /* somebody else keeps it, and gives it to who comes after */
} RpListener;

/* Takes the address, and nobody can come yet. `text`: `host:port`, `[v6]:port`, `:port` (every address).
 * RP_ERROR_USAGE for nonsense, RP_ERROR_BUSY if the port is taken. */
gboolean rp_listener_bind (const char *text, RpListener *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Takes over `fd`, which somebody else has made: a stream socket, TCP or unix, that listens. RP_ERROR_USAGE if it
 * is something else, and it stays open. */
gboolean rp_listener_adopt (int fd, RpListener *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* From here on connections come. RP_ERROR_DENIED for an address beyond loopback without `allow_anonymous` (a unix
 * socket is as local as loopback), RP_ERROR_BUSY if the port is taken. */
gboolean rp_listener_start (const RpListener *listener, gboolean allow_anonymous, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Could this address be listened on? One that another process has counts as good: it may be ours. Listens on
 * nothing. RP_ERROR_USAGE, RP_ERROR_FAILED. */
gboolean rp_listener_probe (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_listener_clear (RpListener *listener);
