/* Which system calls this process can still make: a seccomp filter that refuses, with EPERM, what a server has no use
 * for and an intruder has: executing, tracing, mounting, namespaces, modules, the clock, other kinds of sockets.
 *
 * A list of what is refused, not of what is allowed: a C library that begins to use another call must not stop a
 * server in the night.
 */
#pragma once

#include <glib.h>

/* Can there be a filter? With FALSE, `out_why` is the reason, for people. */
gboolean rp_syscalls_available (const char **out_why);
/* From here on. On the process's only thread, before others are started. Sets no_new_privs. */
gboolean rp_syscalls_restrict (GError **error) G_GNUC_WARN_UNUSED_RESULT;
