/* Files into an artifact, the same bytes every time. */
#include "cli/artifact_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "oci/manifest.h"

#define SCOPE       "artifact"
#define PIECE_BYTES (256 * 1024)
#define DEPTH_MAX   100
#define MEDIA_FILE  "application/octet-stream"
#define MEDIA_TAR   "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_EMPTY "application/vnd.oci.empty.v1+json"

/* ---- a blob that is being written ---- */

typedef struct {
  RpUpload *upload;
  RpHasher *hasher;
  GError *error; /* of a callback of libarchive */
} Blob;

static void
blob_clear (Blob *blob)
{
  g_clear_pointer (&blob->upload, rp_upload_close);
  g_clear_pointer (&blob->hasher, rp_hasher_free);
  g_clear_error (&blob->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Blob, blob_clear)

static gboolean
blob_begin (Blob *blob, RpStore *store, GError **error)
{
  blob->hasher = rp_hasher_new (RP_DIGEST_SHA256);
  blob->upload = rp_upload_new (store, SCOPE, error);
  return blob->upload != NULL;
}

static gboolean
blob_add (Blob *blob, const void *data, gsize size, GError **error)
{
  rp_hasher_update (blob->hasher, data, size);
  return rp_upload_append (blob->upload, data, size, error);
}

static json_t *
describe (const char *media_type, const RpDigest *digest, guint64 size_bytes)
{
  char text[RP_DIGEST_STRING_SIZE];
  json_t *descriptor = json_object ();
  json_object_set_new (descriptor, "mediaType", json_string (media_type));
  json_object_set_new (descriptor, "digest", json_string (rp_digest_format (digest, text)));
  json_object_set_new (descriptor, "size", json_integer ((json_int_t) size_bytes));
  return descriptor;
}

static json_t *
blob_end (Blob *blob, const char *media_type, const char *title, GError **error)
{
  RpDigest digest = rp_hasher_peek (blob->hasher);
  guint64 size_bytes = rp_upload_size (blob->upload);
  if (!rp_upload_commit (blob->upload, &digest, error))
    return NULL;
  json_t *annotations = json_object ();
  json_object_set_new (annotations, "org.opencontainers.image.title", json_string (title));
  json_t *descriptor = describe (media_type, &digest, size_bytes);
  json_object_set_new (descriptor, "annotations", annotations);
  return descriptor;
}

/* ---- a file ---- */

typedef gboolean (*Sink) (gpointer sink, const void *data, gsize size, GError **error);

static gboolean
copy_file (const char *path, gint64 expected_bytes, Sink sink, gpointer data, GError **error)
{
  g_autofree guint8 *piece = g_malloc (PIECE_BYTES);
  rp_autofd int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0)
    return rp_error_set_errno (error, errno, "opening %s", path);
  gint64 done = 0;
  for (;;)
    {
      gssize n = read (fd, piece, PIECE_BYTES);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return rp_error_set_errno (error, errno, "reading %s", path);
      if (n == 0)
        break;
      done += n;
      if (done > expected_bytes)
        break;
      if (!sink (data, piece, (gsize) n, error))
        return FALSE;
    }
  if (done == expected_bytes)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s changed while it was read; try again", path);
  return FALSE;
}

static gboolean
to_blob (gpointer sink, const void *data, gsize size, GError **error)
{
  return blob_add (sink, data, size, error);
}

static json_t *
pack_file (RpStore *store, const char *path, gint64 size_bytes, const char *title, GError **error)
{
  g_auto (Blob) blob = { 0 };
  if (!blob_begin (&blob, store, error) || !copy_file (path, size_bytes, to_blob, &blob, error))
    return NULL;
  return blob_end (&blob, MEDIA_FILE, title, error);
}

/* ---- a directory ---- */

static la_ssize_t
write_piece (struct archive *archive, void *user_data, const void *data, size_t size)
{
  Blob *blob = user_data;
  (void) archive;
  return blob_add (blob, data, size, &blob->error) ? (la_ssize_t) size : -1;
}

static gboolean
tar_failed (struct archive *tar, const char *path, GError **error)
{
  const char *why = archive_error_string (tar);
  g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "adding %s to a tar: %s", path,
               why != NULL ? why : "unknown error");
  return FALSE;
}

static gboolean
to_tar (gpointer sink, const void *data, gsize size, GError **error)
{
  struct archive *tar = sink;
  return archive_write_data (tar, data, size) == (la_ssize_t) size
         || tar_failed (tar, "a file", error);
}

/* Modes are 0755 and 0644, as far as execution goes: a umask must not change the digest. */
static gboolean
add_entry (struct archive *tar, const char *path, const char *name, const struct stat *info,
           GError **error)
{
  struct archive_entry *entry = archive_entry_new ();
  gboolean ok = TRUE;
  archive_entry_set_pathname (entry, name);
  archive_entry_set_mtime (entry, 0, 0);
  archive_entry_set_size (entry, 0);
  if (S_ISLNK (info->st_mode))
    {
      g_autofree char *target = g_file_read_link (path, error);
      ok = target != NULL;
      archive_entry_set_filetype (entry, AE_IFLNK);
      archive_entry_set_perm (entry, 0777);
      archive_entry_set_symlink (entry, target);
    }
  else
    {
      gboolean executable = S_ISDIR (info->st_mode) || (info->st_mode & 0100) != 0;
      archive_entry_set_filetype (entry, S_ISDIR (info->st_mode) ? AE_IFDIR : AE_IFREG);
      archive_entry_set_perm (entry, executable ? 0755 : 0644);
      if (S_ISREG (info->st_mode))
        archive_entry_set_size (entry, info->st_size);
    }
  ok = ok && (archive_write_header (tar, entry) == ARCHIVE_OK || tar_failed (tar, path, error));
  archive_entry_free (entry);
  return ok && (!S_ISREG (info->st_mode) || copy_file (path, info->st_size, to_tar, tar, error));
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* In byte order, whatever the file system's. */
static GPtrArray *
list_names (const char *path, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, error);
  const char *name;
  if (dir == NULL)
    return NULL;
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  while ((name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  return names;
}

static gboolean add_tree (struct archive *tar, const char *path, const char *prefix, guint depth,
                          GError **error);

static gboolean
add_path (struct archive *tar, const char *path, const char *name, guint depth, GError **error)
{
  struct stat info;
  if (lstat (path, &info) != 0)
    return rp_error_set_errno (error, errno, "looking at %s", path);
  if (!S_ISREG (info.st_mode) && !S_ISDIR (info.st_mode) && !S_ISLNK (info.st_mode))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "%s is no file, directory or symbolic link; leave it out", path);
      return FALSE;
    }
  return add_entry (tar, path, name, &info, error)
         && (!S_ISDIR (info.st_mode) || add_tree (tar, path, name, depth + 1, error));
}

static gboolean
add_tree (struct archive *tar, const char *path, const char *prefix, guint depth, GError **error)
{
  if (depth > DEPTH_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE, "%s is more than %d directories deep", path,
                   DEPTH_MAX);
      return FALSE;
    }
  g_autoptr (GPtrArray) names = list_names (path, error);
  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *below = g_build_filename (path, names->pdata[i], NULL);
      g_autofree char *name = prefix == NULL ? g_strdup (names->pdata[i])
                                             : g_strconcat (prefix, "/", names->pdata[i], NULL);
      if (!add_path (tar, below, name, depth, error))
        return FALSE;
    }
  return names != NULL;
}

static json_t *
pack_directory (RpStore *store, const char *path, const char *title, GError **error)
{
  g_auto (Blob) blob = { 0 };
  if (!blob_begin (&blob, store, error))
    return NULL;
  struct archive *tar = archive_write_new ();
  gboolean ok
      = (archive_write_set_format_pax_restricted (tar) == ARCHIVE_OK
         && archive_write_set_option (tar, NULL, "hdrcharset", "BINARY") != ARCHIVE_FATAL
         && archive_write_set_bytes_per_block (tar, PIECE_BYTES) == ARCHIVE_OK
         && archive_write_set_bytes_in_last_block (tar, 1) == ARCHIVE_OK
         && archive_write_open (tar, &blob, NULL, write_piece, NULL) == ARCHIVE_OK)
        || tar_failed (tar, path, error);
  ok = ok && add_tree (tar, path, NULL, 0, error)
       && (archive_write_close (tar) == ARCHIVE_OK || tar_failed (tar, path, error));
  archive_write_free (tar);
  if (blob.error != NULL)
    {
      g_clear_error (error);
      g_propagate_error (error, g_steal_pointer (&blob.error));
      return NULL;
    }
  return ok ? blob_end (&blob, MEDIA_TAR, title, error) : NULL;
}

/* ---- the artifact ---- */

static json_t *
pack_path (RpStore *store, const char *path, GHashTable *titles, GError **error)
{
  struct stat info;
  char real[PATH_MAX];
  g_autofree char *canonical = g_canonicalize_filename (path, NULL);
  g_autofree char *title = g_path_get_basename (canonical);
  if (realpath (canonical, real) == NULL || stat (real, &info) != 0)
    {
      rp_error_set_errno (error, errno, "looking at %s", path);
      return NULL;
    }
  if (!g_utf8_validate (title, -1, NULL) || *title == '/' || !g_hash_table_add (titles, g_strdup (title)))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "%s: its last part is what it is called in the artifact, and must be UTF-8 and"
                   " different from the others",
                   path);
      return NULL;
    }
  if (S_ISDIR (info.st_mode))
    return pack_directory (store, real, title, error);
  if (S_ISREG (info.st_mode))
    return pack_file (store, real, info.st_size, title, error);
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s is neither a file nor a directory", path);
  return NULL;
}

static json_t *
pack_layers (RpStore *store, char **paths, GError **error)
{
  g_autoptr (json_t) layers = json_array ();
  g_autoptr (GHashTable) titles = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (char **path = paths; *path != NULL; path++)
    {
      json_t *layer = pack_path (store, *path, titles, error);
      if (layer == NULL)
        return NULL;
      json_array_append_new (layers, layer);
    }
  return g_steal_pointer (&layers);
}

gboolean
rp_artifact_pack (RpStore *store, char **paths, const char *artifact_type, RpDigest *out,
                  GError **error)
{
  RpDigest empty = rp_digest_of (RP_DIGEST_SHA256, "{}", 2);
  json_t *layers = pack_layers (store, paths, error);
  if (layers == NULL)
    return FALSE;
  g_autoptr (json_t) manifest = json_object ();
  json_object_set_new (manifest, "schemaVersion", json_integer (2));
  json_object_set_new (manifest, "mediaType", json_string (RP_MEDIA_OCI_MANIFEST));
  json_object_set_new (manifest, "artifactType", json_string (artifact_type));
  json_object_set_new (manifest, "config", describe (MEDIA_EMPTY, &empty, 2));
  json_object_set_new (manifest, "layers", layers);
  g_autofree char *text = rp_json_print (manifest);
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, text, strlen (text));
  if (!rp_store_put (store, &empty, "{}", 2, error)
      || !rp_store_put (store, &digest, text, strlen (text), error))
    return FALSE;
  *out = digest;
  return TRUE;
}
