/* How many bytes nothing needs any more once a sweep is done. */
#include "retention/sweep.h"

typedef struct {
  RpRetention *retention;
  const RpSweep *sweep;
  GHashTable *going;   /* digest text → size + 1 */
  GHashTable *staying; /* digest text */
  guint64 bytes;
} Weigh;

/* What of the closure cannot be read weighs nothing here: the run itself never asks this. */
static void
add_parts (Weigh *weigh, guint i)
{
  const RpImage *image = weigh->sweep->images->pdata[i];
  gboolean goes = g_array_index (weigh->sweep->fates, RpFate, i).kind == RP_FATE_GOES;
  g_autoptr (RpClosure) closure = NULL;
  char text[RP_DIGEST_STRING_SIZE];
  RpDigest digest;

  if (!rp_digest_parse (image->digest, &digest, NULL))
    return;
  closure = rp_registry_kept_closure (weigh->retention->registry, weigh->sweep->repository, &digest, NULL);
  for (guint k = 0; closure != NULL && k < closure->items->len; k++)
    {
      const RpClosureItem *item = closure->items->pdata[k];
      char *name = g_strdup (rp_digest_format (&item->digest, text));

      if (goes && (!item->is_manifest || rp_digest_equal (&item->digest, &digest)))
        g_hash_table_replace (weigh->going, name, GSIZE_TO_POINTER ((gsize) item->size_bytes + 1));
      else if (!goes)
        g_hash_table_add (weigh->staying, name);
      else
        g_free (name);
    }
}

static gboolean
is_elsewhere (RpTxn *txn, const Weigh *weigh, const char *digest, gboolean *out, GError **error)
{
  static const char sql[]
      = "SELECT 1 FROM repo_blob WHERE digest = $1 AND repository <> $2"
        " UNION ALL SELECT 1 FROM manifest WHERE digest = $1 AND repository <> $2 LIMIT 1";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "ss", digest, weigh->sweep->repository);

  if (rows == NULL)
    return FALSE;
  *out = rp_rows_count (rows) > 0;
  return TRUE;
}

static gboolean
sum_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Weigh *weigh = user_data;
  GHashTableIter iterator;
  gpointer key, value;

  g_hash_table_iter_init (&iterator, weigh->going);
  while (g_hash_table_iter_next (&iterator, &key, &value))
    {
      gboolean elsewhere = FALSE;

      if (g_hash_table_contains (weigh->staying, key))
        continue;
      if (!is_elsewhere (txn, weigh, key, &elsewhere, error))
        return FALSE;
      if (!elsewhere)
        weigh->bytes += GPOINTER_TO_SIZE (value) - 1;
    }
  return TRUE;
}

gboolean
rp_sweep_weigh (RpRetention *retention, const RpSweep *sweep, guint64 *out_bytes, GError **error)
{
  g_autoptr (GHashTable) going = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) staying = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Weigh weigh = { retention, sweep, going, staying, 0 };

  for (guint i = 0; i < sweep->images->len; i++)
    add_parts (&weigh, i);
  if (!rp_db_read (retention->db, sum_in_txn, &weigh, error))
    return FALSE;
  *out_bytes = weigh.bytes;
  return TRUE;
}
