/* What follows from what was measured after a move. Pure: rules, tallies and a time in, a verdict out.
 *
 *   J1  Only bad measurements make a signal fail, and only when there are more than its failure_limit: never what could not be
 *       measured.
 *   J2  One signal that failed is a verdict at once, before the time is over.
 *   J3  Nothing is good before the time is over, and not while the last measurement of any signal was bad or said nothing.
 *   J4  A signal that says nothing more often in a row than its error_limit makes the verdict `unknown` when the time is over: neither
 *       good nor bad.
 */
#pragma once

#include "release/signal_rules.h"
#include "release/signal_tally.h"

/* A reading of `rule` against its thresholds; NaN is inconclusive. `detail`: in words, g_free(). */
RpSampleOutcome rp_signal_judge_value (const RpSignalRule *rule, double value, char **out_detail);

/* When the next measurement is due; `tally` NULL: none was taken yet. */
gint64 rp_signal_due_us (const RpSignalRule *rule, const RpSignalTally *tally, gint64 began_us);

/* *out_reason, g_free(), is NULL as long as the state is `watching`. */
RpSignalState rp_signal_judge (const RpSignalRules *rules, const GPtrArray *tallies, gint64 until_us, gint64 now_us,
                               char **out_reason);
