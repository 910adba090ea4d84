/* Passwords from people: never an argument, which others can see in the list of processes. */
#pragma once

#include <glib.h>

/* One line: of standard input if `from_stdin`, else asked for on the terminal without showing it (`twice`
 * for a new one). RP_ERROR_USAGE where there is no terminal. g_free(). */
char *rp_password_ask (const char *prompt, gboolean from_stdin, gboolean twice, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
