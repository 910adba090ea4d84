/* STATE/control.sock: how `repoint agent undo` and `status` reach the agent that runs.  One JSON line each
 * way: {"op":"undo","target","to_revision","cause","actor"} or {"op":"ping"}, answered by {"ok":true,
 * "report":{…}} (of a ping: {"pid","server_seen":{target: time or null}}) or {"error":{"code","message"},"report":{…}|absent}.  The state directory is mode 0700,
 * so that whoever may connect may also write the journal.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"

typedef struct RpControl RpControl;

/* Does an undo for whoever asked; see rp_agent_undo(). Called on a thread of its own. */
typedef gboolean (*RpControlUndo) (const json_t *request, json_t **out_report, gpointer user_data,
                                   GError **error);
/* The report of a ping. */
typedef json_t *(*RpControlPing) (gpointer user_data);

RpControl *rp_control_start (const char *state_dir, RpControlUndo undo, RpControlPing ping,
                             gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Waits for the answers that are under way. */
void rp_control_free (RpControl *control);

/* The other side. RP_ERROR_UNREACHABLE if nobody listens.  Else the answer's own outcome: an error
 * keeps its code, and *out_report may be set on both. */
gboolean rp_control_ask (const char *state_dir, const json_t *request, json_t **out_report,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
