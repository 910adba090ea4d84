#include "ledger/tlog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "ledger/chain.h"
#include "ledger/folder.h"
#include "ledger/tlog_key.h"

#define BULK (16 * RP_TILE_WIDTH) /* events: beyond that many at once tiles are synced together */
#define COSIGNATURES_MAX 16
#define MODE 0644

struct RpTlog {
  RpLedger *ledger;
  char *data_dir;
  char *folder;
  GMutex lock; /* of what follows */
  RpNoteSigner *signer;
  RpNoteSigner *former; /* signs one checkpoint more */
  gint64 signed_size;   /* atomic too; -1: there is no checkpoint */

  gboolean loaded; /* what follows is the tree of the last checkpoint */
  RpMerkleEdge edge;
  RpHash last; /* the hash of the last event; zeroes if there is none */
  RpHash entries[RP_TILE_WIDTH];
  RpHash rows[RP_TILE_LEVELS_MAX][RP_TILE_WIDTH]; /* the last tile of each level */
  RpCheckpoint expected; /* size > 0: the tree is made anew, in memory alone until it comes by this */
  gboolean bulk;
};

/* ---- opening ---- */

void
rp_tlog_close (RpTlog *tlog)
{
  if (!tlog)
    return;
  rp_note_signer_free (tlog->signer);
  rp_note_signer_free (tlog->former);
  rp_checkpoint_clear (&tlog->expected);
  g_mutex_clear (&tlog->lock);
  g_free (tlog->folder);
  g_free (tlog->data_dir);
  g_free (tlog);
}

RpTlog *
rp_tlog_open (RpLedger *ledger, const char *data_dir, GError **error)
{
  g_autoptr (RpTlog) tlog = g_new0 (RpTlog, 1);
  g_autofree char *checkpoint = g_build_filename (data_dir, "tlog", "checkpoint", NULL);
  gboolean begun = g_file_test (checkpoint, G_FILE_TEST_EXISTS);

  g_mutex_init (&tlog->lock);
  tlog->ledger = ledger;
  tlog->data_dir = g_strdup (data_dir);
  tlog->folder = g_build_filename (data_dir, "tlog", NULL);
  tlog->signed_size = -1;
  if (!rp_dir_make (tlog->folder, 0700, error))
    return NULL;
  tlog->signer = rp_tlog_key_open (ledger, data_dir, !begun, error);
  if (!tlog->signer)
    {
      g_prefix_error (error, "the key of the ledger, which signed %s: ", checkpoint);
      return NULL;
    }
  return g_steal_pointer (&tlog);
}

const char *
rp_tlog_folder (const RpTlog *tlog)
{
  return tlog->folder;
}

gint64
rp_tlog_size (RpTlog *tlog)
{
  return MAX (__atomic_load_n (&tlog->signed_size, __ATOMIC_ACQUIRE), 0);
}

char *
rp_tlog_public_key (RpTlog *tlog)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&tlog->lock);

  return rp_note_key_format (rp_note_signer_key (tlog->signer));
}

/* ---- what the ledger has ---- */

typedef struct {
  gint64 after;
  gint64 limit;
  RpRows *rows; /* seq, prev, hash */
} Read;

static gboolean
read_rows (RpTxn *txn, gpointer user_data, GError **error)
{
  Read *read = user_data;

  read->rows = rp_txn_query (
      txn, error, "SELECT seq, prev, hash FROM event WHERE seq > $1 ORDER BY seq LIMIT $2", "ii",
      read->after, read->limit);
  return read->rows != NULL;
}

static RpRows *
read_events (RpTlog *tlog, gint64 after, gint64 limit, GError **error)
{
  Read read = { after, limit, NULL };

  return rp_db_read (rp_ledger_db (tlog->ledger), read_rows, &read, error) ? read.rows : NULL;
}

static gboolean
has_hash (const RpRows *rows, gsize row, gsize column, const RpHash *hash)
{
  gsize size = 0;
  const guint8 *bytes = rp_rows_blob (rows, row, column, &size);

  return bytes && size == RP_HASH_SIZE && memcmp (bytes, hash->bytes, size) == 0;
}

static gboolean
is_published (RpTlog *tlog, gint64 seq, gint64 size, gboolean *out, GError **error)
{
  g_autoptr (RpRows) rows = read_events (tlog, seq - 1, 1, error);
  RpTile tile = { .entries = TRUE, .number = (seq - 1) / RP_TILE_WIDTH };
  RpHash entries[RP_TILE_WIDTH];

  tile.width = rp_tile_width (0, tile.number, size);
  if (!rows || !rp_folder_tile (tlog->folder, &tile, entries, error))
    return FALSE;
  *out = rp_rows_count (rows) > 0 && rp_rows_int (rows, 0, 0) == seq
         && has_hash (rows, 0, 2, &entries[(seq - 1) % RP_TILE_WIDTH]);
  return TRUE;
}

/* Each hash covers all before it: the first that differs is found by halving. Always returns FALSE. */
static gboolean
refuse (RpTlog *tlog, gint64 size, GError **error)
{
  gint64 right = 0, wrong = size;

  while (wrong - right > 1)
    {
      gint64 middle = right + (wrong - right) / 2;
      gboolean published = FALSE;

      if (!is_published (tlog, middle, size, &published, NULL))
        break;
      *(published ? &right : &wrong) = middle;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the ledger was rewritten: event %" G_GINT64_FORMAT " is not the one that was published in %s, "
               "and no checkpoint is signed any more; put the database back, or, to begin a new log that "
               "nobody knows yet, move away %s and the keys beside it",
               wrong, tlog->folder, tlog->folder);
  return FALSE;
}

/* ---- tiles ---- */

static gboolean
write_bytes (const char *path, GBytes *bytes, gboolean durable, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (path);
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  if (!rp_dir_make (directory, 0755, error))
    return FALSE;
  if (durable)
    return rp_file_replace (path, data, size, MODE, error);
  return g_file_set_contents_full (path, data, (gssize) size, G_FILE_SET_CONTENTS_CONSISTENT, MODE, error);
}

/* A partial tile that is lost by a crash is made anew, so only full ones are synced. */
static gboolean
write_tile (RpTlog *tlog, const RpTile *tile, const RpHash *hashes, GError **error)
{
  g_autofree char *name = rp_tile_path (tile);
  g_autofree char *path = g_build_filename (tlog->folder, name, NULL);
  g_autofree char *partial = g_strconcat (path, ".p", NULL);
  g_autoptr (GBytes) bytes = rp_tile_encode (tile, hashes);
  gboolean full = tile->width == RP_TILE_WIDTH;

  if (tlog->expected.size > 0)
    return TRUE;
  return write_bytes (path, bytes, full && !tlog->bulk, error)
         && (!full || rp_dir_remove (partial, error));
}

/* Writes the tiles that the last event filled. */
static gboolean
close_tiles (RpTlog *tlog, GError **error)
{
  gint64 size = tlog->edge.size;
  RpTile tile = { .entries = TRUE, .number = size / RP_TILE_WIDTH - 1, .width = RP_TILE_WIDTH };

  if (!write_tile (tlog, &tile, tlog->entries, error))
    return FALSE;
  tile.entries = FALSE;
  for (gint64 count = size; count % RP_TILE_WIDTH == 0 && tile.level + 1 < RP_TILE_LEVELS_MAX; tile.level++)
    {
      count /= RP_TILE_WIDTH;
      tile.number = count - 1;
      if (!write_tile (tlog, &tile, tlog->rows[tile.level], error))
        return FALSE;
      rp_tile_fold (tlog->rows[tile.level], RP_TILE_WIDTH,
                    &tlog->rows[tile.level + 1][tile.number % RP_TILE_WIDTH]);
    }
  return TRUE;
}

static gboolean
write_partial_tiles (RpTlog *tlog, GError **error)
{
  gint64 count = tlog->edge.size;

  for (RpTile tile = { 0 }; count > 0 && tile.level < RP_TILE_LEVELS_MAX; tile.level++)
    {
      tile.number = count / RP_TILE_WIDTH;
      tile.width = (guint) (count % RP_TILE_WIDTH);
      tile.entries = TRUE;
      if (tile.level == 0 && tile.width > 0 && !write_tile (tlog, &tile, tlog->entries, error))
        return FALSE;
      tile.entries = FALSE;
      if (tile.width > 0 && !write_tile (tlog, &tile, tlog->rows[tile.level], error))
        return FALSE;
      count /= RP_TILE_WIDTH;
    }
  return TRUE;
}

static gboolean
take_event (RpTlog *tlog, const RpRows *rows, gsize row, GError **error)
{
  gint64 at = tlog->edge.size % RP_TILE_WIDTH;
  gsize size = 0;
  const guint8 *hash = rp_rows_blob (rows, row, 2, &size);

  if (rp_rows_int (rows, row, 0) != tlog->edge.size + 1 || !hash || size != RP_HASH_SIZE
      || !has_hash (rows, row, 1, &tlog->last))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
                   "the ledger was changed from outside: event %" G_GINT64_FORMAT
                   " does not follow the one before it, and is not published",
                   tlog->edge.size + 1);
      return FALSE;
    }
  memcpy (tlog->last.bytes, hash, RP_HASH_SIZE);
  tlog->entries[at] = tlog->last;
  rp_merkle_leaf (hash, size, &tlog->rows[0][at]);
  rp_merkle_edge_add (&tlog->edge, &tlog->rows[0][at]);
  return tlog->edge.size % RP_TILE_WIDTH != 0 || close_tiles (tlog, error);
}

/* ---- going on from a checkpoint ---- */

static void
begin_anew (RpTlog *tlog)
{
  memset (&tlog->edge, 0, sizeof tlog->edge);
  memset (&tlog->last, 0, sizeof tlog->last);
}

static gboolean
read_tile_of (RpTlog *tlog, RpTile tile, gint64 size, RpHash *out, GError **error)
{
  tile.width = rp_tile_width (tile.level, tile.number, size);
  return tile.width == 0 || rp_folder_tile (tlog->folder, &tile, out, error);
}

/* FALSE: some tile is not what it must be. */
static gboolean
load_tiles (RpTlog *tlog, const RpCheckpoint *checkpoint, GError **error)
{
  g_auto (RpTileTree) tree = { 0 };
  RpTile tile = { 0 };
  RpHash root;
  gint64 size = checkpoint->size;

  rp_tile_tree_init (&tree, size, rp_folder_fetch, tlog->folder);
  if (!rp_merkle_edge_load (&tree.source, size, &tlog->edge, error))
    return FALSE;
  rp_merkle_edge_root (&tlog->edge, &root);
  if (!rp_hash_equal (&root, &checkpoint->root))
    return FALSE;
  for (; tile.level < RP_TILE_LEVELS_MAX; tile.level++)
    {
      tile.number = (size >> (8 * tile.level)) / RP_TILE_WIDTH;
      if (!read_tile_of (tlog, tile, size, tlog->rows[tile.level], error))
        return FALSE;
    }
  memset (&tlog->last, 0, sizeof tlog->last);
  if (size == 0)
    return TRUE;
  tile = (RpTile){ .entries = TRUE, .number = (size - 1) / RP_TILE_WIDTH };
  if (!read_tile_of (tlog, tile, size, tlog->entries, error))
    return FALSE;
  tlog->last = tlog->entries[(size - 1) % RP_TILE_WIDTH];
  return TRUE;
}

static gboolean
load (RpTlog *tlog, GError **error)
{
  g_auto (RpCheckpoint) checkpoint = { 0 };
  g_autoptr (RpNote) note = NULL;
  g_autoptr (GError) inner = NULL;
  gboolean published = TRUE;

  rp_checkpoint_clear (&tlog->expected);
  tlog->expected.size = 0;
  begin_anew (tlog);
  if (!rp_folder_checkpoint (tlog->folder, "checkpoint", &note, &checkpoint, &inner))
    {
      if (g_error_matches (inner, RP_ERROR, RP_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&inner));
      return FALSE;
    }
  __atomic_store_n (&tlog->signed_size, checkpoint.size, __ATOMIC_RELEASE);
  if (!load_tiles (tlog, &checkpoint, NULL))
    {
      begin_anew (tlog);
      tlog->expected = checkpoint;
      checkpoint.origin = NULL;
      return TRUE;
    }
  if (checkpoint.size > 0 && !is_published (tlog, checkpoint.size, checkpoint.size, &published, error))
    return FALSE;
  return published || refuse (tlog, checkpoint.size, error);
}

/* ---- publishing ---- */

/* Then it is the ledger that was signed, and its tiles are written, from the first. Not before: those that are
 * there tell which event was changed. */
static gboolean
came_by_expected (RpTlog *tlog, GError **error)
{
  RpHash root;

  if (tlog->expected.size == 0 || tlog->edge.size != tlog->expected.size)
    return TRUE;
  rp_merkle_edge_root (&tlog->edge, &root);
  if (!rp_hash_equal (&root, &tlog->expected.root))
    return refuse (tlog, tlog->expected.size, error);
  tlog->expected.size = 0;
  begin_anew (tlog);
  return TRUE;
}

/* As far as the next tile that is full, or the size that was signed. */
static gint64
next_stop (const RpTlog *tlog)
{
  gint64 room = RP_TILE_WIDTH - tlog->edge.size % RP_TILE_WIDTH;

  return tlog->expected.size > tlog->edge.size ? MIN (room, tlog->expected.size - tlog->edge.size) : room;
}

static gboolean
grow (RpTlog *tlog, GError **error)
{
  gsize count;

  do
    {
      g_autoptr (RpRows) rows = read_events (tlog, tlog->edge.size, next_stop (tlog), error);

      if (!rows)
        return FALSE;
      count = rp_rows_count (rows);
      for (gsize row = 0; row < count; row++)
        if (!take_event (tlog, rows, row, error))
          return FALSE;
      if (count > 0 && !came_by_expected (tlog, error))
        return FALSE;
    }
  while (count > 0);
  return tlog->expected.size == 0 || refuse (tlog, tlog->expected.size, error);
}

static gboolean
sync_all (RpTlog *tlog, GError **error)
{
  rp_autofd int fd = open (tlog->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0 || syncfs (fd) != 0)
    return rp_error_set_errno (error, errno, "syncing %s", tlog->folder);
  return TRUE;
}

static gboolean
write_note (RpTlog *tlog, const char *name, const char *text, const char *lines, GError **error)
{
  g_autofree char *path = g_build_filename (tlog->folder, name, NULL);
  g_autofree char *whole = g_strconcat (text, "\n", lines, NULL);

  return rp_file_replace (path, whole, strlen (whole), MODE, error);
}

static gboolean
sign (RpTlog *tlog, GError **error)
{
  g_autofree char *text = NULL, *line = NULL, *former = NULL, *lines = NULL;
  RpHash root;

  rp_merkle_edge_root (&tlog->edge, &root);
  text = rp_checkpoint_format (rp_note_signer_key (tlog->signer)->name, tlog->edge.size, &root);
  line = rp_note_sign (tlog->signer, text);
  former = tlog->former ? rp_note_sign (tlog->former, text) : NULL;
  lines = g_strconcat (line, former, NULL);
  if (!write_note (tlog, "checkpoint", text, lines, error))
    return FALSE;
  g_clear_pointer (&tlog->former, rp_note_signer_free);
  __atomic_store_n (&tlog->signed_size, tlog->edge.size, __ATOMIC_RELEASE);
  return TRUE;
}

static gboolean
is_far_behind (RpTlog *tlog, gboolean *out, GError **error)
{
  g_autoptr (RpRows) rows = read_events (tlog, tlog->edge.size + BULK, 1, error);

  *out = rows && rp_rows_count (rows) > 0;
  return rows != NULL;
}

static gboolean
publish (RpTlog *tlog, GError **error)
{
  gint64 before = tlog->edge.size;

  if (!is_far_behind (tlog, &tlog->bulk, error) || !grow (tlog, error))
    return FALSE;
  if (tlog->edge.size == before && tlog->edge.size == tlog->signed_size)
    return TRUE;
  return write_partial_tiles (tlog, error) && (!tlog->bulk || sync_all (tlog, error)) && sign (tlog, error);
}

static gboolean
publish_locked (RpTlog *tlog, GError **error)
{
  tlog->loaded = (tlog->loaded || load (tlog, error)) && publish (tlog, error);
  return tlog->loaded;
}

gboolean
rp_tlog_publish (RpTlog *tlog, GError **error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&tlog->lock);

  return publish_locked (tlog, error);
}

char *
rp_tlog_rotate (RpTlog *tlog, const char *actor, const char *because, GError **error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&tlog->lock);
  RpNoteSigner *next;

  if (!publish_locked (tlog, error))
    return NULL;
  next = rp_tlog_key_rotate (tlog->ledger, tlog->data_dir, tlog->signer, actor, because, error);
  if (!next)
    return NULL;
  rp_note_signer_free (tlog->former);
  tlog->former = tlog->signer;
  tlog->signer = next;
  return publish_locked (tlog, error) ? rp_note_key_format (rp_note_signer_key (next)) : NULL;
}

/* ---- witnesses ---- */

/* That the checkpoint is one that this log had. */
static gboolean
is_ours (RpTlog *tlog, const RpNote *note, const RpCheckpoint *checkpoint, GError **error)
{
  const char *origin = rp_note_signer_key (tlog->signer)->name;
  g_auto (RpTileTree) tree = { 0 };
  g_autofree char *text = NULL;
  RpHash root;

  if (checkpoint->size <= tlog->signed_size && checkpoint->size >= 0)
    {
      rp_tile_tree_init (&tree, tlog->signed_size, rp_folder_fetch, tlog->folder);
      if (!rp_merkle_root (&tree.source, checkpoint->size, &root, error))
        return FALSE;
      text = rp_checkpoint_format (origin, checkpoint->size, &root);
      if (strcmp (text, note->text) == 0)
        return TRUE;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT,
               "it is no checkpoint of this ledger, %s: what was signed is another history, or a larger one",
               origin);
  return FALSE;
}

/* The lines of `note`, without the one of `key`. */
static GString *
lines_without (const RpNote *note, const RpNoteKey *key)
{
  GString *lines = g_string_new (NULL);

  for (guint i = 0; note && i < note->signatures->len && i < COSIGNATURES_MAX; i++)
    {
      const RpNoteSignature *signature = g_ptr_array_index (note->signatures, i);

      if (signature->id != key->id || strcmp (signature->name, key->name) != 0)
        g_string_append (lines, signature->line);
    }
  return lines;
}

static gboolean
append_line (RpTlog *tlog, const char *name, const RpCheckpoint *checkpoint, const RpNote *note,
             const RpNoteKey *key, const char *line, GError **error)
{
  g_auto (RpCheckpoint) there = { 0 };
  g_autoptr (RpNote) known = NULL;
  g_autoptr (GString) lines = NULL;
  g_autofree char *ours = NULL;
  gboolean same = rp_folder_checkpoint (tlog->folder, name, &known, &there, NULL)
                  && there.size == checkpoint->size;

  if (!same && g_str_equal (name, "checkpoint"))
    return TRUE; /* there is a later one already */
  if (!same && known && there.size > checkpoint->size)
    return TRUE;
  lines = lines_without (same ? known : NULL, key);
  ours = rp_note_sign (tlog->signer, note->text);
  if (!strstr (lines->str, ours))
    g_string_prepend (lines, ours);
  g_string_append (lines, line);
  return write_note (tlog, name, note->text, lines->str, error);
}

gboolean
rp_tlog_cosign (RpTlog *tlog, const void *data, gsize size, const char *witness, GError **error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&tlog->lock);
  g_autoptr (RpNoteKey) key = rp_note_key_parse (witness, error);
  g_autoptr (RpNote) note = key ? rp_note_parse (data, size, error) : NULL;
  g_auto (RpCheckpoint) checkpoint = { 0 };
  const RpNoteSignature *signature;

  if (!note || !rp_checkpoint_parse (note->text, &checkpoint, error)
      || !(signature = rp_note_verify (note, key, error))
      || !(tlog->loaded || publish_locked (tlog, error)) || !is_ours (tlog, note, &checkpoint, error))
    return FALSE;
  if (strcmp (key->name, rp_note_signer_key (tlog->signer)->name) == 0)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s is the ledger itself, and no witness", key->name);
      return FALSE;
    }
  return append_line (tlog, "cosigned", &checkpoint, note, key, signature->line, error)
         && append_line (tlog, "checkpoint", &checkpoint, note, key, signature->line, error);
}
