#include "server/manifest_cache.h"

#define ENTRIES_MAX 256
#define ENTRY_BYTES_MAX (64 * 1024)

typedef struct {
  RpManifestInfo info;
  GBytes *bytes;
} Entry;

struct RpManifestCache {
  GMutex lock;
  /* under lock; all of one sequence */
  gint64 seq;
  GHashTable *entries; /* "repository\nreference" → Entry */
};

static void
free_entry (gpointer data)
{
  Entry *entry = data;

  rp_manifest_info_clear (&entry->info);
  g_bytes_unref (entry->bytes);
  g_free (entry);
}

static void
copy_info (const RpManifestInfo *from, RpManifestInfo *to)
{
  *to = *from;
  to->media_type = g_strdup (from->media_type);
}

RpManifestCache *
rp_manifest_cache_new (void)
{
  RpManifestCache *cache = g_new0 (RpManifestCache, 1);

  g_mutex_init (&cache->lock);
  cache->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_entry);
  return cache;
}

void
rp_manifest_cache_free (RpManifestCache *cache)
{
  if (cache == NULL)
    return;
  g_hash_table_unref (cache->entries);
  g_mutex_clear (&cache->lock);
  g_free (cache);
}

gboolean
rp_manifest_cache_get (RpManifestCache *cache, gint64 seq, const char *repository,
                       const char *reference, RpManifestInfo *out, GBytes **out_bytes)
{
  g_autofree char *key = g_strconcat (repository, "\n", reference, NULL);
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&cache->lock);
  const Entry *entry = cache->seq == seq ? g_hash_table_lookup (cache->entries, key) : NULL;

  if (entry == NULL)
    return FALSE;
  copy_info (&entry->info, out);
  *out_bytes = g_bytes_ref (entry->bytes);
  return TRUE;
}

void
rp_manifest_cache_put (RpManifestCache *cache, gint64 seq, const char *repository,
                       const char *reference, const RpManifestInfo *info, GBytes *bytes)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&cache->lock);
  Entry *entry;

  if (g_bytes_get_size (bytes) > ENTRY_BYTES_MAX || seq < cache->seq)
    return;
  if (seq > cache->seq || g_hash_table_size (cache->entries) >= ENTRIES_MAX)
    g_hash_table_remove_all (cache->entries);
  cache->seq = seq;
  entry = g_new0 (Entry, 1);
  copy_info (info, &entry->info);
  entry->bytes = g_bytes_ref (bytes);
  g_hash_table_insert (cache->entries, g_strconcat (repository, "\n", reference, NULL), entry);
}
