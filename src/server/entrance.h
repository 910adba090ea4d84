/* All the sockets that a server is reached by: those that the service manager holds, or else one of its own.
 * They are bound first of all, while that may be done, and opened once it is known who may come. */
#pragma once

#include "server/listen.h"

/* Of RpListener, each closed with it. Errors of rp_activation_take() and rp_listener_bind(). The caller's. */
GArray *rp_entrance_bind (const char *listen, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RP_ERROR_DENIED as rp_listener_start(). */
gboolean rp_entrance_open (GArray *listeners, gboolean allow_anonymous, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* The first that has a port; 0 if none has. */
guint16 rp_entrance_port (const GArray *listeners);
/* `http://127.0.0.1:5000`, for people. g_free() it. */
char *rp_entrance_url (const GArray *listeners, gboolean tls);
