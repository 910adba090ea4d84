/* The published log of a ledger: a Merkle tree over the hashes of its events, as static files in
 * DATA/tlog (docs/format-ledger.md), with a checkpoint that the key in DATA/keys signs.
 *
 * Invariants
 *  1. It is written after events are durable and from the ledger alone, so appending never waits for it.
 *  2. A checkpoint is signed only when the tree continues the one of the checkpoint before, and its
 *     tiles are there: whoever rewrites the ledger gets no signature.
 *  3. Cut off at any instruction it goes on from the last checkpoint, or makes the tiles anew.
 *
 * Thread-safe and blocking.
 */
#pragma once

#include "ledger/ledger.h"

typedef struct RpTlog RpTlog;

/* Makes the key if there is none. RP_ERROR_CORRUPT if there is a log, and its key is gone. */
RpTlog *rp_tlog_open (RpLedger *ledger, const char *data_dir, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_tlog_close (RpTlog *tlog);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpTlog, rp_tlog_close)

/* Up to the last durable event. RP_ERROR_CORRUPT: the ledger is not the one that was published. */
gboolean rp_tlog_publish (RpTlog *tlog, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gint64 rp_tlog_size (RpTlog *tlog); /* events in the last checkpoint */
const char *rp_tlog_folder (const RpTlog *tlog);
char *rp_tlog_public_key (RpTlog *tlog); /* g_free() */

/* A new key; the old one signs it, and then is gone. The next checkpoint has both signatures.
 * `because` may be NULL. The new public key, the caller's. */
char *rp_tlog_rotate (RpTlog *tlog, const char *actor, const char *because, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* A checkpoint of ours that `witness` (a public key) signed too: kept in `cosigned`, and put behind our
 * signature while it is the last. RP_ERROR_CORRUPT if it is none of ours or not signed so. */
gboolean rp_tlog_cosign (RpTlog *tlog, const void *note, gsize size, const char *witness, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
