/* What a target does next: a pure function of its state, what is seen running and what just happened.
 * No clock, file, socket or random number inside; step.c states the invariants.
 */
#pragma once

#include "agent/state.h"
#include "driver/driver.h"

typedef enum {
  RP_EVENT_START, /* the first look of this process */
  RP_EVENT_TICK,  /* time passed, or the pointer moved */
  RP_EVENT_PREPARED,
  RP_EVENT_PREPARE_FAILED, /* may work later: no server, no space */
  RP_EVENT_ARTIFACT_BAD,   /* will never work: wrong digest, refused tar */
  RP_EVENT_POINTED,
  RP_EVENT_POINT_FAILED,
  RP_EVENT_HEALTHY,
  RP_EVENT_UNHEALTHY,
  RP_EVENT_UNDO /* somebody on this host asks to go back */
} RpAgentEvent;

typedef struct {
  RpAgentEvent event;
  gint64 now_us;             /* wall clock */
  const RpObservation *seen; /* NULL: the driver could not look */
  const char *message;       /* of a failure or of an unhealthy probe */
  gboolean pointer_ready;    /* the pointer's bytes are known to lie ready on this host */
  const RpUndo *undo;        /* with RP_EVENT_UNDO */
} RpLook;

typedef enum {
  RP_ACTION_NONE, /* wait `wait_ms`, or until something happens */
  RP_ACTION_PREPARE,
  RP_ACTION_POINT,
  RP_ACTION_PROBE
} RpAction;

/* What this host has learned about a release by running it. */
typedef enum { RP_LEARN_NOTHING, RP_LEARN_CONFIRMED, RP_LEARN_FAILED, RP_LEARN_UNDONE } RpLearn;

typedef struct {
  RpAction action;
  RpEntry *artifact; /* of PREPARE and POINT; owned */
  gint64 wait_ms;
  gboolean changed; /* the state must be durable before the action is done */

  const char *report; /* TargetState.state to report, or NULL */
  gint64 report_revision;
  gboolean report_undo; /* the report carries the undo */
  char *message;        /* for people: of the report, or of the log alone; owned, valid UTF-8 */

  RpLearn learn;
  gint64 learn_revision;
  RpDigest learn_digest;
} RpStep;

void rp_step_clear (RpStep *step);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpStep, rp_step_clear)

/* Changes `state` and fills `out` (not yet in use). Never fails. */
void rp_step (RpTargetState *state, const RpLook *look, RpStep *out);

/* TargetState.state and revision of a target that rests: what a report says when only the bytes that lie
 * ready have changed. */
const char *rp_step_resting_report (const RpTargetState *state);
gint64 rp_step_resting_revision (const RpTargetState *state);

#define RP_STEP_REST_MS 3000  /* between two looks at a target that rests */
#define RP_STEP_PROBE_MS 400  /* between two probes */
#define RP_STEP_RETRY_MS 1000 /* after the first failure; doubled up to … */
#define RP_STEP_RETRY_MAX_MS 60000
