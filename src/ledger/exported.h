/* An exported ledger: a folder with the published log, and the events themselves in `events/`, as many a file as
 * there are entries in a bundle, each a line of JSON as rp_ledger_list() has it.
 */
#pragma once

#include <jansson.h>

#include "ledger/audit.h"
#include "ledger/ledger.h"

/* `events/x001/234.jsonl`: the file with the events from number × 256 + 1 on. g_free(). */
char *rp_exported_path (gint64 number);
/* The hash of an event, made anew. RP_ERROR_CORRUPT if it has not the contents that its hash was made of. */
gboolean rp_exported_hash (const json_t *event, RpHash *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Event `seq`. RP_ERROR_NOT_FOUND if it was not exported. */
json_t *rp_exported_event (const char *folder, gint64 seq, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Everything: each event, their chain, the tree, the signature by `key` (or one that it handed over to).
 * RP_ERROR_CORRUPT names the first that is wrong. Nothing but the folder is read. */
gboolean rp_exported_check (const char *folder, const RpNoteKey *key, gint64 expected_seq,
                            const char *expected_hash, RpLedgerReport *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
