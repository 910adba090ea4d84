/* Sockets that came from the service manager: sd_listen_fds(3)'s protocol.  LISTEN_PID says for whom they are,
 * LISTEN_FDS how many, from descriptor 3. */
#pragma once

#include "server/listen.h"

/* Appends an RpListener each to `listeners`, none if there are none, and clears the variables, for children.
 * RP_ERROR_USAGE if one is no stream socket that listens. Once, at the start, on one thread. */
gboolean rp_activation_take (GArray *listeners, GError **error) G_GNUC_WARN_UNUSED_RESULT;
