/* A plan: what a re-point would restore, what it would not, and what blocks it. */
#pragma once

#include "release/move.h"

typedef enum
{
  RP_ITEM_RESTORED,
  RP_ITEM_NOT_RESTORED,
  RP_ITEM_BLOCKED,
  RP_ITEM_UNKNOWN
} RpItemState;
const char *rp_item_state_name (RpItemState state);

typedef struct
{
  char *subject; /* `component web`, `config`, `target web-1` … */
  RpItemState state;
  char *reason;
  char *way_out; /* or NULL */
} RpItem;
void rp_item_free (gpointer item);

/* The bytes of all components of a release. */
typedef struct
{
  guint64 blobs;
  guint64 size_bytes;
  gint64 verified_at_us; /* the least recent verification; 0: something was never verified */
  GPtrArray *problems;   /* char * */
} RpBytes;
void rp_bytes_clear (RpBytes *bytes);

typedef struct
{
  RpDecision *move;
  RpWebhookAnswer *answer;       /* NULL: there is none to ask */
  RpSignatureAnswer *signatures; /* NULL: there are none to look at */
  RpRevisionKind kind;
  RpBytes bytes;
  gboolean blocked;
  GPtrArray *items; /* RpItem */
} RpPlan;
void rp_plan_free (RpPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpPlan, rp_plan_free)

/* Decides, looks at the bytes as `mode` says (what was never hashed is hashed in any mode) and at
 * the targets; changes nothing. Errors as rp_move_decide(). Blocks while it hashes. */
RpPlan *rp_plan_compute (RpEngine *engine, const RpMoveRequest *request, RpVerifyMode mode,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RP_ERROR_BLOCKED naming each blocked item, its reason and the way out. */
gboolean rp_plan_require_open (const RpPlan *plan, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gint64 rp_plan_expected_revision (const RpPlan *plan);

/* For plan and readiness: verifies each component of `release`, adds up and adds an item for each.
 */
gboolean rp_plan_look_at_bytes (RpEngine *engine, const RpRelease *release, RpVerifyMode mode,
                                RpBytes *bytes, GPtrArray *items,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Adds an item for each of `targets` (RpTargetView): would it follow to `release`, and does it have
 * the bytes? */
void rp_plan_look_at_targets (const GPtrArray *targets, const RpRelease *release,
                              const RpRevision *current, gint64 now_us, GPtrArray *items);
/* Adds what repoint does not know about `app`. */
void rp_plan_add_unknowns (gboolean going_back, GPtrArray *items);
void rp_plan_add_item (GPtrArray *items, const char *subject, RpItemState state, char *reason,
                       const char *way_out);

json_t *rp_plan_to_json (const RpPlan *plan);
json_t *rp_bytes_to_json (const RpBytes *bytes);
json_t *rp_items_to_json (const GPtrArray *items);
