/* A time as people give it on the command line. */
#pragma once

#include <glib.h>

/* `2026-11-24T14:05:09Z`; `2026-11-24 14:05`, `2026-11-24` and `14:05` (today) on the clock of this machine; or how
 * long ago, `90m`, `2d`. RP_ERROR_USAGE lists these. */
gboolean rp_moment_parse (const char *text, gint64 *out_us, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
