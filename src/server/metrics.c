#include "server/metrics.h"

#include <stdatomic.h>

#define STATUSES 600 /* by status code; 0 is "no answer" */

struct RpMetrics {
  const RpRouter *router;
  atomic_ullong *requests; /* [routes + 1][STATUSES] */
  atomic_ullong received_bytes;
  atomic_ullong sent_bytes;
};

RpMetrics *
rp_metrics_new (const RpRouter *router)
{
  RpMetrics *metrics = g_new0 (RpMetrics, 1);

  metrics->router = router;
  metrics->requests = g_new0 (atomic_ullong, (rp_router_count (router) + 1) * STATUSES);
  return metrics;
}

void
rp_metrics_free (RpMetrics *metrics)
{
  if (metrics == NULL)
    return;
  g_free (metrics->requests);
  g_free (metrics);
}

void
rp_metrics_count (RpMetrics *metrics, gint route, int status, guint64 received_bytes,
                  guint64 sent_bytes)
{
  guint row = route >= 0 ? (guint) route : rp_router_count (metrics->router);
  guint column = status >= 0 && status < STATUSES ? (guint) status : 0;

  atomic_fetch_add_explicit (&metrics->requests[row * STATUSES + column], 1, memory_order_relaxed);
  atomic_fetch_add_explicit (&metrics->received_bytes, received_bytes, memory_order_relaxed);
  atomic_fetch_add_explicit (&metrics->sent_bytes, sent_bytes, memory_order_relaxed);
}

static void
print_row (RpMetrics *metrics, guint row, const char *method, const char *template, GString *out)
{
  for (guint status = 0; status < STATUSES; status++)
    {
      unsigned long long count = atomic_load_explicit (
          &metrics->requests[row * STATUSES + status], memory_order_relaxed);
      if (count > 0)
        g_string_append_printf (
            out, "repoint_http_requests_total{method=\"%s\",route=\"%s\",status=\"%u\"} %llu\n",
            method, template, status, count);
    }
}

void
rp_metrics_print (RpMetrics *metrics, GString *out)
{
  guint routes = rp_router_count (metrics->router);

  g_string_append (out,
                   "# HELP repoint_http_requests_total Requests by route and status; status 0 is "
                   "a client that left before the answer.\n"
                   "# TYPE repoint_http_requests_total counter\n");
  for (guint i = 0; i < routes; i++)
    {
      const RpRoute *route = rp_router_at (metrics->router, i);
      print_row (metrics, i, route->method, route->template, out);
    }
  print_row (metrics, routes, "", "none", out);
  g_string_append_printf (
      out,
      "# HELP repoint_http_received_bytes_total Bytes of request bodies.\n"
      "# TYPE repoint_http_received_bytes_total counter\n"
      "repoint_http_received_bytes_total %llu\n"
      "# HELP repoint_http_sent_bytes_total Bytes of response bodies.\n"
      "# TYPE repoint_http_sent_bytes_total counter\n"
      "repoint_http_sent_bytes_total %llu\n",
      atomic_load_explicit (&metrics->received_bytes, memory_order_relaxed),
      atomic_load_explicit (&metrics->sent_bytes, memory_order_relaxed));
}
