/* The body of a report (POST …/reports), without its "id", which the outbox gives. */
#pragma once

#include "agent/config.h"
#include "agent/step.h"

#define RP_REPORT_TEXT_LIMIT 2000 /* bytes of a text; the server refuses more than 2048 */

/* `text` as valid UTF-8, cut where it is too long for a report, and then saying so. NULL gives NULL.
 * g_free(). */
char *rp_report_text (const char *text);

/* `state_name` is a TargetState.state; `seen`, `message` and `undo` may be NULL; `local` is taken over.
 * json_decref(). */
json_t *rp_report_new (const RpAgentConfig *config, const RpTargetConfig *target,
                       const char *state_name, gint64 revision, const RpObservation *seen,
                       const char *message, json_t *local, const RpUndo *undo);
