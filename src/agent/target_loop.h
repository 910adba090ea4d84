/* One target: observe → plan (step.h) → prepare → point → trial → confirm → report, for ever, on a
 * thread of its own.  The same code does an undo without an agent, on the caller's thread.
 */
#pragma once

#include "agent/config.h"
#include "agent/stock.h"

typedef struct RpTargetLoop RpTargetLoop;

/* All borrowed for the loop's life. */
typedef struct {
  const RpAgentConfig *config;
  const RpTargetConfig *target;
  RpJournal *journal;
  const RpDriverOps *ops;
  RpStore *store;
  RpStock *stock; /* of that store; or NULL: it is not tidied */
  RpOciClient *client; /* NULL: offline */
  /* Called on the loop's thread after a report was put into the outbox; or NULL. */
  void (*reported) (gpointer user_data);
  gpointer user_data;
} RpTargetLoopOptions;

/* Opens the driver (RP_ERROR_INVALID with file:line:column) and loads the journal's state. */
RpTargetLoop *rp_target_loop_new (const RpTargetLoopOptions *options, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Stops and joins first. */
void rp_target_loop_free (RpTargetLoop *loop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpTargetLoop, rp_target_loop_free)

void rp_target_loop_start (RpTargetLoop *loop);
/* Asks it to end; what blocks is cancelled. Returns at once. */
void rp_target_loop_stop (RpTargetLoop *loop);

/* From any thread: the server's answer (taken over), or that it does not answer. */
void rp_target_loop_take (RpTargetLoop *loop, RpPointer *pointer);
void rp_target_loop_server_lost (RpTargetLoop *loop, const char *message);

/* From any thread: wall clock of the server's last answer to this process, 0 if there was none. */
gint64 rp_target_loop_heard_at_us (RpTargetLoop *loop);

typedef struct {
  gint64 to_revision; /* 0: last known good */
  const char *cause;  /* or NULL */
  const char *actor;  /* or NULL */
} RpUndoRequest;

/* From any thread: hands the undo to the loop's thread and waits until it is done; without a thread does it
 * here.  See rp_agent_undo() for the report and the errors. */
gboolean rp_target_loop_undo (RpTargetLoop *loop, const RpUndoRequest *request, json_t **out_report,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* From any thread: has the server answered (or been lost) and does the target rest with the window kept
 * as far as can be? `out_phase` and `out_message` (g_free) say how it rests. */
gboolean rp_target_loop_rests (RpTargetLoop *loop, gboolean *out_server_lost, RpPhase *out_phase,
                               char **out_message);
