/* What went from a repository: by hand or by the rule of a policy, as the ledger tells it.  Looks through all events, so it
 * is for what is asked rarely: about one artifact that is not there.
 */
#pragma once

#include "base/json.h"
#include "ledger/db.h"

/* [{"digest", "repository", "at", "rule", "actor", "tags"}…], newest first, at most 20: those from `repository` (NULL: any), of `digest`
 * (NULL: any), that took `tag` along (NULL: any). `rule` is null for what was deleted by hand. */
json_t *rp_departures_load (RpTxn *txn, const char *repository, const char *digest, const char *tag,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
