/* Blobs in memory, for tests and for callers' tests: the same promises, gone with the process. */
#include "store/store_ops.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"

typedef struct {
  GBytes *bytes;
  gint64 stored_at_us;
} MemBlob;

typedef struct {
  RpStore base;
  pthread_mutex_t lock;  /* of the tables and of what is in them */
  GHashTable *blobs;     /* RpDigest → MemBlob */
  GHashTable *condemned; /* as above */
  GHashTable *stagings;  /* name → MemBytes */
} MemStore;

typedef struct {
  GByteArray *bytes;
  gint64 changed_at_us;
} MemBytes;

struct RpStaging {
  char *name;
};

static void
mem_blob_free (gpointer data)
{
  MemBlob *blob = data;
  g_bytes_unref (blob->bytes);
  g_free (blob);
}

static void
mem_bytes_free (gpointer data)
{
  MemBytes *bytes = data;
  g_byte_array_unref (bytes->bytes);
  g_free (bytes);
}

static RpStore *
mem_open (const char *rest, GError **error)
{
  if (rest[0] != '\0')
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "expected nothing after \"mem:\", found \"%s\"", rest);
      return NULL;
    }
  MemStore *mem = g_new0 (MemStore, 1);
  pthread_mutex_init (&mem->lock, NULL);
  mem->blobs = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, mem_blob_free);
  mem->condemned = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, mem_blob_free);
  mem->stagings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, mem_bytes_free);
  return &mem->base;
}

static void
mem_close (RpStore *store)
{
  MemStore *mem = (MemStore *)store;
  g_hash_table_unref (mem->blobs);
  g_hash_table_unref (mem->condemned);
  g_hash_table_unref (mem->stagings);
  pthread_mutex_destroy (&mem->lock);
  g_free (mem);
}

static gboolean
stat_in (MemStore *mem, GHashTable *table, const RpDigest *digest, RpBlobInfo *out)
{
  pthread_mutex_lock (&mem->lock);
  const MemBlob *blob = g_hash_table_lookup (table, digest);
  if (blob != NULL)
    *out = (RpBlobInfo){ g_bytes_get_size (blob->bytes), blob->stored_at_us };
  pthread_mutex_unlock (&mem->lock);
  return blob != NULL;
}

static gboolean
mem_stat (RpStore *store, const RpDigest *digest, RpBlobInfo *out, GError **error)
{
  MemStore *mem = (MemStore *)store;
  return stat_in (mem, mem->blobs, digest, out) || rp_store_unknown (digest, error);
}

/* Callers want a descriptor; -1 with error set. */
static int
descriptor_of (const void *data, gsize size, GError **error)
{
  rp_autofd int fd = memfd_create ("repoint-blob", MFD_CLOEXEC);
  if (fd < 0)
    {
      rp_error_set_errno (error, errno, "making a memory file");
      return -1;
    }
  if (!rp_file_write_all (fd, data, size, "a memory file", error))
    return -1;
  if (lseek (fd, 0, SEEK_SET) != 0)
    {
      rp_error_set_errno (error, errno, "rewinding a memory file");
      return -1;
    }
  int result = fd;
  fd = -1;
  return result;
}

static int
mem_open_blob (RpStore *store, const RpDigest *digest, guint64 *out_size, GError **error)
{
  MemStore *mem = (MemStore *)store;
  int fd = -1;
  pthread_mutex_lock (&mem->lock);
  const MemBlob *blob = g_hash_table_lookup (mem->blobs, digest);
  if (blob != NULL)
    {
      gsize size;
      const void *data = g_bytes_get_data (blob->bytes, &size);
      fd = descriptor_of (data, size, error);
      *out_size = size;
    }
  pthread_mutex_unlock (&mem->lock);
  if (blob == NULL)
    (void)rp_store_unknown (digest, error);
  return fd;
}

static gboolean
mem_quarantine (RpStore *store, const RpDigest *digest, GError **error)
{
  MemStore *mem = (MemStore *)store;
  pthread_mutex_lock (&mem->lock);
  g_hash_table_remove (mem->blobs, digest);
  pthread_mutex_unlock (&mem->lock);
  return TRUE;
}

static gboolean
visit_all (MemStore *mem, GHashTable *table, RpStoreVisit visit, gpointer user_data,
           GError **error)
{
  /* A copy of the keys: `visit` may call the store. */
  g_autoptr (GPtrArray) digests = g_ptr_array_new_with_free_func (g_free);
  pthread_mutex_lock (&mem->lock);
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    g_ptr_array_add (digests, rp_digest_copy (key));
  pthread_mutex_unlock (&mem->lock);
  for (guint i = 0; i < digests->len; i++)
    {
      RpBlobInfo info;
      if (stat_in (mem, table, g_ptr_array_index (digests, i), &info)
          && !visit (g_ptr_array_index (digests, i), &info, user_data, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
mem_each (RpStore *store, RpStoreVisit visit, gpointer user_data, GError **error)
{
  MemStore *mem = (MemStore *)store;
  return visit_all (mem, mem->blobs, visit, user_data, error);
}

static gboolean
mem_each_condemned (RpStore *store, RpStoreVisit visit, gpointer user_data, GError **error)
{
  MemStore *mem = (MemStore *)store;
  return visit_all (mem, mem->condemned, visit, user_data, error);
}

/* ---- condemned ---- */

static gboolean
mem_touch (RpStore *store, const RpDigest *digest, gint64 at_us, GError **error)
{
  MemStore *mem = (MemStore *)store;
  pthread_mutex_lock (&mem->lock);
  MemBlob *blob = g_hash_table_lookup (mem->blobs, digest);
  if (blob != NULL)
    blob->stored_at_us = at_us;
  pthread_mutex_unlock (&mem->lock);
  return blob != NULL || rp_store_unknown (digest, error);
}

/* FALSE if there is none in `from`. Under lock. */
static gboolean
move_blob (GHashTable *from, GHashTable *to, const RpDigest *digest)
{
  gpointer key, blob;
  if (!g_hash_table_steal_extended (from, digest, &key, &blob))
    return FALSE;
  g_hash_table_replace (to, key, blob);
  return TRUE;
}

static gboolean
mem_condemn (RpStore *store, const RpDigest *digest, GError **error)
{
  MemStore *mem = (MemStore *)store;
  pthread_mutex_lock (&mem->lock);
  (void)move_blob (mem->blobs, mem->condemned, digest);
  pthread_mutex_unlock (&mem->lock);
  return TRUE;
}

static gboolean
mem_recall (RpStore *store, const RpDigest *digest, gboolean *out_found, GError **error)
{
  MemStore *mem = (MemStore *)store;
  pthread_mutex_lock (&mem->lock);
  MemBlob *blob = g_hash_table_lookup (mem->blobs, digest);
  if (blob == NULL && move_blob (mem->condemned, mem->blobs, digest))
    blob = g_hash_table_lookup (mem->blobs, digest);
  if (blob != NULL)
    blob->stored_at_us = rp_clock_now_us ();
  pthread_mutex_unlock (&mem->lock);
  *out_found = blob != NULL;
  return TRUE;
}

static gboolean
mem_discard (RpStore *store, const RpDigest *digest, GError **error)
{
  MemStore *mem = (MemStore *)store;
  pthread_mutex_lock (&mem->lock);
  g_hash_table_remove (mem->condemned, digest);
  pthread_mutex_unlock (&mem->lock);
  return TRUE;
}

static gboolean
mem_space (RpStore *store, guint64 *out_free, guint64 *out_total, GError **error)
{
  *out_free = *out_total = G_MAXINT64;
  return TRUE;
}

/* ---- stagings ---- */

static RpStaging *
mem_staging_open (RpStore *store, const char *name, gboolean create, guint64 *out_size,
                  GError **error)
{
  MemStore *mem = (MemStore *)store;
  pthread_mutex_lock (&mem->lock);
  MemBytes *bytes = g_hash_table_lookup (mem->stagings, name);
  if (bytes == NULL && create)
    {
      bytes = g_new (MemBytes, 1);
      bytes->bytes = g_byte_array_new ();
      bytes->changed_at_us = rp_clock_now_us ();
      g_hash_table_insert (mem->stagings, g_strdup (name), bytes);
    }
  guint64 size = bytes != NULL ? bytes->bytes->len : 0;
  pthread_mutex_unlock (&mem->lock);
  if (bytes == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_UPLOAD_UNKNOWN,
                   "there is no upload %.36s here: start a new one", name);
      return NULL;
    }
  *out_size = size;
  RpStaging *staging = g_new (RpStaging, 1);
  staging->name = g_strdup (name);
  return staging;
}

static gboolean
mem_staging_append (RpStore *store, RpStaging *staging, guint64 offset, const void *data,
                    gsize size, GError **error)
{
  MemStore *mem = (MemStore *)store;
  if (size > G_MAXINT || offset + size > G_MAXINT)
    return rp_error_set_errno (error, ENOSPC, "keeping the upload %.36s in memory", staging->name);
  pthread_mutex_lock (&mem->lock);
  MemBytes *bytes = g_hash_table_lookup (mem->stagings, staging->name);
  g_assert (bytes != NULL && bytes->bytes->len == offset);
  g_byte_array_append (bytes->bytes, data, (guint)size);
  bytes->changed_at_us = rp_clock_now_us ();
  pthread_mutex_unlock (&mem->lock);
  return TRUE;
}

static int
mem_staging_fd (RpStore *store, RpStaging *staging, GError **error)
{
  MemStore *mem = (MemStore *)store;
  pthread_mutex_lock (&mem->lock);
  const MemBytes *bytes = g_hash_table_lookup (mem->stagings, staging->name);
  int fd = descriptor_of (bytes->bytes->data, bytes->bytes->len, error);
  pthread_mutex_unlock (&mem->lock);
  return fd;
}

static gboolean
mem_staging_publish (RpStore *store, RpStaging *staging, guint64 size, const RpDigest *digest,
                     GError **error)
{
  MemStore *mem = (MemStore *)store;
  MemBlob *blob = g_new (MemBlob, 1);
  blob->stored_at_us = rp_clock_now_us ();
  pthread_mutex_lock (&mem->lock);
  const MemBytes *bytes = g_hash_table_lookup (mem->stagings, staging->name);
  blob->bytes = g_bytes_new (bytes->bytes->data, size);
  g_hash_table_replace (mem->blobs, rp_digest_copy (digest), blob);
  g_hash_table_remove (mem->stagings, staging->name);
  pthread_mutex_unlock (&mem->lock);
  return TRUE;
}

static gboolean
mem_staging_drop (RpStore *store, RpStaging *staging, GError **error)
{
  MemStore *mem = (MemStore *)store;
  pthread_mutex_lock (&mem->lock);
  g_hash_table_remove (mem->stagings, staging->name);
  pthread_mutex_unlock (&mem->lock);
  return TRUE;
}

static void
mem_staging_close (RpStore *store, RpStaging *staging)
{
  g_free (staging->name);
  g_free (staging);
}

static gboolean
mem_staging_each (RpStore *store, RpStagingVisit visit, gpointer user_data, GError **error)
{
  typedef struct {
    char *name;
    gint64 changed_at_us;
  } Entry;
  MemStore *mem = (MemStore *)store;
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  pthread_mutex_lock (&mem->lock);
  GHashTableIter iter;
  gpointer name, bytes;
  g_hash_table_iter_init (&iter, mem->stagings);
  while (g_hash_table_iter_next (&iter, &name, &bytes))
    {
      Entry entry = { g_strdup (name), ((MemBytes *)bytes)->changed_at_us };
      g_array_append_val (entries, entry);
    }
  pthread_mutex_unlock (&mem->lock);
  gboolean ok = TRUE;
  for (guint i = 0; i < entries->len; i++)
    {
      Entry *entry = &g_array_index (entries, Entry, i);
      ok = ok && visit (entry->name, entry->changed_at_us, user_data, error);
      g_free (entry->name);
    }
  return ok;
}

const RpStoreOps rp_store_mem_ops = {
  .scheme = "mem",
  .open = mem_open,
  .close = mem_close,
  .stat = mem_stat,
  .open_blob = mem_open_blob,
  .quarantine = mem_quarantine,
  .each = mem_each,
  .touch = mem_touch,
  .condemn = mem_condemn,
  .recall = mem_recall,
  .discard = mem_discard,
  .each_condemned = mem_each_condemned,
  .space = mem_space,
  .staging_open = mem_staging_open,
  .staging_append = mem_staging_append,
  .staging_fd = mem_staging_fd,
  .staging_publish = mem_staging_publish,
  .staging_drop = mem_staging_drop,
  .staging_close = mem_staging_close,
  .staging_each = mem_staging_each,
};
