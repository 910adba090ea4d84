#include <string.h>

#include "base/file.h"
#include "cli/ledger_source.h"
#include "cli/ledger_verbs.h"
#include "ledger/proof.h"

static struct {
  char *from;
  char *key;
  char *out;
} options;

#define FROM                                                                                            \
  { "from", 0, 0, G_OPTION_ARG_FILENAME, &options.from, "Read this exported folder instead of a server", \
    "DIR" }
#define KEY                                                                                             \
  { "key", 0, 0, G_OPTION_ARG_FILENAME, &options.key,                                                   \
    "The public key that must have signed, or a file that has it", "KEY" }

const GOptionEntry rp_ledger_prove_options[]
    = { FROM, KEY,
        { "out", 0, 0, G_OPTION_ARG_FILENAME, &options.out, "Write the proof into this file", "FILE" },
        G_OPTION_ENTRY_NULL };
const GOptionEntry rp_ledger_consistency_options[] = { FROM, KEY, G_OPTION_ENTRY_NULL };

static json_t *
hashes_to_json (const GArray *hashes)
{
  json_t *list = json_array ();
  for (guint i = 0; i < hashes->len; i++)
    {
      g_autofree char *text = rp_hash_to_base64 (&g_array_index (hashes, RpHash, i));
      json_array_append_new (list, json_string (text));
    }
  return list;
}

static json_t *
checkpoint_to_json (const RpCheckpoint *checkpoint)
{
  g_autofree char *root = rp_hash_to_base64 (&checkpoint->root);
  return json_pack ("{s:s, s:I, s:s}", "origin", checkpoint->origin, "size", (json_int_t) checkpoint->size, "root",
                    root);
}

static gboolean
parse_number (const char *text, gint64 least, gint64 *out, GError **error)
{
  if (g_ascii_string_to_signed (text, 10, least, G_MAXINT64 / 2, out, NULL))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "`%s`: expected a number from %" G_GINT64_FORMAT " on", text, least);
  return FALSE;
}

static void
note_trust (RpCli *cli, const RpLedgerSource *source)
{
  if (source->key == NULL)
    rp_cli_note (cli, "nobody's key was asked for: give the one that you trust with --key (`repoint ledger key`)");
}

/* ---- prove ---- */

static gboolean
make_proof (RpLedgerSource *source, gint64 seq, RpProof *out, GError **error)
{
  g_auto (RpTileTree) tree = { 0 };
  if (!rp_ledger_source_checkpoint (source, &out->note, &out->checkpoint, error))
    return FALSE;
  if (seq > out->checkpoint.size)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                   "event %" G_GINT64_FORMAT " is not published: the last checkpoint is of %" G_GINT64_FORMAT " events",
                   seq, out->checkpoint.size);
      return FALSE;
    }
  out->event = rp_ledger_source_event (source, seq, error);
  if (out->event == NULL)
    return FALSE;
  rp_tile_tree_init (&tree, out->checkpoint.size, rp_ledger_source_fetch, source);
  out->index = seq - 1;
  out->hashes = rp_merkle_inclusion (&tree.source, out->index, out->checkpoint.size, error);
  return out->hashes != NULL && rp_proof_check (out, NULL, error);
}

static gboolean
write_proof (const RpProof *proof, GError **error)
{
  g_autofree char *text = rp_proof_format (proof);
  return rp_file_replace (options.out, text, strlen (text), 0644, error);
}

gboolean
rp_ledger_prove_run (RpCli *cli, char **args, GError **error)
{
  g_auto (RpLedgerSource) source = { 0 };
  g_auto (RpProof) proof = { 0 };
  gint64 seq;
  if (!parse_number (args[0], 1, &seq, error)
      || !rp_ledger_source_open (cli, options.from, options.key, &source, error)
      || !make_proof (&source, seq, &proof, error) || (options.out != NULL && !write_proof (&proof, error)))
    return FALSE;
  if (cli->json)
    {
      g_autoptr (json_t) json = json_object ();
      json_object_set (json, "event", proof.event);
      json_object_set_new (json, "index", json_integer (proof.index));
      json_object_set_new (json, "proof", hashes_to_json (proof.hashes));
      json_object_set_new (json, "checkpoint", checkpoint_to_json (&proof.checkpoint));
      rp_cli_print_json (cli, json);
      return TRUE;
    }
  rp_cli_note (cli, "event %" G_GINT64_FORMAT " (%s by %s at %s) is in the ledger %s of %" G_GINT64_FORMAT " events",
               seq, rp_json_str (proof.event, "kind"), rp_json_str (proof.event, "actor"),
               rp_json_str (proof.event, "at"), proof.checkpoint.origin, proof.checkpoint.size);
  note_trust (cli, &source);
  return TRUE;
}

/* ---- consistency ---- */

/* A number of events, whose root the tiles tell, or a file with a checkpoint. */
static gboolean
read_head (RpLedgerSource *source, RpTileTree *tree, const char *text, RpCheckpoint *out, GError **error)
{
  g_autoptr (RpNote) note = NULL;
  if (g_file_test (text, G_FILE_TEST_IS_REGULAR))
    return rp_ledger_checkpoint_read (source, text, &note, out, error);
  if (!parse_number (text, 0, &out->size, error))
    {
      rp_cli_hint (error, "give a number of events, or a file that has a checkpoint");
      return FALSE;
    }
  return out->size > tree->size || rp_merkle_root (&tree->source, out->size, &out->root, error);
}

static gboolean
check_heads (const RpCheckpoint *old, const RpCheckpoint *new, const RpTileTree *tree, GError **error)
{
  if (old->origin != NULL && new->origin != NULL && strcmp (old->origin, new->origin) != 0)
    g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT, "they are of two ledgers: %s and %s", old->origin, new->origin);
  else if (new->size > tree->size)
    g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
                 "the end of the history is missing: it has %" G_GINT64_FORMAT " events, and had %" G_GINT64_FORMAT,
                 tree->size, new->size);
  else if (old->size > new->size)
    g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "OLD has more events (%" G_GINT64_FORMAT ") than NEW (%" G_GINT64_FORMAT ")",
                 old->size, new->size);
  else
    return TRUE;
  return FALSE;
}

static gboolean
prove_growth (RpTileTree *tree, const RpCheckpoint *old, const RpCheckpoint *new, GArray **out, GError **error)
{
  g_autoptr (GArray) proof = rp_merkle_consistency (&tree->source, old->size, new->size, error);
  if (proof == NULL)
    return FALSE;
  if (rp_merkle_extends (old->size, &old->root, new->size, &new->root, proof))
    {
      *out = g_steal_pointer (&proof);
      return TRUE;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the history was rewritten: the ledger of %" G_GINT64_FORMAT " events does not begin with the one of %"
               G_GINT64_FORMAT,
               new->size, old->size);
  return FALSE;
}

gboolean
rp_ledger_consistency_run (RpCli *cli, char **args, GError **error)
{
  g_auto (RpLedgerSource) source = { 0 };
  g_auto (RpCheckpoint) last = { 0 }, old = { 0 }, new = { 0 };
  g_auto (RpTileTree) tree = { 0 };
  g_autoptr (RpNote) note = NULL;
  g_autoptr (GArray) proof = NULL;
  if (!rp_ledger_source_open (cli, options.from, options.key, &source, error)
      || !rp_ledger_source_checkpoint (&source, &note, &last, error))
    return FALSE;
  rp_tile_tree_init (&tree, last.size, rp_ledger_source_fetch, &source);
  if (!rp_ledger_source_check_root (&tree, &last, error)
      || !read_head (&source, &tree, args[0], &old, error) || !read_head (&source, &tree, args[1], &new, error)
      || !check_heads (&old, &new, &tree, error) || !prove_growth (&tree, &old, &new, &proof, error))
    return FALSE;
  if (cli->json)
    {
      g_autoptr (json_t) json = json_pack ("{s:I, s:I}", "old", (json_int_t) old.size, "new", (json_int_t) new.size);
      json_object_set_new (json, "proof", hashes_to_json (proof));
      json_object_set_new (json, "checkpoint", checkpoint_to_json (&last));
      rp_cli_print_json (cli, json);
      return TRUE;
    }
  rp_cli_note (cli, "the ledger %s of %" G_GINT64_FORMAT " events begins with the one of %" G_GINT64_FORMAT,
               last.origin, new.size, old.size);
  note_trust (cli, &source);
  return TRUE;
}
