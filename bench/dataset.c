/* A ledger with many blobs and manifests in it, for measuring how a server starts on one: written as the
 * registry writes it, event by event with its projection, only in larger transactions.  The bytes of the
 * blobs are not made: nothing reads them at a start.
 *
 *   dataset DIRECTORY MANIFESTS BLOBS
 */
#include <stdio.h>
#include <string.h>

#include "access/access.h"
#include "base/json.h"
#include "base/file.h"
#include "ledger/ledger.h"
#include "registry/registry.h"
#include "release/engine.h"

#define COUNT_MAX 10000000
#define BATCH 20000
#define REPOSITORIES 1000
#define MEDIA_TYPE "application/vnd.oci.image.manifest.v1+json"

static const RpProjector *const projectors[]
    = { &rp_registry_projector, &rp_access_projector, &rp_release_projector, NULL };

typedef struct {
  RpLedger *ledger;
  const char *kind;
  guint64 from, to;
} Batch;

static gboolean
append_one (RpTxn *txn, const Batch *batch, guint64 number, GError **error)
{
  g_autofree char *name = g_strdup_printf ("%s %" G_GUINT64_FORMAT, batch->kind, number);
  g_autofree char *repository
      = g_strdup_printf ("bench/app-%" G_GUINT64_FORMAT, number % REPOSITORIES);
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, name, strlen (name));
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (json_t) body = json_object ();

  json_object_set_new (body, "repository", json_string (repository));
  json_object_set_new (body, "digest", json_string (rp_digest_format (&digest, text)));
  json_object_set_new (body, "size", json_integer (1471));
  if (g_str_equal (batch->kind, "manifest.added"))
    json_object_set_new (body, "media_type", json_string (MEDIA_TYPE));
  return rp_ledger_append (batch->ledger, txn, "bench@localhost", batch->kind, body, NULL, error);
}

static gboolean
append_batch (RpTxn *txn, gpointer user_data, GError **error)
{
  const Batch *batch = user_data;

  for (guint64 i = batch->from; i < batch->to; i++)
    if (!append_one (txn, batch, i, error))
      return FALSE;
  return TRUE;
}

/* Digests come in no order: with SQLite's usual 2 MiB nearly each would be read from the disk again. */
static gboolean
take_memory (RpTxn *txn, gpointer user_data, GError **error)
{
  return rp_txn_script (txn, "PRAGMA cache_size = -400000", error);
}

static gboolean
append_all (RpLedger *ledger, const char *kind, guint64 count, GError **error)
{
  for (guint64 from = 0; from < count; from += BATCH)
    {
      Batch batch = { ledger, kind, from, MIN (from + BATCH, count) };
      if (!rp_db_write (rp_ledger_db (ledger), append_batch, &batch, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
make (const char *directory, guint64 manifests, guint64 blobs, GError **error)
{
  g_autofree char *path = g_build_filename (directory, "repoint.db", NULL);
  g_autoptr (RpDb) db = NULL;
  g_autoptr (RpLedger) ledger = NULL;

  if (!rp_dir_make (directory, 0700, error))
    return FALSE;
  db = rp_db_open (path, error);
  ledger = db != NULL ? rp_ledger_open (db, projectors, error) : NULL;
  return ledger != NULL && rp_db_write (db, take_memory, NULL, error)
         && append_all (ledger, "blob.added", blobs, error)
         && append_all (ledger, "manifest.added", manifests, error);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  guint64 manifests, blobs;

  if (argc != 4 || !g_ascii_string_to_unsigned (argv[2], 10, 0, COUNT_MAX, &manifests, NULL)
      || !g_ascii_string_to_unsigned (argv[3], 10, 0, COUNT_MAX, &blobs, NULL))
    {
      fputs ("usage: dataset DIRECTORY MANIFESTS BLOBS\n", stderr);
      return 2;
    }
  if (make (argv[1], manifests, blobs, &error))
    return 0;
  fprintf (stderr, "dataset: %s\n", error->message);
  return 1;
}
