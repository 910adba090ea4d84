#include "release/document.h"

#include <errno.h>
#include <unistd.h>

#include "base/error.h"

static GBytes *
read_fd (int fd, guint64 size, GError **error)
{
  g_autofree guint8 *data = g_malloc ((gsize) size + 1);
  gsize done = 0;
  while (done < size)
    {
      gssize n = pread (fd, data + done, (gsize) size - done, (off_t) done);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        {
          rp_error_set_errno (error, n < 0 ? errno : EIO, "reading a blob");
          return NULL;
        }
      done += (gsize) n;
    }
  return g_bytes_new_take (g_steal_pointer (&data), done);
}

GBytes *
rp_document_blob (RpRegistry *registry, const char *repository, const RpDigest *digest, guint64 limit,
                  GError **error)
{
  guint64 size;
  int fd = rp_registry_blob_open (registry, repository, digest, &size,
                                  error);
  if (fd < 0)
    return NULL;
  g_autoptr (GBytes) bytes = NULL;
  if (size > limit)
    g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                 "it has %" G_GUINT64_FORMAT " bytes, at most %" G_GUINT64_FORMAT " are read", size,
                 limit);
  else
    bytes = read_fd (fd, size, error);
  close (fd);
  if (bytes == NULL)
    return NULL;
  RpDigest found
      = rp_digest_of (digest->algorithm, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  if (rp_digest_equal (&found, digest))
    return g_steal_pointer (&bytes);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_CORRUPT, "its bytes are damaged");
  return NULL;
}

RpManifest *
rp_document_manifest (RpRegistry *registry, const char *repository, const RpDigest *digest, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  if (!rp_registry_manifest_get (registry, repository,
                                 rp_digest_format (digest, text), &info, &bytes, error))
    return NULL;
  return rp_manifest_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                            info.media_type, error);
}
