/* Time for people and for deadlines. Order never comes from here, only from ledger sequence. */
#pragma once

#include <glib.h>

gint64 rp_clock_now_us (void);       /* microseconds since 1970 UTC */
gint64 rp_clock_monotonic_us (void); /* for intervals */
/* RFC 3339 in UTC with milliseconds, `2026-11-24T14:05:09.123Z`. g_free(). */
char *rp_clock_format (gint64 us);
gboolean rp_clock_parse (const char *text, gint64 *out_us, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* `4 s`, `12 min`, `3 h`, `5 d`: for tables. g_free(). */
char *rp_clock_format_age (gint64 age_us);
