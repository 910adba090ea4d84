/* Moving an environment's pointer: the request, the decision (pure reading, so that a plan and the
 * move itself decide alike) and the compare-and-set.
 */
#pragma once

#include "release/environment.h"
#include "release/gate.h"

#define RP_ANY_REVISION (-1)

/* All borrowed. */
typedef struct
{
  const char *app;
  const char *environment;
  RpRevisionKind kind;
  const char *release;      /* a ref, or NULL */
  gint64 to_revision;       /* 0: not given */
  const char *from;         /* environment to promote from, or NULL: the one before */
  gboolean again;           /* a new revision even of what is current, healthy and everywhere already */
  gint64 expected_revision; /* 0: none yet; RP_ANY_REVISION: whatever is */
  const char *cause;        /* or NULL: derived; must be given with `overrides` */
  const char *const *overrides; /* names of gates to go through although they are closed; or NULL */
  const char *actor;
  gboolean executing;              /* set by rp_revision_move(), as the next */
  const RpWebhookAnswer *answer;    /* what the webhook of the gates said; NULL: not asked */
  const RpSignatureAnswer *signatures; /* NULL: not looked at */
  const char *idempotency_key; /* or NULL */
  const char *request_hash;    /* of the request's content; needed with a key */
} RpMoveRequest;

typedef struct
{
  gint64 revision;
  char *version;
  char *why;
} RpPassedOver;

typedef struct
{
  RpEnvironment *environment; /* with `current`: what the pointer leaves */
  RpRelease *release;         /* where it goes */
  gint64 restores;            /* 0: no rollback */
  char *cause;
  GPtrArray *skipped; /* RpPassedOver, on the way to the last known good */
  char *caution;      /* what people must know about this release here, or NULL */
  gboolean already;   /* it is current, healthy, and no target differs: there is nothing to do, and no gate to pass */
  GPtrArray *gates;   /* RpGate; none for a rollback */
  char *webhook;      /* that must be asked, or NULL */
  gint64 webhook_timeout_ms;
  char **keys; /* of signatures that must be looked at, or NULL */
} RpDecision;
void rp_decision_free (RpDecision *move);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpDecision, rp_decision_free)

/* RP_ERROR_MOVED if the pointer is not where it is expected to be: the text says who moved it,
 * when, from and to what, and why; RP_ERROR_NOT_FOUND (of what was named, or of a known good
 * release), RP_ERROR_AMBIGUOUS, RP_ERROR_INVALID; RP_ERROR_BLOCKED where it must not or need not
 * go. Gates are judged, and may be closed. */
RpDecision *rp_move_decide (RpTxn *txn, const RpMoveRequest *request,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* In a write transaction: ends the current revision and appends the next one, kind, release, cause
 * and actor as given. `idempotency` is recorded with it, or NULL. A rollback holds the release that it leaves, unless
 * it takes back the rollback that came to it. Asks no gate. */
gboolean rp_revision_append (RpEngine *engine, RpTxn *txn, const RpDecision *move,
                             RpRevisionKind kind, const char *actor, json_t *idempotency,
                             gint64 *out_number, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Plans, checks the bytes, and moves the pointer by compare-and-set.  A repeated key returns the
 * first answer with *out_created FALSE; so does the current revision where there is nothing to do. RP_ERROR_BLOCKED if bytes are missing or damaged. Blocks
 * while bytes that were never verified are hashed. */
RpRevision *rp_revision_move (RpEngine *engine, const RpMoveRequest *request, gboolean *out_created,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
