/* Instant queries of Prometheus' HTTP API: POST /api/v1/query; what a range needs is said in PromQL. */
#pragma once

#include "base/http.h"
#include "release/signal_rules.h"
#include "release/signal_tally.h"

/* The answer to a query. Pure. Exactly one series, or a scalar, is a value: none says nothing, and of several it is not known which
 * one is meant. *out_detail, g_free(). */
RpSampleOutcome rp_prometheus_read (const RpSignalRule *rule, int status, const void *data, gsize size, char **out_detail);

/* `query`: the rule's, filled. Blocks for as long as the rule's timeout, or until another thread sets *cancelled to 1. */
RpSampleOutcome rp_prometheus_measure (RpHttpClient *client, const RpSignalRule *rule, const char *query,
                                       const gint *cancelled, char **out_detail);
