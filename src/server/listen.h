/* Where the server listens. */
#pragma once

#include <glib.h>

typedef struct {
  char *host; /* as for people: `127.0.0.1`, `[::1]` */
  guint16 port;
  int fd; /* listening, non-blocking; -1 once it was handed on */
} RpListener;

/* `text`: `host:port`, `[v6]:port`, `:port` (every address). RP_ERROR_USAGE for nonsense,
 * RP_ERROR_DENIED for an address beyond loopback without `allow_anonymous`, RP_ERROR_BUSY if the
 * port is taken. */
gboolean rp_listener_open (const char *text, gboolean allow_anonymous, RpListener *out,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Could this address be listened on? One that another process has counts as good: it may be ours. Listens on
 * nothing. RP_ERROR_USAGE, RP_ERROR_FAILED. */
gboolean rp_listener_probe (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_listener_clear (RpListener *listener);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpListener, rp_listener_clear)
