/* How many connections there are, in all and from one address.  One that is too many may still ask, once,
 * and is told so; only where very many such are open at a time is the next one closed unheard.  Connections
 * that came before a limit was set are not counted for their address.  Thread-safe.
 */
#pragma once

#include <glib.h>
#include <sys/socket.h>

typedef struct RpCrowd RpCrowd;
typedef struct RpGuest RpGuest; /* a connection that something is to be remembered of */

typedef enum {
  RP_CROWD_WELCOME,
  RP_CROWD_FULL,    /* there are too many */
  RP_CROWD_ADDRESS, /* too many from this address */
  RP_CROWD_SHUT,    /* and nobody has time to say so */
} RpCrowdWord;

#define RP_CROWD_TOLD_MAX 64 /* refused connections that are open at a time, to be told */

RpCrowd *rp_crowd_new (void);
void rp_crowd_free (RpCrowd *crowd);
void rp_crowd_set (RpCrowd *crowd, gint64 most, gint64 most_by_address); /* 0: any number */
gboolean rp_crowd_is_on (const RpCrowd *crowd);

/* `address` NULL, or a unix socket's: not counted by address. */
RpCrowdWord rp_crowd_enter (RpCrowd *crowd, const struct sockaddr *address, RpGuest **out_guest);
void rp_crowd_leave (RpCrowd *crowd, RpGuest *guest); /* `guest` may be NULL */
/* RP_ERROR_BUSY or RP_ERROR_TOO_MANY if it is one too many. */
gboolean rp_crowd_admits (RpCrowd *crowd, const RpGuest *guest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* In the text format of Prometheus. */
void rp_crowd_print (RpCrowd *crowd, GString *out);
