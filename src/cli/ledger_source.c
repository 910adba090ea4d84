#include "cli/ledger_source.h"

#include <string.h>

#include "base/file.h"

#define KEY_MAX 4096 /* bytes */

RpNoteKey *
rp_ledger_key_read (const char *text, GError **error)
{
  if (!g_file_test (text, G_FILE_TEST_IS_REGULAR))
    return rp_note_key_parse (text, error);
  g_autoptr (GBytes) bytes = rp_file_read (text, KEY_MAX, error);
  if (bytes == NULL)
    return NULL;
  g_autofree char *line = rp_file_text (bytes);
  return rp_note_key_parse (g_strchomp (line), error);
}

gboolean
rp_ledger_source_open (RpCli *cli, const char *folder, const char *key, RpLedgerSource *out, GError **error)
{
  out->folder = folder;
  if (key != NULL && (out->key = rp_ledger_key_read (key, error)) == NULL)
    return FALSE;
  return folder != NULL || (out->api = rp_cli_api (cli, error)) != NULL;
}

void
rp_ledger_source_clear (RpLedgerSource *source)
{
  g_clear_pointer (&source->key, rp_note_key_free);
}

/* The last that the trusted key was handed over to, as the server tells; each step is signed by the one before. */
static RpNoteKey *
follow_key (const RpLedgerSource *source, GError **error)
{
  g_autofree char *path = rp_api_path ("ledger", NULL);
  rp_api_query (&path, "kind", RP_EVENT_KEY_ROTATED);
  rp_api_query_int (&path, "limit", 1000);
  g_autoptr (json_t) answer = rp_api_get (source->api, path, 0, error);
  if (answer == NULL)
    return NULL;
  g_autofree char *text = rp_note_key_format (source->key);
  RpNoteKey *key = rp_note_key_parse (text, error);
  gsize i;
  json_t *event;
  json_array_foreach (json_object_get (answer, "events"), i, event)
  {
    RpNoteKey *next = rp_rotation_follow (key, key->name, json_object_get (event, "body"));
    if (next == NULL)
      continue;
    rp_note_key_free (key);
    key = next;
  }
  return key;
}

static gboolean
check_signature (const RpLedgerSource *source, const RpNote *note, GError **error)
{
  g_autoptr (GError) inner = NULL;
  if (source->key == NULL || rp_note_verify (note, source->key, &inner) != NULL)
    return TRUE;
  g_autoptr (RpNoteKey) key = source->api != NULL ? follow_key (source, NULL) : NULL;
  if (key != NULL && rp_note_verify (note, key, NULL) != NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&inner));
  if (source->folder != NULL)
    rp_cli_hint (error, "if the key was handed over since, `repoint ledger verify --from %s` follows it", source->folder);
  return FALSE;
}

static gboolean
read_checkpoint (const RpLedgerSource *source, GBytes *bytes, const char *where, RpNote **out_note,
                 RpCheckpoint *out, GError **error)
{
  g_autoptr (RpNote) note
      = rp_note_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error);
  if (note == NULL || !check_signature (source, note, error)
      || !rp_checkpoint_parse (note->text, out, error))
    {
      g_prefix_error (error, "%s: ", where);
      return FALSE;
    }
  *out_note = g_steal_pointer (&note);
  return TRUE;
}

gboolean
rp_ledger_checkpoint_read (const RpLedgerSource *source, const char *path, RpNote **out_note, RpCheckpoint *out,
                           GError **error)
{
  g_autoptr (GBytes) bytes = rp_file_read (path, RP_NOTE_MAX, error);
  return bytes != NULL && read_checkpoint (source, bytes, path, out_note, out, error);
}

gboolean
rp_ledger_source_checkpoint (const RpLedgerSource *source, RpNote **out_note, RpCheckpoint *out, GError **error)
{
  if (source->folder != NULL)
    {
      g_autofree char *path = g_build_filename (source->folder, "checkpoint", NULL);
      return rp_ledger_checkpoint_read (source, path, out_note, out, error);
    }
  g_autoptr (GBytes) bytes = rp_api_get_bytes (source->api, "/tlog/checkpoint", error);
  return bytes != NULL && read_checkpoint (source, bytes, "the server's checkpoint", out_note, out, error);
}

static GBytes *
get_tile (const RpLedgerSource *source, const RpTile *tile, GError **error)
{
  g_autofree char *path = rp_tile_path (tile);
  g_autofree char *url = g_strconcat ("/tlog/", path, NULL);
  return rp_api_get_bytes (source->api, url, error);
}

gboolean
rp_ledger_source_fetch (gpointer data, const RpTile *tile, RpHash *out, GError **error)
{
  const RpLedgerSource *source = data;
  if (source->folder != NULL)
    return rp_folder_tile (source->folder, tile, out, error);
  RpTile full = *tile;
  full.width = RP_TILE_WIDTH;
  g_autoptr (GError) inner = NULL;
  g_autoptr (GBytes) bytes = get_tile (source, tile, &inner);
  /* The ledger may have grown since its checkpoint was fetched. */
  if (bytes == NULL && tile->width < RP_TILE_WIDTH && g_error_matches (inner, RP_ERROR, RP_ERROR_NOT_FOUND))
    {
      g_clear_error (&inner);
      bytes = get_tile (source, &full, &inner);
    }
  if (bytes == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&inner));
      return FALSE;
    }
  return rp_tile_decode (tile, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), out, error);
}

json_t *
rp_ledger_source_event (const RpLedgerSource *source, gint64 seq, GError **error)
{
  if (source->folder != NULL)
    return rp_exported_event (source->folder, seq, error);
  g_autofree char *path = rp_api_path ("ledger", NULL);
  rp_api_query_int (&path, "after", seq - 1);
  rp_api_query_int (&path, "limit", 1);
  g_autoptr (json_t) answer = rp_api_get (source->api, path, 0, error);
  if (answer == NULL)
    return NULL;
  json_t *event = json_array_get (json_object_get (answer, "events"), 0);
  if (event == NULL)
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "there is no event %" G_GINT64_FORMAT, seq);
  return json_incref (event);
}

gboolean
rp_ledger_source_check_root (const RpTileTree *tree, const RpCheckpoint *checkpoint, GError **error)
{
  RpHash root;
  if (!rp_merkle_root (&tree->source, checkpoint->size, &root, error))
    return FALSE;
  if (rp_hash_equal (&root, &checkpoint->root))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the history was rewritten: its first %" G_GINT64_FORMAT
               " events have not the root that the checkpoint of %s was signed with",
               checkpoint->size, checkpoint->origin);
  return FALSE;
}
