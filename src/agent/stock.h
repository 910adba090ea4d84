/* The blobs on the host (STATE/store), which all targets share: who lays something ready uses them, and what nothing needs
 * any more is let go of.  Thread-safe.
 *
 * Needed is what a state of the journal names (rp_target_state_needs()) of any target in the configuration, with all that
 * it consists of.  A new pointer is in the journal before anything is fetched for it, so whatever is fetched is needed by
 * then, but a blob may lie here for a while before the manifest that names it: nothing is let go of while anything is
 * being laid ready.  What cannot be read cannot say what it needs: then nothing is let go of at all.
 */
#pragma once

#include "agent/config.h"
#include "agent/journal.h"
#include "store/store.h"

typedef struct RpStock RpStock;

/* All borrowed. */
RpStock *rp_stock_new (const RpAgentConfig *config, RpJournal *journal, RpStore *store);
void rp_stock_free (RpStock *stock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpStock, rp_stock_free)

/* Around whatever fetches, or reads what it relies on later. Waits for a sweep, which is short. NULL is fine. */
void rp_stock_use (RpStock *stock);
void rp_stock_unuse (RpStock *stock);

/* A descriptor on a blob whose bytes were hashed right now, the caller's; -1 on failure: RP_ERROR_BLOB_UNKNOWN, RP_ERROR_CORRUPT. */
int rp_stock_open (RpStock *stock, const RpDigest *digest, guint64 *out_size_bytes, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Lets go of what nothing needs, and of uploads that were left a day ago. *out_busy: not now, or not all of it; somebody uses the
 * stock, or *cancelled became 1. A kill at any point leaves what the next sweep takes up. NULL is fine. */
gboolean rp_stock_sweep (RpStock *stock, const gint *cancelled, gboolean *out_busy, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
