/* When to ask a server again: connection loss and the statuses that mean "later", with a back-off that
 * doubles, honouring Retry-After, and never without end.  For one piece of work in one thread.
 */
#pragma once

#include "base/http.h"

typedef struct {
  gint64 first_delay_ms;
  guint in_a_row_max; /* attempts without progress */
  guint total_max;    /* attempts in all */
  const gint *cancelled;
  guint in_a_row, total;
} RpRetry;

#define RP_RETRY_IN_A_ROW_MAX 6
#define RP_RETRY_TOTAL_MAX 64
#define RP_RETRY_FIRST_DELAY_MS 200
#define RP_RETRY_DELAY_MAX_MS 5000
#define RP_RETRY_AFTER_MAX_MS 60000 /* a server that asks for more is asked again after this */

gboolean rp_retry_cancelled (const RpRetry *retry);
/* Bytes came in: failures before them no longer count as in a row. */
void rp_retry_progress (RpRetry *retry);
gboolean rp_retry_is_worth (const RpHttpResponse *response, const GError *error);
/* `Retry-After`: seconds or an HTTP date, in milliseconds from now, at most RP_RETRY_AFTER_MAX_MS; -1 if the server
 * did not say. */
gint64 rp_retry_after_ms (const RpHttpResponse *response);
/* Sleeps until the next attempt is due and returns TRUE, or FALSE at once if there shall be none.
 * `response` may be NULL. */
gboolean rp_retry_wait (RpRetry *retry, const RpHttpResponse *response);
