/* A query of a signal with what changes from move to move in it: `{{version}}` and `{{revision}}` of what is watched, and `{{elapsed}}`,
 * how long it has been watched, as PromQL writes a duration.
 */
#pragma once

#include <glib.h>

typedef struct
{
  const char *version;
  gint64 revision;
  gint64 elapsed_us;
} RpSignalQueryFacts;

/* RP_ERROR_INVALID names a `{{word}}` that is none of these. */
gboolean rp_signal_query_check (const char *query, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* With the facts in their places; of a query that was checked. g_free(). */
char *rp_signal_query_fill (const char *query, const RpSignalQueryFacts *facts);
