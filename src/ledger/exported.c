#include "ledger/exported.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "ledger/chain.h"
#include "ledger/seal.h"

#define FILE_MAX (1 << 30) /* bytes */

char *
rp_exported_path (gint64 number)
{
  const RpTile tile = { .entries = TRUE, .number = number, .width = RP_TILE_WIDTH };
  g_autofree char *path = rp_tile_path (&tile);

  return g_strconcat ("events/", path + strlen ("tile/entries/"), ".jsonl", NULL);
}

static gboolean
read_hex (const json_t *event, const char *key, RpHash *out)
{
  const char *hex = rp_json_str (event, key);

  if (!hex || strlen (hex) != 2 * RP_HASH_SIZE)
    return FALSE;
  for (gsize i = 0; i < RP_HASH_SIZE; i++)
    {
      int high = g_ascii_xdigit_value (hex[2 * i]), low = g_ascii_xdigit_value (hex[2 * i + 1]);

      if (high < 0 || low < 0)
        return FALSE;
      out->bytes[i] = (guint8) (high << 4 | low);
    }
  return TRUE;
}

static gboolean
corrupt (GError **error, gint64 seq, const char *how)
{
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the events were changed after they were exported: event %" G_GINT64_FORMAT " %s", seq, how);
  return FALSE;
}

gboolean
rp_exported_hash (const json_t *event, RpHash *out, GError **error)
{
  gint64 seq = rp_json_int (event, "seq");
  const char *actor = rp_json_str (event, "actor"), *kind = rp_json_str (event, "kind");
  g_autoptr (json_t) body = json_deep_copy (json_object_get (event, "body"));
  g_autofree char *text = NULL;
  RpHash prev, stored;
  RpEventText plain;

  if (!actor || !kind || !json_is_object (body) || !read_hex (event, "prev", &prev)
      || !read_hex (event, "hash", &stored))
    return corrupt (error, seq, "lacks a field, or has one of the wrong type");
  if (!rp_seal_again (body, json_object_get (event, "sealed"), error))
    {
      g_prefix_error (error, "event %" G_GINT64_FORMAT ": ", seq);
      return FALSE;
    }
  text = rp_json_canonical (body);
  plain = (RpEventText){ seq,  rp_json_int (event, "at_us"), actor, strlen (actor), kind, strlen (kind),
                         text, strlen (text) };
  rp_chain_hash (prev.bytes, &plain, out->bytes);
  return rp_hash_equal (out, &stored) || corrupt (error, seq, "has not the contents that its hash was made of");
}

/* ---- files ---- */

/* The lines of a file of events. */
static GPtrArray *
read_file (const char *folder, gint64 number, GError **error)
{
  g_autofree char *name = rp_exported_path (number);
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GBytes) bytes = rp_file_read (path, FILE_MAX, error);
  g_autoptr (GPtrArray) events = g_ptr_array_new_with_free_func ((GDestroyNotify) json_decref);
  const char *at, *end;

  if (!bytes)
    return NULL;
  at = g_bytes_get_data (bytes, NULL);
  end = at ? at + g_bytes_get_size (bytes) : NULL;
  while (at && at < end)
    {
      const char *stop = memchr (at, '\n', (gsize) (end - at));
      json_t *event = rp_json_parse (at, (gsize) ((stop ? stop : end) - at), "event", error);

      if (!event)
        {
          g_prefix_error (error, "%s: ", path);
          return NULL;
        }
      g_ptr_array_add (events, event);
      at = stop ? stop + 1 : end;
    }
  return g_steal_pointer (&events);
}

json_t *
rp_exported_event (const char *folder, gint64 seq, GError **error)
{
  g_autoptr (GPtrArray) events = read_file (folder, (seq - 1) / RP_TILE_WIDTH, error);
  guint at = (guint) ((seq - 1) % RP_TILE_WIDTH);

  if (!events)
    return NULL;
  if (at < events->len)
    return json_incref (g_ptr_array_index (events, at));
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "event %" G_GINT64_FORMAT " is not in %s", seq, folder);
  return NULL;
}

/* ---- checking all ---- */

typedef struct {
  RpAudit *audit;
  RpHash last;
  gint64 seq;
  gint64 expected_seq;
  const char *expected_hash;
  GHashTable *lacking; /* gint64: as in chain.c */
} Walk;

static void
note_redaction (Walk *walk, const json_t *event)
{
  const json_t *sealed = json_object_get (event, "sealed");
  const json_t *body = json_object_get (event, "body");
  const char *kind = rp_json_str (event, "kind"), *field;
  gint64 seq = rp_json_int (body, "seq");
  json_t *seal;

  json_object_foreach ((json_t *) sealed, field, seal)
    if (!json_object_get (seal, "salt"))
      g_hash_table_add (walk->lacking, g_memdup2 (&walk->seq, sizeof walk->seq));
  if (strcmp (kind, RP_EVENT_REDACTED) == 0)
    g_hash_table_remove (walk->lacking, &seq);
  if (strcmp (kind, RP_EVENT_KEY_ROTATED) == 0)
    rp_audit_rotation (walk->audit, body);
}

static gboolean
check_event (Walk *walk, const json_t *event, GError **error)
{
  RpHash prev, hash;
  char hex[2 * RP_EVENT_HASH_SIZE + 1];

  walk->seq++;
  if (rp_json_int (event, "seq") != walk->seq)
    return corrupt (error, walk->seq, "is missing, or not in its place");
  if (!rp_exported_hash (event, &hash, error))
    return FALSE;
  if (!read_hex (event, "prev", &prev) || !rp_hash_equal (&prev, &walk->last))
    return corrupt (error, walk->seq, "does not follow the one before it (its `prev` differs)");
  walk->last = hash;
  rp_chain_hex (hash.bytes, hex);
  if (walk->expected_hash && walk->seq == walk->expected_seq && strcmp (hex, walk->expected_hash) != 0)
    return corrupt (error, walk->seq, "has another hash than the head that was kept");
  note_redaction (walk, event);
  return rp_audit_event (walk->audit, walk->seq, hash.bytes, error);
}

static gboolean
walk_files (Walk *walk, const char *folder, GError **error)
{
  gint64 size = rp_audit_checkpoint (walk->audit)->size;

  for (gint64 number = 0; number * RP_TILE_WIDTH < size; number++)
    {
      g_autoptr (GPtrArray) events = read_file (folder, number, error);
      gint64 end = MIN (size, (number + 1) * RP_TILE_WIDTH);

      if (!events)
        return FALSE;
      for (guint i = 0; i < events->len && walk->seq < end; i++)
        if (!check_event (walk, g_ptr_array_index (events, i), error))
          return FALSE;
      if (walk->seq < end)
        return corrupt (error, walk->seq + 1, "is missing");
      if (number * RP_TILE_WIDTH + events->len > end)
        return corrupt (error, end + 1, "is in no place that was signed");
    }
  return TRUE;
}

static gboolean
check_rest (const Walk *walk, GError **error)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, walk->lacking);
  if (g_hash_table_iter_next (&iter, &key, NULL))
    return corrupt (error, *(const gint64 *) key, "lacks a text, and no event says that it was redacted");
  if (walk->expected_hash && walk->expected_seq > walk->seq)
    return corrupt (error, walk->seq + 1, "is missing: the head that was kept is of a later one");
  return rp_audit_end (walk->audit, error);
}

gboolean
rp_exported_check (const char *folder, const RpNoteKey *key, gint64 expected_seq, const char *expected_hash,
                   RpLedgerReport *out, GError **error)
{
  g_autoptr (RpAudit) audit = rp_audit_new (folder, key, error);
  g_autoptr (GHashTable) lacking = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  Walk walk = { .audit = audit, .expected_seq = expected_seq, .expected_hash = expected_hash, .lacking = lacking };

  if (!audit || !walk_files (&walk, folder, error) || !check_rest (&walk, error))
    return FALSE;
  out->events = out->head_seq = out->published = walk.seq;
  rp_chain_hex (walk.last.bytes, out->head_hash);
  return TRUE;
}
