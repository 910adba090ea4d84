#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "base/error.h"
#include "cli/bundle.h"

#define SCOPE          "bundle"
#define PIECE_BYTES    (256 * 1024)
#define DOCUMENT_LIMIT (64 * 1024 * 1024)

typedef struct {
  struct archive *tar;
  const char *path;
  RpStore *store;
  json_t *index;    /* or NULL */
  json_t *releases; /* the whole document, or NULL */
  gboolean is_docker_archive; /* has a manifest.json */
} Reader;

static void
reader_clear (Reader *reader)
{
  if (reader->tar != NULL)
    archive_read_free (reader->tar);
  g_clear_pointer (&reader->index, json_decref);
  g_clear_pointer (&reader->releases, json_decref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Reader, reader_clear)

static gboolean
fail (const Reader *reader, GError **error)
{
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s cannot be read as a tar: %s", reader->path,
               archive_error_string (reader->tar));
  return FALSE;
}

typedef gboolean (*Take) (const void *data, gsize size, gpointer user_data, GError **error);

static gboolean
read_entry (Reader *reader, Take take, gpointer user_data, GError **error)
{
  g_autofree guint8 *piece = g_malloc (PIECE_BYTES);
  for (;;)
    {
      la_ssize_t n = archive_read_data (reader->tar, piece, PIECE_BYTES);
      if (n < 0)
        return fail (reader, error);
      if (n == 0)
        return TRUE;
      if (!take (piece, (gsize) n, user_data, error))
        return FALSE;
    }
}

static gboolean
take_bytes (const void *data, gsize size, gpointer user_data, GError **error)
{
  GByteArray *bytes = user_data;
  if (size > DOCUMENT_LIMIT - MIN ((gsize) DOCUMENT_LIMIT, (gsize) bytes->len))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "a document in the archive is larger than %d bytes", DOCUMENT_LIMIT);
      return FALSE;
    }
  g_byte_array_append (bytes, data, (guint) size);
  return TRUE;
}

static gboolean
read_document (Reader *reader, const char *name, json_t **out, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  if (!read_entry (reader, take_bytes, bytes, error))
    return FALSE;
  g_clear_pointer (out, json_decref);
  *out = rp_json_parse (bytes->data != NULL ? (const char *) bytes->data : "", bytes->len, name,
                        error);
  return *out != NULL;
}

static gboolean
take_blob (const void *data, gsize size, gpointer user_data, GError **error)
{
  return rp_upload_append (user_data, data, size, error);
}

/* `blobs/sha256/9f2c…`: its name is what it must be. */
static gboolean
read_blob (Reader *reader, const char *name, GError **error)
{
  RpDigest digest;
  g_auto (GStrv) parts = g_strsplit (name, "/", 4);
  if (g_strv_length (parts) != 3)
    return TRUE;
  g_autofree char *text = g_strconcat (parts[1], ":", parts[2], NULL);
  if (!rp_digest_parse (text, &digest, error))
    {
      g_prefix_error (error, "%s: ", name);
      return FALSE;
    }
  g_autoptr (RpUpload) upload = rp_upload_new (reader->store, SCOPE, error);
  if (upload == NULL || !read_entry (reader, take_blob, upload, error))
    return FALSE;
  if (rp_upload_commit (upload, &digest, error))
    return TRUE;
  g_prefix_error (error, "%s in %s: ", name, reader->path);
  return FALSE;
}

static gboolean
read_one (Reader *reader, struct archive_entry *entry, GError **error)
{
  const char *name = archive_entry_pathname (entry);
  if (name == NULL || archive_entry_filetype (entry) != AE_IFREG)
    return TRUE;
  if (g_str_has_prefix (name, "./"))
    name += 2;
  if (g_str_equal (name, "index.json"))
    return read_document (reader, name, &reader->index, error);
  if (g_str_equal (name, "repoint/releases.json"))
    return read_document (reader, name, &reader->releases, error);
  if (g_str_equal (name, "manifest.json"))
    reader->is_docker_archive = TRUE;
  return !g_str_has_prefix (name, "blobs/") || read_blob (reader, name, error);
}

static gboolean
read_entries (Reader *reader, GError **error)
{
  struct archive_entry *entry;
  for (;;)
    {
      int status = archive_read_next_header (reader->tar, &entry);
      if (status == ARCHIVE_EOF)
        return TRUE;
      if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
        return fail (reader, error);
      if (!read_one (reader, entry, error))
        return FALSE;
    }
}

/* ---- what it is about ---- */

static gboolean
need_index (const Reader *reader, GError **error)
{
  if (reader->index != NULL)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               reader->is_docker_archive
                   ? "%s is an archive of an old `docker save`, which has no manifest and so no"
                     " digest; make one: skopeo copy docker-archive:FILE oci-archive:NEW"
                   : "%s has no index.json: it is no OCI image layout",
               reader->path);
  return FALSE;
}

/* Whole, or it is an error. */
static gboolean
add_root (const Reader *reader, const json_t *entry, GPtrArray *roots, GError **error)
{
  RpDigest digest;
  const char *text;
  const char *name
      = rp_json_str (json_object_get (entry, "annotations"), "org.opencontainers.image.ref.name");
  if (!rp_json_need_string (entry, "digest", "index.json", &text, error)
      || !rp_digest_parse (text, &digest, error))
    return FALSE;
  g_autoptr (RpClosure) closure
      = rp_closure_walk (&digest, NULL, rp_bundle_load, reader->store, error);
  for (guint i = 0; closure != NULL && i < closure->items->len; i++)
    {
      const RpClosureItem *item = closure->items->pdata[i];
      RpBlobInfo info;
      if (!rp_store_stat (reader->store, &item->digest, &info, error))
        {
          g_prefix_error (error, "%s is not whole: ", reader->path);
          return FALSE;
        }
    }
  if (closure == NULL)
    return FALSE;
  RpBundleRoot *root = g_new0 (RpBundleRoot, 1);
  root->digest = digest;
  root->name = g_strdup (name);
  g_ptr_array_add (roots, root);
  return TRUE;
}

static json_t *
read_roots (const Reader *reader, GPtrArray *roots, GError **error)
{
  json_t *entries;
  gsize i;
  json_t *entry;
  if (!need_index (reader, error)
      || !rp_json_need_array (reader->index, "manifests", "index.json", &entries, error))
    return NULL;
  json_array_foreach (entries, i, entry)
    if (!add_root (reader, entry, roots, error))
      return NULL;
  return entries;
}

static gboolean
check_records (const Reader *reader, json_t **out, GError **error)
{
  const char *format;
  *out = NULL;
  if (reader->releases == NULL)
    return TRUE;
  if (!rp_json_need_string (reader->releases, "format", "releases.json", &format, error)
      || !rp_json_need_array (reader->releases, "releases", "releases.json", out, error))
    return FALSE;
  if (g_str_equal (format, RP_BUNDLE_FORMAT))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_UNSUPPORTED,
               "%s has records of the format \"%.60s\"; this repoint knows " RP_BUNDLE_FORMAT,
               reader->path, format);
  return FALSE;
}

gboolean
rp_bundle_read (const char *path, RpStore *store, GPtrArray **out_roots, json_t **out_releases,
                GError **error)
{
  g_auto (Reader) reader = { .tar = archive_read_new (), .path = path, .store = store };
  g_autoptr (GPtrArray) roots = g_ptr_array_new_with_free_func (rp_bundle_root_free);
  json_t *releases;
  archive_read_support_format_tar (reader.tar);
  archive_read_support_filter_all (reader.tar);
  if (archive_read_open_filename (reader.tar, path, PIECE_BYTES) != ARCHIVE_OK)
    return fail (&reader, error);
  if (!read_entries (&reader, error) || read_roots (&reader, roots, error) == NULL
      || !check_records (&reader, &releases, error))
    return FALSE;
  *out_roots = g_steal_pointer (&roots);
  *out_releases = json_incref (releases);
  return TRUE;
}
