/* Keeps the window on the host: which releases lie ready and verified, laying ready those that do not
 * (in idle time), hashing them again now and then, and letting go of what nothing needs any more.
 * Belongs to the thread of its target; all functions that touch bytes block.
 */
#pragma once

#include "agent/stock.h"

typedef struct RpKeeper RpKeeper;

/* All borrowed for the keeper's life. */
typedef struct {
  RpJournal *journal;
  RpStock *stock; /* or NULL: nothing is swept */
  const char *target;
  const RpDriverOps *ops;
  gpointer driver;
  const gint *cancelled; /* or NULL */
} RpKeeperOptions;

RpKeeper *rp_keeper_new (const RpKeeperOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_keeper_free (RpKeeper *keeper);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpKeeper, rp_keeper_free)

/* What is known, without looking. */
gboolean rp_keeper_is_ready (const RpKeeper *keeper, const RpDigest *digest);
json_t *rp_keeper_local (const RpKeeper *keeper); /* array of digests, sorted */
/* TRUE once after each change of rp_keeper_local(). */
gboolean rp_keeper_take_change (RpKeeper *keeper);

/* Notes the outcome of a prepare or verify done elsewhere. */
void rp_keeper_mark (RpKeeper *keeper, const RpDigest *digest, gboolean ready);

/* Lays it ready, and notes that it is. */
gboolean rp_keeper_prepare (RpKeeper *keeper, const RpEntry *entry, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Hashes what is local and notes the outcome. */
gboolean rp_keeper_verify (RpKeeper *keeper, const RpEntry *entry, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* One piece of background work, if there is any at `now_us`; returns whether it did something.
 * `online`: fetching may be tried.  `may_prune`: the server's pointer is known and fresh. */
gboolean rp_keeper_work (RpKeeper *keeper, const RpTargetState *state, gint64 now_us,
                         gboolean online, gboolean may_prune);
/* The window may have changed, or the server is back: begin a new round. */
void rp_keeper_restart (RpKeeper *keeper);
/* Nothing is left to do until something changes or time passes. */
gboolean rp_keeper_rests (const RpKeeper *keeper);
