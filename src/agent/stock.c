#include "agent/stock.h"

#include "agent/reserve.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "oci/manifest.h"

#define UPLOAD_KEPT_US ((gint64) 24 * 3600 * G_USEC_PER_SEC)

struct RpStock {
  const RpAgentConfig *config;
  RpJournal *journal;
  RpStore *store;
  GRWLock lock; /* read: in use; written: swept */
};

typedef struct {
  RpStock *stock;
  const gint *cancelled;
  GHashTable *needed; /* RpDigest, a set */
  guint blobs;
  guint64 size_bytes;
} Sweep;

RpStock *
rp_stock_new (const RpAgentConfig *config, RpJournal *journal, RpStore *store)
{
  RpStock *stock = g_new0 (RpStock, 1);

  stock->config = config;
  stock->journal = journal;
  stock->store = store;
  g_rw_lock_init (&stock->lock);
  return stock;
}

void
rp_stock_free (RpStock *stock)
{
  if (stock == NULL)
    return;
  g_rw_lock_clear (&stock->lock);
  g_free (stock);
}

void
rp_stock_use (RpStock *stock)
{
  if (stock != NULL)
    g_rw_lock_reader_lock (&stock->lock);
}

void
rp_stock_unuse (RpStock *stock)
{
  if (stock != NULL)
    g_rw_lock_reader_unlock (&stock->lock);
}

int
rp_stock_open (RpStock *stock, const RpDigest *digest, guint64 *out_size_bytes, GError **error)
{
  int fd = -1;

  rp_stock_use (stock);
  if (rp_store_verify (stock->store, digest, error))
    fd = rp_store_open_blob (stock->store, digest, out_size_bytes, error);
  rp_stock_unuse (stock);
  return fd;
}

/* ---- what is needed ---- */

/* NULL with *out_there FALSE: it does not lie here, which is no error (another platform's, an engine's). */
static RpManifest *
read_manifest (RpStore *store, const RpDigest *digest, gboolean *out_there, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autoptr (GBytes) bytes = rp_store_read (store, digest, RP_MANIFEST_LIMIT, &failure);
  gconstpointer data;
  gsize size;

  *out_there = bytes != NULL;
  if (bytes == NULL && g_error_matches (failure, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    return NULL;
  *out_there = TRUE;
  if (bytes == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return NULL;
    }
  data = g_bytes_get_data (bytes, &size);
  return rp_manifest_parse (data, size, NULL, error);
}

/* Each manifest once, so a cycle, which digests do not allow anyway, would end too. */
static gboolean
need_closure (Sweep *sweep, const RpDigest *root, GError **error)
{
  g_autoptr (GArray) todo = g_array_new (FALSE, FALSE, sizeof (RpDigest));

  g_array_append_val (todo, *root);
  while (todo->len > 0)
    {
      RpDigest digest = g_array_index (todo, RpDigest, todo->len - 1);
      g_autoptr (RpManifest) manifest = NULL;
      gboolean there;

      g_array_set_size (todo, todo->len - 1);
      if (!g_hash_table_add (sweep->needed, rp_digest_copy (&digest)))
        continue;
      manifest = read_manifest (sweep->stock->store, &digest, &there, error);
      if (manifest == NULL && there)
        return FALSE;
      for (guint i = 0; manifest != NULL && i < manifest->descriptors->len; i++)
        {
          const RpDescriptor *descriptor = g_ptr_array_index (manifest->descriptors, i);

          if (descriptor->role == RP_DESCRIPTOR_MANIFEST)
            g_array_append_val (todo, descriptor->digest);
          else
            g_hash_table_add (sweep->needed, rp_digest_copy (&descriptor->digest));
        }
    }
  return TRUE;
}

static gboolean
find_needed (Sweep *sweep, GError **error)
{
  const GPtrArray *targets = sweep->stock->config->targets;

  g_hash_table_remove_all (sweep->needed);
  for (guint i = 0; i < targets->len; i++)
    {
      const RpTargetConfig *target = g_ptr_array_index (targets, i);
      g_autoptr (RpTargetState) state
          = rp_journal_load (sweep->stock->journal, target->name, error);
      g_autoptr (GPtrArray) entries = state != NULL ? rp_target_state_needs (state) : NULL;

      if (entries == NULL)
        return FALSE;
      for (guint j = 0; j < entries->len; j++)
        {
          const RpEntry *entry = g_ptr_array_index (entries, j);

          if (!need_closure (sweep, &entry->digest, error))
            return FALSE;
        }
    }
  return TRUE;
}

/* ---- letting go ---- */

static gboolean
stop_if_cancelled (const Sweep *sweep, GError **error)
{
  if (sweep->cancelled == NULL || g_atomic_int_get (sweep->cancelled) == 0)
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_BUSY, "something else is to be done first");
  return FALSE;
}

/* Out of sight by one rename, and gone by the next call: killed between the two it is found by drop_condemned(). */
static gboolean
let_go (const RpDigest *digest, const RpBlobInfo *info, gpointer user_data, GError **error)
{
  Sweep *sweep = user_data;

  if (g_hash_table_contains (sweep->needed, digest))
    return TRUE;
  if (!stop_if_cancelled (sweep, error) || !rp_store_condemn (sweep->stock->store, digest, error)
      || !rp_store_discard (sweep->stock->store, digest, error))
    return FALSE;
  sweep->blobs++;
  sweep->size_bytes += info->size_bytes;
  return TRUE;
}

static gboolean
drop_condemned (const RpDigest *digest, const RpBlobInfo *info, gpointer user_data, GError **error)
{
  const Sweep *sweep = user_data;

  return stop_if_cancelled (sweep, error) && rp_store_discard (sweep->stock->store, digest, error);
}

static gboolean
sweep_locked (Sweep *sweep, GError **error)
{
  RpStore *store = sweep->stock->store;
  guint uploads = 0;

  if (!rp_store_each_condemned (store, drop_condemned, sweep, error))
    return FALSE;
  if (!find_needed (sweep, error))
    {
      g_prefix_error (error, "nothing is let go of: ");
      return FALSE;
    }
  return rp_store_each (store, let_go, sweep, error)
         && rp_store_upload_expire (store, rp_clock_now_us () - UPLOAD_KEPT_US, &uploads, error);
}

/* Moving aside may take a new directory, which a full disk refuses just when letting go matters most. */
static gboolean
sweep_with_reserve (Sweep *sweep, GError **error)
{
  g_autoptr (GError) failure = NULL;

  if (sweep_locked (sweep, &failure))
    return TRUE;
  if (g_error_matches (failure, RP_ERROR, RP_ERROR_NO_SPACE)
      && rp_reserve_release (sweep->stock->config->state))
    return sweep_locked (sweep, error);
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

gboolean
rp_stock_sweep (RpStock *stock, const gint *cancelled, gboolean *out_busy, GError **error)
{
  Sweep sweep = { .stock = stock, .cancelled = cancelled };
  g_autoptr (GError) failure = NULL;
  gboolean ok;

  *out_busy = FALSE;
  if (stock == NULL)
    return TRUE;
  *out_busy = !g_rw_lock_writer_trylock (&stock->lock);
  if (*out_busy)
    return TRUE;
  sweep.needed = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, NULL);
  ok = sweep_with_reserve (&sweep, &failure);
  g_rw_lock_writer_unlock (&stock->lock);
  g_hash_table_unref (sweep.needed);
  if (sweep.blobs > 0)
    rp_log_info ("agent", "let go of %u blob(s), %" G_GUINT64_FORMAT " bytes, in the store of %s that nothing "
                 "on this host needs any more", sweep.blobs, sweep.size_bytes, stock->config->state);
  *out_busy = g_error_matches (failure, RP_ERROR, RP_ERROR_BUSY);
  if (ok || *out_busy)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}
