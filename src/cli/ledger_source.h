/* Where a published log is read from: an exported folder, or a server, whose word is not taken for anything. */
#pragma once

#include "cli/cli.h"
#include "ledger/exported.h"

typedef struct {
  const char *folder; /* or NULL: the server's */
  RpApi *api;
  RpNoteKey *key; /* that signatures must be by; NULL: not checked */
} RpLedgerSource;

/* `key`: a public key, or a file that has it; or NULL. Clear it also after a failure. */
gboolean rp_ledger_source_open (RpCli *cli, const char *folder, const char *key, RpLedgerSource *out,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_ledger_source_clear (RpLedgerSource *source);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpLedgerSource, rp_ledger_source_clear)

RpNoteKey *rp_ledger_key_read (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Its last checkpoint, its signature checked, and the note that it is in, the caller's. */
gboolean rp_ledger_source_checkpoint (const RpLedgerSource *source, RpNote **out_note, RpCheckpoint *out,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A file that has a checkpoint. The same. */
gboolean rp_ledger_checkpoint_read (const RpLedgerSource *source, const char *path, RpNote **out_note,
                                    RpCheckpoint *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* For rp_tile_tree_init(). */
gboolean rp_ledger_source_fetch (gpointer source, const RpTile *tile, RpHash *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
json_t *rp_ledger_source_event (const RpLedgerSource *source, gint64 seq, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* That the tiles make the checkpoint's root. */
gboolean rp_ledger_source_check_root (const RpTileTree *tree, const RpCheckpoint *checkpoint, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
