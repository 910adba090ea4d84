/* Counters of requests. Lock-free: each is an atomic of its own. */
#pragma once

#include "server/router.h"

typedef struct RpMetrics RpMetrics;

RpMetrics *rp_metrics_new (const RpRouter *router); /* borrowed */
void rp_metrics_free (RpMetrics *metrics);
/* `route` -1: none matched. Status 0: there was no answer. */
void rp_metrics_count (RpMetrics *metrics, gint route, int status, guint64 received_bytes,
                       guint64 sent_bytes);
/* In the text format of Prometheus. */
void rp_metrics_print (RpMetrics *metrics, GString *out);
