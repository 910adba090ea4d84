#include "ledger/audit.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"

struct RpAudit {
  char *folder;
  RpNote *note;
  RpCheckpoint checkpoint;
  GPtrArray *keys; /* RpNoteKey: the trusted one, and those that it handed over to */
  RpMerkleEdge edge;
  RpHash entries[RP_TILE_WIDTH], leaves[RP_TILE_WIDTH]; /* as published */
};

static void
free_key (gpointer data)
{
  rp_note_key_free (data);
}

void
rp_audit_free (RpAudit *audit)
{
  if (!audit)
    return;
  g_free (audit->folder);
  rp_note_free (audit->note);
  rp_checkpoint_clear (&audit->checkpoint);
  g_ptr_array_unref (audit->keys);
  g_free (audit);
}

RpAudit *
rp_audit_new (const char *folder, const RpNoteKey *key, GError **error)
{
  g_autoptr (RpAudit) audit = g_new0 (RpAudit, 1);
  g_autofree char *text = key ? rp_note_key_format (key) : NULL;
  RpNoteKey *copy = NULL;

  audit->folder = g_strdup (folder);
  audit->keys = g_ptr_array_new_with_free_func (free_key);
  if (text && !(copy = rp_note_key_parse (text, error)))
    return NULL;
  if (copy)
    g_ptr_array_add (audit->keys, copy);
  if (!rp_folder_checkpoint (folder, "checkpoint", &audit->note, &audit->checkpoint, error))
    return NULL;
  return g_steal_pointer (&audit);
}

const RpCheckpoint *
rp_audit_checkpoint (const RpAudit *audit)
{
  return &audit->checkpoint;
}

/* ---- events ---- */

/* Always returns FALSE. */
static gboolean
damaged (const RpAudit *audit, const GError *cause, GError **error)
{
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the published log in %s is damaged: %s; of a log beside its database, remove `tile` and start the "
               "server again: it makes the tiles anew, and goes on only if they have the root that was signed",
               audit->folder, cause->message);
  return FALSE;
}

static gboolean
read_published (RpAudit *audit, gint64 number, GError **error)
{
  RpTile tile = { .entries = TRUE, .number = number };
  g_autoptr (GError) inner = NULL;
  gboolean ok;

  tile.width = rp_tile_width (0, number, audit->checkpoint.size);
  ok = rp_folder_tile (audit->folder, &tile, audit->entries, &inner);
  tile.entries = FALSE;
  ok = ok && rp_folder_tile (audit->folder, &tile, audit->leaves, &inner);
  return ok || damaged (audit, inner, error);
}

gboolean
rp_audit_event (RpAudit *audit, gint64 seq, const guint8 hash[RP_HASH_SIZE], GError **error)
{
  guint at = (guint) ((seq - 1) % RP_TILE_WIDTH);
  RpHash leaf;

  if (seq > audit->checkpoint.size)
    return TRUE;
  if (at == 0 && !read_published (audit, (seq - 1) / RP_TILE_WIDTH, error))
    return FALSE;
  rp_merkle_leaf (hash, RP_HASH_SIZE, &leaf);
  rp_merkle_edge_add (&audit->edge, &leaf);
  if (memcmp (audit->entries[at].bytes, hash, RP_HASH_SIZE) == 0
      && rp_hash_equal (&audit->leaves[at], &leaf))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the ledger was rewritten: event %" G_GINT64_FORMAT
               " is not the one that was published in %s; it, or one before it, was changed, "
               "dropped, moved or made up since",
               seq, audit->folder);
  return FALSE;
}

/* ---- keys ---- */

char *
rp_rotation_text (const char *origin, const char *key)
{
  return g_strdup_printf ("repoint ledger key\n%s\n%s\n", origin, key);
}

RpNoteKey *
rp_rotation_follow (const RpNoteKey *from, const char *origin, const json_t *body)
{
  const char *next = rp_json_str (body, "key"), *line = rp_json_str (body, "signature");
  g_autoptr (RpNoteKey) key = next && line ? rp_note_key_parse (next, NULL) : NULL;
  g_autoptr (RpNote) note = NULL;
  g_autofree char *text = NULL, *whole = NULL;

  if (!key)
    return NULL;
  text = rp_rotation_text (origin, next);
  whole = g_strconcat (text, "\n", line, "\n", NULL);
  note = rp_note_parse (whole, strlen (whole), NULL);
  return note && rp_note_verify (note, from, NULL) ? g_steal_pointer (&key) : NULL;
}

void
rp_audit_rotation (RpAudit *audit, const json_t *body)
{
  RpNoteKey *next = NULL;

  if (audit->keys->len > 0)
    next = rp_rotation_follow (g_ptr_array_index (audit->keys, audit->keys->len - 1), audit->checkpoint.origin,
                               body);
  if (next)
    g_ptr_array_add (audit->keys, next);
}

static gboolean
check_signature (const RpAudit *audit, GError **error)
{
  for (guint i = audit->keys->len; i-- > 0;)
    {
      if (rp_note_verify (audit->note, g_ptr_array_index (audit->keys, i), i == 0 ? error : NULL))
        return TRUE;
    }
  if (audit->keys->len == 0)
    return TRUE;
  g_prefix_error (error, "the checkpoint in %s: ", audit->folder);
  return FALSE;
}

gboolean
rp_audit_end (RpAudit *audit, GError **error)
{
  RpHash root;

  if (!check_signature (audit, error))
    return FALSE;
  if (audit->edge.size < audit->checkpoint.size)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
                   "the end of the ledger is missing: it ends with event %" G_GINT64_FORMAT
                   ", and %" G_GINT64_FORMAT " were published in %s",
                   audit->edge.size, audit->checkpoint.size, audit->folder);
      return FALSE;
    }
  rp_merkle_edge_root (&audit->edge, &root);
  if (rp_hash_equal (&root, &audit->checkpoint.root))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the ledger was rewritten: the first %" G_GINT64_FORMAT
               " events, and the tiles in %s with them, have not the root that was signed; compare "
               "with an older export to see which",
               audit->checkpoint.size, audit->folder);
  return FALSE;
}
