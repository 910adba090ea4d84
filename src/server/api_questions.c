/* What people ask about what there is and was. Changes nothing. */
#include "base/clock.h"
#include "base/error.h"
#include "release/diff.h"
#include "release/drift.h"
#include "release/past.h"
#include "release/stats.h"
#include "server/api.h"

#define STATS_DAYS_DEFAULT 30
#define STATS_DAYS_MAX     3650

/* ?NAME=, a time; `fallback` if it is absent. */
static gboolean
query_time (const RpRequest *request, const char *name, gint64 fallback, gint64 *out,
            GError **error)
{
  const char *text = rp_request_query (request, name);
  *out = fallback;
  if (text == NULL || rp_clock_parse (text, out, error))
    return TRUE;
  g_prefix_error (error, "?%s=: ", name);
  return FALSE;
}

gboolean
rp_api_at (RpRequest *request, GError **error)
{
  gint64 at_us;
  if (!query_time (request, "time", rp_clock_now_us (), &at_us, error))
    return FALSE;
  g_autoptr (RpPast) past
      = rp_past_get (rp_request_services (request)->engine, rp_request_param (request, "app"),
                     rp_request_param (request, "environment"), at_us, error);
  if (past == NULL)
    return FALSE;
  rp_respond_json (request, 200, rp_past_to_json (past));
  return TRUE;
}

gboolean
rp_api_drift (RpRequest *request, GError **error)
{
  json_t *drift
      = rp_drift_look (rp_request_services (request)->engine, rp_request_param (request, "app"),
                       rp_request_param (request, "environment"), error);
  if (drift == NULL)
    return FALSE;
  rp_respond_json (request, 200, drift);
  return TRUE;
}

gboolean
rp_api_diff (RpRequest *request, GError **error)
{
  const char *from = rp_request_query (request, "from");
  const char *to = rp_request_query (request, "to");
  if (from == NULL || to == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                           "?from= and ?to= are needed: each a release, environment:NAME or"
                           " environment:NAME:REVISION");
      return FALSE;
    }
  json_t *diff = rp_diff (rp_request_services (request)->engine, rp_request_param (request, "app"),
                          from, to, error);
  if (diff == NULL)
    return FALSE;
  rp_respond_json (request, 200, diff);
  return TRUE;
}

gboolean
rp_api_stats (RpRequest *request, GError **error)
{
  gint64 days;
  if (!rp_api_number (request, "days", STATS_DAYS_DEFAULT, 1, STATS_DAYS_MAX, &days, error))
    return FALSE;
  json_t *stats = rp_stats_get (rp_request_services (request)->engine, rp_request_param (request, "app"),
                                rp_request_query (request, "environment"), days, error);
  if (stats == NULL)
    return FALSE;
  rp_respond_json (request, 200, stats);
  return TRUE;
}
