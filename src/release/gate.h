/* Gates: what a deploy or a promote must pass. Pure: facts in, verdicts out; gate_facts.c gathers them, in the
 * transaction that decides.  A rollback passes none and is never asked.
 */
#pragma once

#include "release/environment.h"
#include "release/hold.h"

typedef enum
{
  RP_GATE_OPEN,
  RP_GATE_CLOSED
} RpGateState;
const char *rp_gate_state_name (RpGateState state);

typedef struct
{
  const char *name; /* `hold` */
  RpGateState state;
  char *reason;
  char *way_out; /* or NULL */
} RpGate;
void rp_gate_free (gpointer gate);

/* All borrowed. */
typedef struct
{
  const char *app;
  const char *environment;
  const char *version;
  const RpReleaseHold *hold; /* of the release here, or NULL */
  const RpPause *pause;      /* or NULL */
} RpGateFacts;

/* RpGate, each that applies, open or closed. */
GPtrArray *rp_gates_judge (const RpGateFacts *facts);
/* RP_ERROR_BLOCKED naming each that is closed, and the way out. */
gboolean rp_gates_require_open (const GPtrArray *gates, GError **error) G_GNUC_WARN_UNUSED_RESULT;
json_t *rp_gates_to_json (const GPtrArray *gates);
