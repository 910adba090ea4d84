/* What the other end of a connection is called. */
#pragma once

#include <glib.h>
#include <sys/socket.h>

/* An address without its port, `unknown` for NULL and what has none. `network`: what belongs to one client,
 * which with IPv6 is a /64. g_free(). */
char *rp_peer_name (const struct sockaddr *address, gboolean network);
