#include "ledger/proof.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "ledger/exported.h"

#define MAGIC "c2sp.org/tlog-proof@v1\n"
#define EXTRA "extra "
#define INDEX "index "

void
rp_proof_clear (RpProof *proof)
{
  g_clear_pointer (&proof->event, json_decref);
  g_clear_pointer (&proof->hashes, g_array_unref);
  g_clear_pointer (&proof->note, rp_note_free);
  rp_checkpoint_clear (&proof->checkpoint);
}

char *
rp_proof_format (const RpProof *proof)
{
  g_autofree char *event = rp_json_canonical (proof->event);
  g_autofree char *extra = g_base64_encode ((const guint8 *) event, strlen (event));
  g_autofree char *note = rp_note_format (proof->note);
  g_autoptr (GString) text = g_string_new (MAGIC);

  g_string_append_printf (text, EXTRA "%s\n" INDEX "%" G_GINT64_FORMAT "\n", extra, proof->index);
  for (guint i = 0; i < proof->hashes->len; i++)
    {
      g_autofree char *hash = rp_hash_to_base64 (&g_array_index (proof->hashes, RpHash, i));

      g_string_append_printf (text, "%s\n", hash);
    }
  g_string_append_printf (text, "\n%s", note);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* ---- reading ---- */

static gboolean
read_event (const char *line, RpProof *out)
{
  gsize size = 0;
  g_autofree guint8 *bytes = NULL;

  if (!g_str_has_prefix (line, EXTRA))
    return FALSE;
  bytes = g_base64_decode (line + strlen (EXTRA), &size);
  out->event = rp_json_parse (bytes, size, "event", NULL);
  return out->event != NULL;
}

static gboolean
read_lines (char **lines, RpProof *out)
{
  guint64 index;

  if (g_strv_length (lines) < 2 || !read_event (lines[0], out) || !g_str_has_prefix (lines[1], INDEX)
      || !g_ascii_string_to_unsigned (lines[1] + strlen (INDEX), 10, 0, G_MAXINT64 - 1, &index, NULL))
    return FALSE;
  out->index = (gint64) index;
  out->hashes = g_array_new (FALSE, FALSE, sizeof (RpHash));
  for (char **line = lines + 2; *line; line++)
    {
      RpHash hash;

      if (out->hashes->len >= 64 || !rp_hash_from_base64 (*line, &hash))
        return FALSE;
      g_array_append_val (out->hashes, hash);
    }
  return TRUE;
}

gboolean
rp_proof_parse (const void *data, gsize size, RpProof *out, GError **error)
{
  g_autofree char *text = g_strndup (size > 0 ? data : "", size);
  char *gap = strstr (text, "\n\n");
  g_auto (GStrv) lines = NULL;

  if (strlen (text) == size && g_str_has_prefix (text, MAGIC) && gap)
    {
      *gap = '\0';
      lines = g_strsplit (text + strlen (MAGIC), "\n", -1);
      if (read_lines (lines, out))
        {
          out->note = rp_note_parse (gap + 2, strlen (gap + 2), error);
          return out->note && rp_checkpoint_parse (out->note->text, &out->checkpoint, error);
        }
    }
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                       "it is no proof of an event, as `repoint ledger prove --out FILE` writes it");
  return FALSE;
}

gboolean
rp_proof_check (const RpProof *proof, const RpNoteKey *key, GError **error)
{
  RpHash hash, leaf;

  if ((key && !rp_note_verify (proof->note, key, error)) || !rp_exported_hash (proof->event, &hash, error))
    return FALSE;
  rp_merkle_leaf (hash.bytes, sizeof hash.bytes, &leaf);
  if (rp_json_int (proof->event, "seq") == proof->index + 1
      && rp_merkle_includes (proof->index, proof->checkpoint.size, &leaf, proof->hashes, &proof->checkpoint.root))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "event %" G_GINT64_FORMAT " is not in the ledger that the checkpoint of %" G_GINT64_FORMAT
               " events is of: it, or its number, was changed or made up",
               rp_json_int (proof->event, "seq"), proof->checkpoint.size);
  return FALSE;
}
