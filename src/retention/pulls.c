/* When a manifest was last pulled: remembered in memory, written down in batches.  What is lost with a crash
 * is a minute of it. */
#include <string.h>

#include "retention/retention_priv.h"

void
rp_pulls_note (RpRetention *retention, const char *repository, const RpDigest *digest, gint64 now_us)
{
  char text[RP_DIGEST_STRING_SIZE];
  char *key = g_strconcat (repository, "@", rp_digest_format (digest, text), NULL);
  gint64 *at_us = g_new (gint64, 1);

  *at_us = now_us;
  g_mutex_lock (&retention->pulls_lock);
  g_hash_table_replace (retention->pulls, key, at_us);
  g_mutex_unlock (&retention->pulls_lock);
}

static gboolean
write_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[] = "INSERT INTO pulled VALUES ($1, $2, $3) ON CONFLICT (repository, digest)"
                            " DO UPDATE SET at_us = MAX (at_us, excluded.at_us)";
  GHashTableIter iterator;
  gpointer key, value;

  g_hash_table_iter_init (&iterator, user_data);
  while (g_hash_table_iter_next (&iterator, &key, &value))
    {
      const char *at = strchr (key, '@');
      g_autofree char *repository = g_strndup (key, (gsize) (at - (char *) key));

      if (!rp_txn_exec (txn, error, NULL, sql, "ssi", repository, at + 1, *(gint64 *) value))
        return FALSE;
    }
  return TRUE;
}

gboolean
rp_pulls_flush (RpRetention *retention, GError **error)
{
  g_autoptr (GHashTable) pulls = NULL;

  g_mutex_lock (&retention->pulls_lock);
  if (g_hash_table_size (retention->pulls) > 0)
    {
      pulls = retention->pulls;
      retention->pulls = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    }
  g_mutex_unlock (&retention->pulls_lock);
  return pulls == NULL || rp_db_write (retention->db, write_in_txn, pulls, error);
}
