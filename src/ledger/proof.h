/* Proofs in a file (C2SP tlog-proof): that an event is in a log, for who has nothing but the log's key.  The
 * event itself is the file's extra data.
 */
#pragma once

#include <jansson.h>

#include "ledger/checkpoint.h"

typedef struct {
  json_t *event; /* as rp_ledger_list() has it */
  gint64 index;  /* its sequence, less one */
  GArray *hashes; /* RpHash */
  RpNote *note;
  RpCheckpoint checkpoint;
} RpProof;

char *rp_proof_format (const RpProof *proof); /* g_free() */
/* `*out` must be empty; clear it also after a failure. RP_ERROR_INVALID for what is no proof of an event. */
gboolean rp_proof_parse (const void *data, gsize size, RpProof *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* RP_ERROR_CORRUPT says what does not fit. `key` NULL: whoever signed. */
gboolean rp_proof_check (const RpProof *proof, const RpNoteKey *key, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_proof_clear (RpProof *proof);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpProof, rp_proof_clear)
