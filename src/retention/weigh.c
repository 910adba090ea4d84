/* How many bytes nothing needs any more once a sweep is done. */
#include "retention/sweep.h"

typedef struct {
  RpRetention *retention;
  const RpSweep *sweep;
  GHashTable *going;   /* digest text, as the next */
  GHashTable *staying;
  guint64 bytes;
} Weigh;

/* digest → whether its image goes. */
static GHashTable *
index_fates (const RpSweep *sweep)
{
  GHashTable *goes = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < sweep->images->len; i++)
    {
      const RpImage *image = sweep->images->pdata[i];
      gboolean is_going = g_array_index (sweep->fates, RpFate, i).kind == RP_FATE_GOES;
      g_hash_table_insert (goes, image->digest, GINT_TO_POINTER (is_going));
    }
  return goes;
}

/* What each image consists of, as the registry keeps it for its collections: no manifest is read.  What was pushed
 * since the look is in no image, and stays. */
static gboolean
load_parts (RpTxn *txn, Weigh *weigh, GError **error)
{
  static const char sql[]
      = "WITH RECURSIVE part (root, digest) AS (SELECT digest, digest FROM manifest WHERE repository = $1"
        " UNION SELECT part.root, edge.digest FROM part JOIN edge ON edge.manifest = part.digest)"
        " SELECT root, digest FROM part";
  g_autoptr (GHashTable) goes = index_fates (weigh->sweep);
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "s", weigh->sweep->repository);

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      gboolean is_going
          = GPOINTER_TO_INT (g_hash_table_lookup (goes, rp_rows_text (rows, i, 0))) != 0;
      g_hash_table_add (is_going ? weigh->going : weigh->staying,
                        g_strdup (rp_rows_text (rows, i, 1)));
    }
  return TRUE;
}

/* 0 if another repository has it, too. */
static gboolean
weigh_one (RpTxn *txn, const Weigh *weigh, const char *digest, guint64 *out_bytes, GError **error)
{
  static const char sql[]
      = "SELECT repository, size FROM repo_blob WHERE digest = $1"
        " UNION ALL SELECT repository, size FROM manifest WHERE digest = $1";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "s", digest);

  if (rows == NULL)
    return FALSE;
  *out_bytes = 0;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      if (!g_str_equal (rp_rows_text (rows, i, 0), weigh->sweep->repository))
        {
          *out_bytes = 0;
          return TRUE;
        }
      *out_bytes = (guint64) rp_rows_int (rows, i, 1);
    }
  return TRUE;
}

static gboolean
sum_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Weigh *weigh = user_data;
  GHashTableIter iterator;
  gpointer key;

  if (!load_parts (txn, weigh, error))
    return FALSE;
  g_hash_table_iter_init (&iterator, weigh->going);
  while (g_hash_table_iter_next (&iterator, &key, NULL))
    {
      guint64 size_bytes = 0;

      if (g_hash_table_contains (weigh->staying, key))
        continue;
      if (!weigh_one (txn, weigh, key, &size_bytes, error))
        return FALSE;
      weigh->bytes += size_bytes;
    }
  return TRUE;
}

gboolean
rp_sweep_weigh (RpRetention *retention, const RpSweep *sweep, guint64 *out_bytes, GError **error)
{
  g_autoptr (GHashTable) going = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) staying = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Weigh weigh = { retention, sweep, going, staying, 0 };

  if (!rp_db_read (retention->db, sum_in_txn, &weigh, error))
    return FALSE;
  *out_bytes = weigh.bytes;
  return TRUE;
}
