#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/bundle.h"

#define PIECE_BYTES (256 * 1024)

typedef struct {
  struct archive *tar;
  RpStore *store;
  GPtrArray *blobs; /* RpDigest */
} Writer;

void
rp_bundle_root_free (gpointer data)
{
  RpBundleRoot *root = data;
  g_free (root->name);
  g_free (root);
}

GBytes *
rp_bundle_load (const RpDigest *digest, const char *media_type, gpointer store, GError **error)
{
  (void) media_type;
  return rp_store_read (store, digest, RP_MANIFEST_LIMIT, error);
}

int
rp_bundle_open_blob (const RpDigest *digest, guint64 size_bytes, gpointer store, GError **error)
{
  (void) size_bytes;
  return rp_store_open_blob (store, digest, NULL, error);
}

static gboolean
fail (Writer *writer, GError **error)
{
  int err = archive_errno (writer->tar);
  return rp_error_set_errno (error, err > 0 ? err : EIO, "writing the archive: %s",
                             archive_error_string (writer->tar));
}

static gboolean
put_header (Writer *writer, const char *name, guint64 size_bytes, GError **error)
{
  struct archive_entry *entry = archive_entry_new ();
  gboolean is_dir = g_str_has_suffix (name, "/");
  archive_entry_set_pathname (entry, name);
  archive_entry_set_filetype (entry, is_dir ? AE_IFDIR : AE_IFREG);
  archive_entry_set_perm (entry, is_dir ? 0755 : 0644);
  archive_entry_set_size (entry, (la_int64_t) size_bytes);
  archive_entry_set_mtime (entry, 0, 0);
  int status = archive_write_header (writer->tar, entry);
  archive_entry_free (entry);
  return status == ARCHIVE_OK || fail (writer, error);
}

static gboolean
put_bytes (Writer *writer, const void *data, gsize size, GError **error)
{
  return archive_write_data (writer->tar, data, size) == (la_ssize_t) size || fail (writer, error);
}

static gboolean
put_json (Writer *writer, const char *name, const json_t *json, GError **error)
{
  g_autofree char *text = rp_json_canonical (json);
  return put_header (writer, name, strlen (text), error)
         && put_bytes (writer, text, strlen (text), error);
}

/* ---- blobs ---- */

static gboolean
collect (const RpDigest *digest, const RpBlobInfo *info, gpointer user_data, GError **error)
{
  Writer *writer = user_data;
  (void) info;
  (void) error;
  g_ptr_array_add (writer->blobs, rp_digest_copy (digest));
  return TRUE;
}

static int
by_text (gconstpointer a, gconstpointer b)
{
  char first[RP_DIGEST_STRING_SIZE], second[RP_DIGEST_STRING_SIZE];
  return strcmp (rp_digest_format (*(const RpDigest *const *) a, first),
                 rp_digest_format (*(const RpDigest *const *) b, second));
}

static gboolean
put_blob (Writer *writer, const RpDigest *digest, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  guint64 size_bytes;
  const char *hex = strchr (rp_digest_format (digest, text), ':') + 1;
  g_autofree char *name = g_strconcat ("blobs/", rp_digest_algorithm_name (digest->algorithm), "/",
                                       hex, NULL);
  g_autofree guint8 *piece = g_malloc (PIECE_BYTES);
  rp_autofd int fd = rp_store_open_blob (writer->store, digest, &size_bytes, error);
  if (fd < 0 || !put_header (writer, name, size_bytes, error))
    return FALSE;
  for (;;)
    {
      gssize n = read (fd, piece, PIECE_BYTES);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return rp_error_set_errno (error, errno, "reading blob %s", text);
      if (n == 0)
        return TRUE;
      if (!put_bytes (writer, piece, (gsize) n, error))
        return FALSE;
    }
}

static gboolean
put_blobs (Writer *writer, GError **error)
{
  static const char *const directories[] = { "blobs/", "blobs/sha256/", "blobs/sha512/" };
  if (!rp_store_each (writer->store, collect, writer, error))
    return FALSE;
  g_ptr_array_sort (writer->blobs, by_text);
  for (gsize i = 0; i < G_N_ELEMENTS (directories); i++)
    if (!put_header (writer, directories[i], 0, error))
      return FALSE;
  for (guint i = 0; i < writer->blobs->len; i++)
    if (!put_blob (writer, writer->blobs->pdata[i], error))
      return FALSE;
  return TRUE;
}

/* ---- the index ---- */

static json_t *
describe (Writer *writer, const RpBundleRoot *root, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (GBytes) bytes = rp_bundle_load (&root->digest, NULL, writer->store, error);
  g_autoptr (RpManifest) manifest
      = bytes == NULL ? NULL
                      : rp_manifest_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                                           NULL, error);
  if (manifest == NULL)
    return NULL;
  json_t *entry = json_object ();
  json_object_set_new (entry, "mediaType", json_string (manifest->media_type));
  json_object_set_new (entry, "digest", json_string (rp_digest_format (&root->digest, text)));
  json_object_set_new (entry, "size", json_integer ((json_int_t) g_bytes_get_size (bytes)));
  if (root->name != NULL)
    {
      json_t *annotations = json_object ();
      json_object_set_new (annotations, "org.opencontainers.image.ref.name",
                           json_string (root->name));
      json_object_set_new (entry, "annotations", annotations);
    }
  return entry;
}

static gboolean
put_index (Writer *writer, const GPtrArray *roots, GError **error)
{
  g_autoptr (json_t) index = json_object ();
  json_t *entries = json_array ();
  json_object_set_new (index, "schemaVersion", json_integer (2));
  json_object_set_new (index, "mediaType", json_string (RP_MEDIA_OCI_INDEX));
  json_object_set_new (index, "manifests", entries);
  for (guint i = 0; i < roots->len; i++)
    {
      json_t *entry = describe (writer, roots->pdata[i], error);
      if (entry == NULL)
        return FALSE;
      json_array_append_new (entries, entry);
    }
  return put_json (writer, "index.json", index, error);
}

static gboolean
put_records (Writer *writer, const json_t *releases, GError **error)
{
  if (releases == NULL)
    return TRUE;
  g_autoptr (json_t) records = json_object ();
  json_object_set_new (records, "format", json_string (RP_BUNDLE_FORMAT));
  json_object_set_new (records, "releases", json_deep_copy (releases));
  return put_header (writer, "repoint/", 0, error)
         && put_json (writer, "repoint/releases.json", records, error);
}

static gboolean
put_all (Writer *writer, const GPtrArray *roots, const json_t *releases, GError **error)
{
  g_autoptr (json_t) marker = json_object ();
  json_object_set_new (marker, "imageLayoutVersion", json_string ("1.0.0"));
  if (!put_json (writer, "oci-layout", marker, error) || !put_index (writer, roots, error)
      || !put_records (writer, releases, error) || !put_blobs (writer, error))
    return FALSE;
  return archive_write_close (writer->tar) == ARCHIVE_OK || fail (writer, error);
}

static int
make_file (const char *path, GError **error)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 && errno == EEXIST)
    g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT, "%s exists; name another file or move it away",
                 path);
  else if (fd < 0)
    rp_error_set_errno (error, errno, "making %s", path);
  return fd;
}

gboolean
rp_bundle_write (RpStore *store, const GPtrArray *roots, const json_t *releases, const char *path,
                 GError **error)
{
  g_autoptr (GPtrArray) blobs = g_ptr_array_new_with_free_func (g_free);
  rp_autofd int fd = make_file (path, error);
  if (fd < 0)
    return FALSE;
  Writer writer = { archive_write_new (), store, blobs };
  archive_write_set_format_pax_restricted (writer.tar);
  gboolean ok = archive_write_open_fd (writer.tar, fd) == ARCHIVE_OK || fail (&writer, error);
  ok = ok && put_all (&writer, roots, releases, error);
  archive_write_free (writer.tar);
  if (ok && fsync (fd) != 0)
    ok = rp_error_set_errno (error, errno, "syncing %s", path);
  if (!ok)
    unlink (path);
  return ok;
}
