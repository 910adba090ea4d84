#include <string.h>

#include "base/file.h"
#include "cli/ledger_source.h"
#include "cli/ledger_verbs.h"

static struct {
  char *key;
} options;

const GOptionEntry rp_ledger_export_options[] = {
  { "key", 0, 0, G_OPTION_ARG_FILENAME, &options.key, "The public key that must have signed, or a file that has it",
    "KEY" },
  G_OPTION_ENTRY_NULL
};

static gboolean
put (const char *folder, const char *name, GBytes *bytes, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *directory = g_path_get_dirname (path);
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  return rp_dir_make (directory, 0755, error)
         && g_file_set_contents_full (path, size > 0 ? data : "", (gssize) size, G_FILE_SET_CONTENTS_CONSISTENT, 0644,
                                      error);
}

/* Full tiles never change: what is there stays. */
static gboolean
export_tile (RpLedgerSource *source, const char *folder, const RpTile *tile, GError **error)
{
  g_autofree char *name = rp_tile_path (tile);
  g_autofree char *path = g_build_filename (folder, name, NULL);
  RpHash hashes[RP_TILE_WIDTH];
  if (tile->width == 0 || (tile->width == RP_TILE_WIDTH && g_file_test (path, G_FILE_TEST_EXISTS)))
    return TRUE;
  if (!rp_ledger_source_fetch (source, tile, hashes, error))
    return FALSE;
  g_autoptr (GBytes) bytes = rp_tile_encode (tile, hashes);
  return put (folder, name, bytes, error);
}

static gboolean
export_tiles (RpLedgerSource *source, const char *folder, gint64 size, GError **error)
{
  gint64 count = size;
  for (RpTile tile = { 0 }; count > 0 && tile.level < RP_TILE_LEVELS_MAX; tile.level++, count /= RP_TILE_WIDTH)
    for (tile.number = 0; tile.number * RP_TILE_WIDTH < count; tile.number++)
      {
        RpTile bundle = tile;
        tile.width = bundle.width = rp_tile_width (tile.level, tile.number, size);
        bundle.entries = TRUE;
        if (!export_tile (source, folder, &tile, error)
            || (tile.level == 0 && !export_tile (source, folder, &bundle, error)))
          return FALSE;
      }
  return TRUE;
}

static GBytes *
print_lines (const json_t *events)
{
  g_autoptr (GString) lines = g_string_new (NULL);
  gsize i;
  json_t *event;
  json_array_foreach (events, i, event)
  {
    g_autofree char *line = rp_json_canonical (event);
    g_string_append_printf (lines, "%s\n", line);
  }
  return g_string_free_to_bytes (g_steal_pointer (&lines));
}

/* Always all: what was redacted since the last time must go here too. */
static gboolean
export_events (const RpLedgerSource *source, const char *folder, gint64 size, GError **error)
{
  for (gint64 number = 0; number * RP_TILE_WIDTH < size; number++)
    {
      g_autofree char *path = rp_api_path ("ledger", NULL);
      rp_api_query_int (&path, "after", number * RP_TILE_WIDTH);
      rp_api_query_int (&path, "limit", MIN (RP_TILE_WIDTH, size - number * RP_TILE_WIDTH));
      g_autoptr (json_t) answer = rp_api_get (source->api, path, 0, error);
      if (answer == NULL)
        return FALSE;
      g_autofree char *name = rp_exported_path (number);
      g_autoptr (GBytes) bytes = print_lines (json_object_get (answer, "events"));
      if (!put (folder, name, bytes, error))
        return FALSE;
    }
  return TRUE;
}

/* The checkpoint last: what it says is there then. */
static gboolean
export_all (RpLedgerSource *source, const char *folder, const RpNote *note, gint64 size, GError **error)
{
  g_autofree char *text = rp_note_format (note);
  g_autofree char *path = g_build_filename (folder, "checkpoint", NULL);
  return export_tiles (source, folder, size, error) && export_events (source, folder, size, error)
         && rp_file_replace (path, text, strlen (text), 0644, error);
}

/* A folder that has a checkpoint is gone on with, and then that must be of this history. */
static gboolean
check_before (RpLedgerSource *source, const char *folder, RpTileTree *tree, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "checkpoint", NULL);
  g_auto (RpCheckpoint) before = { 0 };
  g_autoptr (RpNote) note = NULL;
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  if (!rp_folder_checkpoint (folder, "checkpoint", &note, &before, error))
    return FALSE;
  if (before.size > tree->size)
    g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
                 "the end of the history is missing: the server has %" G_GINT64_FORMAT " events, and %s has %"
                 G_GINT64_FORMAT "; the folder was left as it is",
                 tree->size, folder, before.size);
  else if (rp_ledger_source_check_root (tree, &before, error))
    return TRUE;
  rp_cli_hint (error, "%s is the older account: keep it, and look with `repoint ledger verify --data DIR --against %s`",
               folder, folder);
  return FALSE;
}

gboolean
rp_ledger_export_run (RpCli *cli, char **args, GError **error)
{
  g_auto (RpLedgerSource) source = { 0 };
  g_auto (RpCheckpoint) checkpoint = { 0 };
  g_auto (RpTileTree) tree = { 0 };
  g_autoptr (RpNote) note = NULL;
  g_autoptr (RpNoteKey) key = options.key != NULL ? rp_ledger_key_read (options.key, error) : NULL;
  RpLedgerReport report;
  /* The key is held against the whole copy, which tells to whom it was handed over. */
  if ((options.key != NULL && key == NULL) || !rp_ledger_source_open (cli, NULL, NULL, &source, error)
      || !rp_ledger_source_checkpoint (&source, &note, &checkpoint, error) || !rp_dir_make (args[0], 0755, error))
    return FALSE;
  rp_tile_tree_init (&tree, checkpoint.size, rp_ledger_source_fetch, &source);
  if (!rp_ledger_source_check_root (&tree, &checkpoint, error) || !check_before (&source, args[0], &tree, error)
      || !export_all (&source, args[0], note, checkpoint.size, error)
      || !rp_exported_check (args[0], key, 0, NULL, &report, error))
    return FALSE;
  if (cli->json)
    {
      g_autoptr (json_t) json = json_pack ("{s:s, s:I}", "origin", checkpoint.origin, "events",
                                           (json_int_t) report.events);
      rp_cli_print_json (cli, json);
      return TRUE;
    }
  rp_cli_note (cli, "exported and verified %" G_GINT64_FORMAT " events of %s", report.events, checkpoint.origin);
  return TRUE;
}
