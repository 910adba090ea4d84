/* libmicrohttpd: connections in, matched requests to handlers, answers out. */
#pragma once

#include "server/router.h"

typedef struct RpHttp RpHttp;

/* Serves the sockets of `listeners` (RpListener), which it takes over one by one, each with `threads` event loops;
 * sets server->http, also where it fails in the middle: rp_http_stop() ends what was begun. */
gboolean rp_http_start (RpServer *server, GArray *listeners, guint threads, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* With server->stopping set: lets nobody in any more. */
void rp_http_quiesce (RpHttp *http);
/* Drops uploads whose client has gone. libmicrohttpd does not notice one that left while its
 * connection was suspended, and nobody else could go on with the upload until the idle timeout.
 * About once a second. */
void rp_http_sweep (RpHttp *http);
/* Requests that have begun and are not over. */
guint rp_http_in_flight (const RpHttp *http);
guint rp_http_receiving (RpHttp *http); /* those with a streamed body on its way */
/* Ends the loops and drops the connections that are left. No worker may have a request any more. */
void rp_http_stop (RpHttp *http);

/* What workers and waiters do with a request. */
void rp_http_work (gpointer request);
void rp_http_wake (gpointer request, gboolean expired);
/* Resumes the connection; the handler runs again on its event loop. */
void rp_http_again (RpRequest *request);
