/* Gates: what a deploy or a promote must pass. Pure: facts in, verdicts out; gate_facts.c gathers them, in the
 * transaction that decides.  A rollback passes none and is never asked.
 */
#pragma once

#include "release/approval.h"
#include "release/environment.h"
#include "release/gate_rules.h"
#include "release/hold.h"

typedef enum
{
  RP_GATE_OPEN,
  RP_GATE_CLOSED,
  RP_GATE_OVERRIDDEN /* closed, and somebody who may goes through */
} RpGateState;
const char *rp_gate_state_name (RpGateState state);

typedef struct
{
  const char *name; /* `hold`, `pause`, `freeze`, `upstream`, `approvals`, `rate`, `webhook`, `signatures` */
  RpGateState state;
  char *reason;
  char *way_out; /* or NULL */
} RpGate;
void rp_gate_free (gpointer gate);

typedef enum
{
  RP_UPSTREAM_NEVER,
  RP_UPSTREAM_FAILED,
  RP_UPSTREAM_SIGNALS_FAILED,
  RP_UPSTREAM_ROLLED_BACK,
  RP_UPSTREAM_HEALTHY
} RpUpstreamVerdict;

/* What came of the release in an environment that it must come from. */
typedef struct
{
  char *name;
  RpUpstreamVerdict verdict; /* the newest */
  gint64 healthy_us;         /* all the time that it was current and healthy */
} RpGateUpstream;

/* What a webhook said: release/webhook.h. */
typedef struct
{
  char *url; /* that was asked */
  gboolean allowed;
  char *reason;
} RpWebhookAnswer;

/* What the signatures of its components say: release/attested.h. */
typedef struct
{
  char **keys; /* that were asked for */
  gboolean trusted;
  char *reason;
} RpSignatureAnswer;

/* What rp_gate_facts_load() allocates, rp_gate_facts_clear() frees. */
typedef struct
{
  const char *app; /* these three, `pause`, `answer` and `signatures` are borrowed */
  const char *environment;
  const char *version;
  const RpPause *pause; /* or NULL */
  const RpWebhookAnswer *answer; /* NULL: not asked */
  const RpSignatureAnswer *signatures; /* NULL: not looked at */
  RpReleaseHold *hold;  /* of the release here, or NULL */
  RpGateRules *rules;
  GPtrArray *upstreams;   /* RpGateUpstream, as the rules name them */
  GPtrArray *approvals;   /* RpApproval of the release here */
  char *author;           /* the account that recorded the release: its own yes does not count */
  gint64 changes;         /* in the time of the rate, no more than it allows */
  gint64 first_change_us; /* the oldest of them */
  gint64 now_us;
} RpGateFacts;

/* RpGate, each that applies, open or closed; those named in `overrides` (NULL-ended, or NULL) overridden where they
 * are closed. */
GPtrArray *rp_gates_judge (const RpGateFacts *facts, const char *const *overrides);
/* RP_ERROR_INVALID if one of them is no gate, or one that is not overridden but lifted. */
gboolean rp_gates_check_overrides (const char *const *overrides, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RP_ERROR_BLOCKED naming each that is closed, and the way out. */
gboolean rp_gates_require_open (const GPtrArray *gates, GError **error) G_GNUC_WARN_UNUSED_RESULT;
json_t *rp_gates_to_json (const GPtrArray *gates);
/* [{"gate","reason"}] of those that are overridden; NULL: none is. */
json_t *rp_gates_overridden_json (const GPtrArray *gates);
