/* A published log as a folder: `checkpoint`, `tile/…`, as a web server hands them out and as `repoint
 * ledger export` copies them.  Reading only.
 */
#pragma once

#include "ledger/checkpoint.h"
#include "ledger/tile.h"

/* The checkpoint in the file `name`, with its note, which is the caller's. RP_ERROR_NOT_FOUND if there is none. */
gboolean rp_folder_checkpoint (const char *folder, const char *name, RpNote **out_note,
                               RpCheckpoint *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* `tile->width` hashes or entries; a partial one that went is taken from the full one. */
gboolean rp_folder_tile (const char *folder, const RpTile *tile, RpHash *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* The same, for rp_tile_tree_init(). */
gboolean rp_folder_fetch (gpointer folder, const RpTile *tile, RpHash *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
