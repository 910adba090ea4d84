/* What one target is doing, as the journal keeps it.  Plain data: step.c changes it, journal.c stores
 * it, target_loop.c acts on it.  A state belongs to one thread at a time.
 */
#pragma once

#include "agent/entry.h"

/*      phase          name            rests?    what is going on */
#define RP_PHASE_TABLE(X)                                                                          \
  X (IDLE,         "idle",         TRUE)  /* no revision was ever worked on */                     \
  X (PREPARING,    "preparing",    FALSE) /* `work` is being fetched, verified, laid ready */      \
  X (SWITCHING,    "switching",    FALSE) /* the target is being pointed to `work` */              \
  X (TRIAL,        "trial",        FALSE) /* `work` runs, unconfirmed, until `deadline_us` */      \
  X (CONFIRMED,    "confirmed",    TRUE)  /* `work` runs and was healthy */                        \
  X (RETURNING,    "returning",    FALSE) /* `work` failed; being pointed back to `confirmed` */   \
  X (RETURN_CHECK, "return-check", FALSE) /* back on `confirmed`, is it healthy? */                \
  X (RETURNED,     "returned",     TRUE)  /* rests on `confirmed`; `work` is not tried again */    \
  X (FAILED,       "failed",       TRUE)  /* `work` failed and there is nothing to go back to */   \
  X (UNDOING,      "undoing",      FALSE) /* by hand: being pointed to `undo.to` */                \
  X (UNDO_CHECK,   "undo-check",   FALSE) /* by hand: on `undo.to`, is it healthy? */              \
  X (UNDONE,       "undone",       TRUE)  /* held on `undo.to` until the server has a newer one */

typedef enum {
#define X(phase, name, rests) RP_PHASE_##phase,
  RP_PHASE_TABLE (X)
#undef X
  RP_N_PHASES
} RpPhase;

const char *rp_phase_name (RpPhase phase);
gboolean rp_phase_rests (RpPhase phase);

/* An undo by hand on this host. */
typedef struct {
  RpEntry *to; /* NULL: none */
  gint64 from_revision; /* the pointer's at that time: only a newer one ends the hold */
  gboolean has_from_digest;
  RpDigest from_digest; /* what ran */
  char *cause;
  char *actor;
} RpUndo;
void rp_undo_clear (RpUndo *undo);
void rp_undo_copy (const RpUndo *from, RpUndo *to); /* `to` must be zeroed or cleared */

typedef struct {
  /* the server's last word */
  gint64 seq;
  gint64 trial_ms;
  RpEntry *pointer;  /* NULL: none known */
  GPtrArray *window; /* RpEntry, newest first; never NULL; replaced whole, never changed */

  /* our own */
  RpPhase phase;
  RpEntry *work;      /* the newest revision taken up; its number never falls */
  RpEntry *confirmed; /* the last that was healthy here: what a failed trial goes back to */
  RpEntry *previous;  /* confirmed before that one, of another digest: kept on the host */
  gint64 deadline_us; /* wall clock; of SWITCHING, TRIAL, and the two checks */
  gboolean has_expect;
  RpDigest expect; /* what should be seen running, when something was pointed to by us */
  gboolean drifted; /* ... and something else was seen, and reported */
  char *message;    /* of the last report, or NULL */
  RpUndo undo;

  /* not stored: a new process tries at once */
  guint attempts; /* failures in a row of the action at hand */
  gint64 not_before_us;
} RpTargetState;

RpTargetState *rp_target_state_new (void);
RpTargetState *rp_target_state_copy (const RpTargetState *state);
void rp_target_state_free (RpTargetState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpTargetState, rp_target_state_free)

/* Sets a field that holds a reference. `entry` may be NULL. */
void rp_target_state_set (RpEntry **field, const RpEntry *entry);

/* What must stay on the host: the window, which undos choose from, and all that the state names besides. RpEntry, borrowed
 * from the state, and some perhaps twice. g_ptr_array_unref(). */
GPtrArray *rp_target_state_needs (const RpTargetState *state);

/* Takes the server's answer over. Returns whether anything but `seq` changed.  A pointer older than the
 * one known (a server restored from a backup) changes nothing. */
gboolean rp_target_state_take (RpTargetState *state, const RpPointer *pointer);

json_t *rp_target_state_to_json (const RpTargetState *state);
RpTargetState *rp_target_state_from_json (const json_t *document, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
