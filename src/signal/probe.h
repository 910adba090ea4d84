/* An HTTP probe: is what answers at an address well? */
#pragma once

#include "base/http.h"
#include "release/signal_rules.h"
#include "release/signal_tally.h"

/* GETs the rule's url; a redirection is an answer like any other. Blocks for as long as the rule's timeout, or
 * until another thread sets *cancelled to 1. *out_detail, g_free(). */
RpSampleOutcome rp_signal_probe (RpHttpClient *client, const RpSignalRule *rule, const gint *cancelled,
                                 char **out_detail);
