/* Numbers of bytes as people write and read them. */
#pragma once

#include <glib.h>

char *rp_size_format (gint64 bytes); /* `12.3 MB`. g_free(). */

/* A whole number and B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (of 1024) or nothing: `10GB`. Without
 * the last B too, and in any case: `10g` is `10GB`, `10gi` is `10GiB`. FALSE for anything else and what exceeds
 * RP_SIZE_MAX; *out is untouched then. */
gboolean rp_size_parse (const char *text, gint64 *out) G_GNUC_WARN_UNUSED_RESULT;
#define RP_SIZE_MAX (G_GINT64_CONSTANT (1) << 53) /* what every reader of JSON has as a whole number */
