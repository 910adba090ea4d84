/* Telling a service manager how one is: sd_notify(3)'s protocol, lines of `NAME=value` in a datagram to the socket
 * that NOTIFY_SOCKET names (a path, or `@` and an abstract name).  Without that variable nothing is sent.
 * Never blocks and never fails: nobody's work depends on it.
 */
#pragma once

#include <glib.h>

/* `READY=1\nSTATUS=…`. */
void rp_notify (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* RELOADING=1 with the time that systemd wants beside it (Type=notify-reload). */
void rp_notify_reloading (void);
/* How often to send WATCHDOG=1: half of WATCHDOG_USEC if WATCHDOG_PID is absent or is this process; 0: never. */
gint64 rp_notify_watchdog_us (void);
