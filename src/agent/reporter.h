/* Delivers the outbox: for each target in order, each report until the server has taken it.  A report has
 * an id (`host-1:1732459200017`) that the server takes once, so sending again after a lost answer is
 * safe.  One thread for all targets; one that the server refuses does not hold up the others.
 */
#pragma once

#include "agent/config.h"
#include "agent/journal.h"
#include "base/http.h"

typedef struct RpReporter RpReporter;

/* All borrowed for the reporter's life. */
RpReporter *rp_reporter_start (const RpAgentConfig *config, RpJournal *journal, RpHttpClient *http);
/* From any thread: there is something new, or the server answers (again). */
void rp_reporter_wake (RpReporter *reporter);
void rp_reporter_server_answers (RpReporter *reporter);
/* Stops and joins. What was not delivered stays in the journal. */
void rp_reporter_free (RpReporter *reporter);
