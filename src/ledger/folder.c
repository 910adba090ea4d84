#include "ledger/folder.h"

#include "base/error.h"
#include "base/file.h"

#define TILE_MAX (34 * RP_TILE_WIDTH) /* bytes: a bundle */

gboolean
rp_folder_checkpoint (const char *folder, const char *name, RpNote **out_note, RpCheckpoint *out,
                      GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GBytes) bytes = rp_file_read (path, RP_NOTE_MAX, error);
  g_autoptr (RpNote) note = NULL;

  if (!bytes)
    return FALSE;
  note = rp_note_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error);
  if (!note || !rp_checkpoint_parse (note->text, out, error))
    {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  *out_note = g_steal_pointer (&note);
  return TRUE;
}

static gboolean
read_tile (const char *folder, const RpTile *tile, const RpTile *as, RpHash *out, GError **error)
{
  g_autofree char *name = rp_tile_path (as);
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GBytes) bytes = rp_file_read (path, TILE_MAX, error);

  return bytes
         && rp_tile_decode (tile, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), out,
                            error);
}

gboolean
rp_folder_tile (const char *folder, const RpTile *tile, RpHash *out, GError **error)
{
  g_autoptr (GError) inner = NULL;
  RpTile full = *tile;

  full.width = RP_TILE_WIDTH;
  if (read_tile (folder, tile, tile, out, &inner)
      || (tile->width < RP_TILE_WIDTH && g_error_matches (inner, RP_ERROR, RP_ERROR_NOT_FOUND)
          && read_tile (folder, tile, &full, out, NULL)))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&inner));
  return FALSE;
}

gboolean
rp_folder_fetch (gpointer folder, const RpTile *tile, RpHash *out, GError **error)
{
  return rp_folder_tile (folder, tile, out, error);
}
