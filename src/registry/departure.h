/* What went from a repository, and is not there again: by hand, or by the rule of a policy. A projection of manifest.added and
 * manifest.deleted.
 */
#pragma once

#include "base/json.h"
#include "ledger/ledger.h"

/* [{"digest", "repository", "at", "rule", "actor", "tags"}…] of `digest`, the newest first, from `repository` or from wherever it went
 * (NULL). `rule` is null for what was deleted by hand. */
json_t *rp_departures_load (RpTxn *txn, const char *repository, const char *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* The same, in a transaction of its own. Blocks; any thread. */
json_t *rp_departures_read (RpDb *db, const char *repository, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* For the projector. */
gboolean rp_departure_begins (RpTxn *txn, const char *repository, const char *digest, gint64 seq,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_departure_ends (RpTxn *txn, const char *repository, const char *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
