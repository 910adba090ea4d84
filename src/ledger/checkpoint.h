/* Checkpoints (C2SP tlog-checkpoint): what a log says of itself, in the text of a signed note:
 * whose log, how many entries, the root of their Merkle tree.
 */
#pragma once

#include "ledger/merkle.h"
#include "ledger/note.h"

typedef struct {
  char *origin;
  gint64 size;
  RpHash root;
} RpCheckpoint;

char *rp_checkpoint_format (const char *origin, gint64 size, const RpHash *root); /* g_free() */
/* `*out` must be empty. RP_ERROR_INVALID for what is none. */
gboolean rp_checkpoint_parse (const char *text, RpCheckpoint *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_checkpoint_clear (RpCheckpoint *checkpoint);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpCheckpoint, rp_checkpoint_clear)

/* Base64 of a hash, as checkpoints and proofs write it, and back. */
char *rp_hash_to_base64 (const RpHash *hash); /* g_free() */
gboolean rp_hash_from_base64 (const char *text, RpHash *out);
