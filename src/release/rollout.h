/* The rollout of one revision: what follows from what its targets report and from time passing.
 * Pure: a state and an event in, actions out, the state moved on; no clock, socket or file.
 * rollout_run.c loads the state and carries the actions out.
 */
#pragma once

#include "release/known_good.h"

typedef enum
{
  RP_PHASE_UNKNOWN,
  RP_PHASE_PREPARING,
  RP_PHASE_PREPARED,
  RP_PHASE_TRIAL,
  RP_PHASE_CONFIRMED,
  RP_PHASE_FAILED,
  RP_PHASE_REVERTED, /* went back by itself: not confirmed in its trial */
  RP_PHASE_DRIFTED,  /* runs something that nobody pointed it to */
  RP_PHASE_UNDONE    /* somebody went back on the host */
} RpTargetPhase;
const char *rp_target_phase_name (RpTargetPhase phase);
gboolean rp_target_phase_parse (const char *name, RpTargetPhase *out,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Strings are borrowed by a target, a state and an event for as long as these are used. */
typedef struct
{
  const char *name;
  gint64 revision; /* that it works on; 0: none yet */
  RpTargetPhase phase;
  gint64 progress; /* the furthest it came with this revision, 0 … 4 */
  const char *message;
} RpRolloutTarget;

typedef struct
{
  gint64 revision;
  RpOutcome outcome;
  gboolean is_rollback;
  gboolean rollback_on_failure;
  gboolean rolled_back_before; /* the release, in this environment, by repoint itself */
  gint64 progress_at_us;
  gint64 progress_deadline_us;
  GArray *targets; /* RpRolloutTarget: those declared now */
} RpRollout;
void rp_rollout_clear (RpRollout *rollout);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpRollout, rp_rollout_clear)

typedef enum
{
  RP_ROLLOUT_STARTED,
  RP_ROLLOUT_REPORTED,
  RP_ROLLOUT_DECLARED, /* targets may have come or gone */
  RP_ROLLOUT_TICK,
  RP_ROLLOUT_MOVED_ON /* the pointer names another revision now */
} RpRolloutEventKind;

typedef struct
{
  RpRolloutEventKind kind;
  gint64 now_us;      /* of every event but MOVED_ON and DECLARED */
  const char *target; /* REPORTED, as the next three */
  gint64 revision;
  RpTargetPhase phase;
  const char *message;
} RpRolloutEvent;

typedef struct
{
  gboolean takes; /* REPORTED: the target is in the reported state now (else the report is stale) */
  gboolean advanced; /* REPORTED: the target came further than ever with this revision */
  gboolean finish;   /* the revision has the outcome `outcome` because of `reason` now */
  RpOutcome outcome;
  char *reason;
  gboolean roll_back; /* ... and is to be rolled back by itself */
} RpRolloutActions;
void rp_rollout_actions_clear (RpRolloutActions *actions);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpRolloutActions, rp_rollout_actions_clear)

void rp_rollout_step (RpRollout *state, const RpRolloutEvent *event, RpRolloutActions *out);
