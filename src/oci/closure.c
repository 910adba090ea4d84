#include "oci/closure.h"

#include "base/error.h"

#define DEPTH_MAX 8      /* index in index in … */
#define ITEMS_MAX 100000 /* of one closure */

typedef struct {
  RpManifestLoader load;
  gpointer user_data;
  RpClosure *closure;
  GHashTable *known; /* RpDigest → RpClosureItem; keys and values borrowed from `closure` */
  GHashTable *open;  /* RpDigest: manifests between root and here, to see a cycle */
  GString *path;     /* `sha256:aa… → sha256:bb…`, for messages */
} Walk;

static void
item_free (gpointer data)
{
  RpClosureItem *item = data;
  g_free (item->media_type);
  g_free (item->platform);
  g_free (item);
}

void
rp_closure_free (RpClosure *closure)
{
  if (!closure)
    return;
  g_ptr_array_unref (closure->items);
  g_free (closure);
}

/* Two descriptors of one digest cannot both be right about different sizes. */
static gboolean
same_size (const RpClosureItem *known, guint64 size_bytes, GError **error)
{
  if (known->size_bytes == size_bytes)
    return TRUE;
  char text[RP_DIGEST_STRING_SIZE];
  g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_INVALID,
               "%s is described with two sizes, %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT
               " bytes",
               rp_digest_format (&known->digest, text), known->size_bytes, size_bytes);
  return FALSE;
}

static void
forget (Walk *walk, RpClosureItem *item)
{
  walk->closure->total_bytes -= item->size_bytes;
  g_hash_table_remove (walk->known, &item->digest);
  g_ptr_array_remove (walk->closure->items, item);
}

/* Takes ownership of `item`. */
static gboolean
keep (Walk *walk, RpClosureItem *item, GError **error)
{
  g_ptr_array_add (walk->closure->items, item);
  g_hash_table_insert (walk->known, &item->digest, item);
  if (walk->closure->items->len > ITEMS_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "the artifact consists of more than %d blobs and manifests", ITEMS_MAX);
      return FALSE;
    }
  if (!g_uint64_checked_add (&walk->closure->total_bytes, walk->closure->total_bytes,
                             item->size_bytes))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "the sizes in the artifact's manifests add up to more than 64 bits hold");
      return FALSE;
    }
  return TRUE;
}

static RpClosureItem *
item_new (const RpDigest *digest, const char *media_type, const char *platform, guint64 size_bytes)
{
  RpClosureItem *item = g_new0 (RpClosureItem, 1);
  item->digest = *digest;
  item->media_type = g_strdup (media_type);
  item->platform = g_strdup (platform);
  item->size_bytes = size_bytes;
  return item;
}

static gboolean
add_blob (Walk *walk, const RpDescriptor *descriptor, GError **error)
{
  const RpClosureItem *known = g_hash_table_lookup (walk->known, &descriptor->digest);
  if (known)
    return same_size (known, descriptor->size_bytes, error);
  if (g_hash_table_contains (walk->open, &descriptor->digest))
    return TRUE; /* a manifest on the way to the root: comes in as such */
  return keep (walk,
               item_new (&descriptor->digest, descriptor->media_type, NULL, descriptor->size_bytes),
               error);
}

static gboolean add_manifest (Walk *walk, const RpDigest *digest, const char *media_type,
                              const char *platform, const guint64 *told_size, GError **error);

static gboolean
add_descriptors (Walk *walk, const RpManifest *manifest, GError **error)
{
  for (guint i = 0; i < manifest->descriptors->len; i++)
    {
      const RpDescriptor *descriptor = g_ptr_array_index (manifest->descriptors, i);
      if (descriptor->foreign)
        continue;
      gboolean ok = descriptor->role == RP_DESCRIPTOR_MANIFEST
                        ? add_manifest (walk, &descriptor->digest, descriptor->media_type,
                                        descriptor->platform, &descriptor->size_bytes, error)
                        : add_blob (walk, descriptor, error);
      if (!ok)
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_bytes (const RpDigest *digest, gsize size, const guint64 *told_size, GError **error)
{
  if (!told_size || *told_size == size)
    return TRUE;
  char text[RP_DIGEST_STRING_SIZE];
  g_set_error (error, RP_ERROR, RP_ERROR_SIZE_INVALID,
               "manifest %s has %zu bytes, its index says %" G_GUINT64_FORMAT,
               rp_digest_format (digest, text), size, *told_size);
  return FALSE;
}

/* Children first, then the manifest itself. */
static gboolean
visit_manifest (Walk *walk, const RpDigest *digest, const char *media_type, const char *platform,
                const guint64 *told_size, GError **error)
{
  g_autoptr (GBytes) bytes = walk->load (digest, media_type, walk->user_data, error);
  if (!bytes)
    return FALSE;
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);
  if (!check_bytes (digest, size, told_size, error))
    return FALSE;
  g_autoptr (RpManifest) manifest = rp_manifest_parse (data, size, media_type, error);
  if (!manifest || !add_descriptors (walk, manifest, error))
    return FALSE;
  RpClosureItem *item = item_new (digest, manifest->media_type, platform, size);
  item->is_manifest = TRUE;
  return keep (walk, item, error);
}

static gboolean
check_depth (Walk *walk, const RpDigest *digest, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  if (g_hash_table_contains (walk->open, digest))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE, "index %s contains itself",
                   rp_digest_format (digest, text));
      return FALSE;
    }
  if (g_hash_table_size (walk->open) >= DEPTH_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE, "indexes are nested deeper than %d levels",
                   DEPTH_MAX);
      return FALSE;
    }
  return TRUE;
}

static gboolean
add_manifest (Walk *walk, const RpDigest *digest, const char *media_type, const char *platform,
              const guint64 *told_size, GError **error)
{
  RpClosureItem *known = g_hash_table_lookup (walk->known, digest);
  if (known && known->is_manifest)
    return !told_size || same_size (known, *told_size, error);
  if (!check_depth (walk, digest, error))
    return FALSE;
  if (known) /* met as a plain blob before; what it names must come before it */
    forget (walk, known);

  char text[RP_DIGEST_STRING_SIZE];
  gsize path_length = walk->path->len;
  g_string_append_printf (walk->path, "%s%s", path_length ? " → " : "",
                          rp_digest_format (digest, text));
  g_hash_table_add (walk->open, (gpointer)digest);
  if (!visit_manifest (walk, digest, media_type, platform, told_size, error))
    return FALSE; /* the path stays, for the message */
  g_hash_table_remove (walk->open, digest);
  g_string_truncate (walk->path, path_length);
  return TRUE;
}

RpClosure *
rp_closure_walk (const RpDigest *root, const char *media_type, RpManifestLoader load,
                 gpointer user_data, GError **error)
{
  g_autoptr (RpClosure) closure = g_new0 (RpClosure, 1);
  closure->items = g_ptr_array_new_with_free_func (item_free);
  g_autoptr (GHashTable) known = g_hash_table_new (rp_digest_hash, rp_digest_equal);
  g_autoptr (GHashTable) open = g_hash_table_new (rp_digest_hash, rp_digest_equal);
  g_autoptr (GString) path = g_string_new (NULL);
  Walk walk = { load, user_data, closure, known, open, path };
  if (!add_manifest (&walk, root, media_type, NULL, NULL, error))
    {
      g_prefix_error (error, "%s: ", path->str);
      return NULL;
    }
  return g_steal_pointer (&closure);
}
