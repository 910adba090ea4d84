#include "oci/retry.h"

#include "base/error.h"
#include "base/clock.h"

#include <curl/curl.h>
#include <string.h>
#include <time.h>

#define SLICE_MS 50 /* how soon a cancelled wait ends */

static const int later_statuses[] = { 408, 429, 502, 503, 504 };

gboolean
rp_retry_cancelled (const RpRetry *retry)
{
  return retry->cancelled && g_atomic_int_get (retry->cancelled);
}

void
rp_retry_progress (RpRetry *retry)
{
  retry->in_a_row = 0;
}

gboolean
rp_retry_is_worth (const RpHttpResponse *response, const GError *error)
{
  if (!response)
    return g_error_matches (error, RP_ERROR, RP_ERROR_UNREACHABLE)
           || g_error_matches (error, RP_ERROR, RP_ERROR_TIMEOUT);
  for (gsize i = 0; i < G_N_ELEMENTS (later_statuses); i++)
    if (response->status == later_statuses[i])
      return TRUE;
  return FALSE;
}

gint64
rp_retry_after_ms (const RpHttpResponse *response)
{
  const char *text = response ? rp_http_response_header (response, "retry-after") : NULL;
  if (!text)
    return -1;
  if (g_ascii_isdigit (*text))
    {
      guint64 seconds = g_ascii_strtoull (text, NULL, 10);
      return (gint64)MIN (seconds, RP_RETRY_AFTER_MAX_MS / 1000) * 1000;
    }
  time_t at = curl_getdate (text, NULL);
  if (at < 0)
    return -1;
  gint64 in_ms = ((gint64)at * G_USEC_PER_SEC - rp_clock_now_us ()) / 1000;
  return CLAMP (in_ms, 0, RP_RETRY_AFTER_MAX_MS);
}

static gint64
backoff_ms (const RpRetry *retry)
{
  guint doublings = MIN (retry->in_a_row - 1, 16);
  gint64 delay = MIN (retry->first_delay_ms << doublings, RP_RETRY_DELAY_MAX_MS);
  /* Half of it at random, so that a fleet that lost its server does not come back in step. */
  return delay / 2 + g_random_int_range (0, (gint32)(delay / 2 + 1));
}

gboolean
rp_retry_wait (RpRetry *retry, const RpHttpResponse *response)
{
  retry->in_a_row++;
  retry->total++;
  if (retry->in_a_row >= retry->in_a_row_max || retry->total >= retry->total_max)
    return FALSE;
  gint64 delay = rp_retry_after_ms (response);
  if (delay < 0)
    delay = backoff_ms (retry);
  gint64 until = rp_clock_monotonic_us () + delay * 1000;
  while (!rp_retry_cancelled (retry))
    {
      gint64 left = until - rp_clock_monotonic_us ();
      if (left <= 0)
        return TRUE;
      g_usleep ((gulong)MIN (left, SLICE_MS * 1000));
    }
  return FALSE;
}
