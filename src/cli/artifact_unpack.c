/* An artifact from a store into a directory: as a layout, or as the files it is made of. */
#include "cli/artifact_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "driver/unpack.h"
#include "oci/manifest.h"

#define PIECE_BYTES (256 * 1024)

static GBytes *
load (const RpDigest *digest, const char *media_type, gpointer user_data, GError **error)
{
  (void) media_type;
  return rp_store_read (user_data, digest, RP_MANIFEST_LIMIT, error);
}

static RpManifest *
read_manifest (RpStore *store, const RpDigest *digest, GBytes **out_bytes, GError **error)
{
  g_autoptr (GBytes) bytes = load (digest, NULL, store, error);
  RpManifest *manifest = bytes == NULL ? NULL
                                       : rp_manifest_parse (g_bytes_get_data (bytes, NULL),
                                                            g_bytes_get_size (bytes), NULL, error);
  if (manifest != NULL && out_bytes != NULL)
    *out_bytes = g_steal_pointer (&bytes);
  return manifest;
}

/* A new file at `path` with the bytes of a blob; one that is there is an error. */
static gboolean
write_blob (RpStore *store, const RpDigest *digest, const char *path, GError **error)
{
  rp_autofd int from = rp_store_open_blob (store, digest, NULL, error);
  if (from < 0)
    return FALSE;
  rp_autofd int to = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (to < 0)
    return rp_error_set_errno (error, errno, "making %s", path);
  g_autofree guint8 *piece = g_malloc (PIECE_BYTES);
  for (;;)
    {
      gssize n = read (from, piece, PIECE_BYTES);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return rp_error_set_errno (error, errno, "reading a blob");
      if (n == 0)
        return TRUE;
      if (!rp_file_write_all (to, piece, (gsize) n, path, error))
        return FALSE;
    }
}

/* ---- layout ---- */

static gboolean
write_item (RpStore *store, const RpDigest *digest, const char *directory, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  const char *hex = strchr (rp_digest_format (digest, text), ':') + 1;
  g_autofree char *place = g_build_filename (
      directory, "blobs", rp_digest_algorithm_name (digest->algorithm), NULL);
  g_autofree char *path = g_build_filename (place, hex, NULL);
  return rp_dir_make (place, 0777, error) && write_blob (store, digest, path, error);
}

static char *
index_json (const RpManifest *manifest, const RpDigest *digest, gsize size, const char *name)
{
  char text[RP_DIGEST_STRING_SIZE];
  json_t *entry = json_object ();
  json_object_set_new (entry, "mediaType", json_string (manifest->media_type));
  json_object_set_new (entry, "digest", json_string (rp_digest_format (digest, text)));
  json_object_set_new (entry, "size", json_integer ((json_int_t) size));
  if (name != NULL)
    {
      json_t *annotations = json_object ();
      json_object_set_new (annotations, "org.opencontainers.image.ref.name", json_string (name));
      json_object_set_new (entry, "annotations", annotations);
    }
  json_t *entries = json_array ();
  json_array_append_new (entries, entry);
  g_autoptr (json_t) index = json_object ();
  json_object_set_new (index, "schemaVersion", json_integer (2));
  json_object_set_new (index, "mediaType", json_string (RP_MEDIA_OCI_INDEX));
  json_object_set_new (index, "manifests", entries);
  return rp_json_print (index);
}

static gboolean
write_text (const char *directory, const char *name, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  return rp_file_replace (path, text, strlen (text), 0644, error);
}

gboolean
rp_artifact_lay_out (RpStore *store, const RpDigest *root, const char *name, const char *directory,
                     GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (RpManifest) manifest = read_manifest (store, root, &bytes, error);
  g_autoptr (RpClosure) closure
      = manifest == NULL ? NULL : rp_closure_walk (root, NULL, load, store, error);
  if (closure == NULL)
    return FALSE;
  for (guint i = 0; i < closure->items->len; i++)
    {
      const RpClosureItem *item = closure->items->pdata[i];
      if (!write_item (store, &item->digest, directory, error))
        return FALSE;
    }
  g_autoptr (json_t) marker = json_object ();
  json_object_set_new (marker, "imageLayoutVersion", json_string ("1.0.0"));
  g_autofree char *layout = rp_json_print (marker);
  g_autofree char *index = index_json (manifest, root, g_bytes_get_size (bytes), name);
  return write_text (directory, "oci-layout", layout, error)
         && write_text (directory, "index.json", index, error);
}

/* ---- files ---- */

static gboolean
is_safe_title (const char *title)
{
  g_auto (GStrv) parts = g_strsplit (title, "/", -1);
  for (char **part = parts; *part != NULL; part++)
    {
      if (**part == '\0' || g_str_equal (*part, ".") || g_str_equal (*part, ".."))
        return FALSE;
      for (const char *p = *part; *p != '\0'; p++)
        if (g_ascii_iscntrl (*p))
          return FALSE;
    }
  return parts[0] != NULL;
}

static gboolean
is_tar (const char *media_type)
{
  return g_str_has_prefix (media_type, "application/vnd.oci.image.layer.v1.tar")
         || g_str_has_prefix (media_type, "application/vnd.docker.image.rootfs.diff.tar");
}

static gboolean
unpack_tar (RpStore *store, const RpDescriptor *layer, const char *path, GError **error)
{
  rp_autofd int fd = rp_store_open_blob (store, &layer->digest, NULL, error);
  if (fd < 0)
    return FALSE;
  if (mkdir (path, 0777) != 0)
    return rp_error_set_errno (error, errno, "making %s", path);
  RpUnpackLayer one = { fd, layer->title };
  RpUnpackLimits limits = { RP_UNPACK_ENTRIES_MAX, RP_UNPACK_BYTES_MAX };
  return rp_unpack (path, &one, 1, &limits, NULL, error);
}

static gboolean
unpack_layer (RpStore *store, const RpDescriptor *layer, const char *directory, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  if (layer->title == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "layer %s has no title (org.opencontainers.image.title), so it is not known what"
                   " file it is; pull without --unpack",
                   rp_digest_format (&layer->digest, text));
      return FALSE;
    }
  if (!is_safe_title (layer->title))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "layer %s has the title \"%.200s\", which is no path below a directory; pull"
                   " without --unpack",
                   rp_digest_format (&layer->digest, text), layer->title);
      return FALSE;
    }
  g_autofree char *path = g_build_filename (directory, layer->title, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  if (!rp_dir_make (parent, 0777, error))
    return FALSE;
  return is_tar (layer->media_type) ? unpack_tar (store, layer, path, error)
                                    : write_blob (store, &layer->digest, path, error);
}

gboolean
rp_artifact_unpack (RpStore *store, const RpDigest *digest, const char *directory, GError **error)
{
  g_autoptr (RpManifest) manifest = read_manifest (store, digest, NULL, error);
  if (manifest == NULL)
    return FALSE;
  for (guint i = 0; i < manifest->descriptors->len; i++)
    {
      const RpDescriptor *layer = manifest->descriptors->pdata[i];
      if (layer->role == RP_DESCRIPTOR_LAYER && !unpack_layer (store, layer, directory, error))
        return FALSE;
    }
  return TRUE;
}
