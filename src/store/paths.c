#include "store/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

enum { DIR_MODE = 0755, PREFIX_SIZE = 3 };

static const int open_dir_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

static gboolean
open_dir (const char *root, const char *area, const char *name, int *out, GError **error)
{
  g_autofree char *path = g_build_filename (root, area, name, NULL);
  if (!rp_dir_make (path, DIR_MODE, error))
    return FALSE;
  *out = open (path, open_dir_flags);
  return *out >= 0 || rp_error_set_errno (error, errno, "opening the directory %s", path);
}

gboolean
rp_paths_open (RpPaths *paths, const char *root, GError **error)
{
  memset (paths, 0, sizeof *paths);
  paths->uploads = -1;
  for (int i = 0; i < RP_PATHS_N_ALGORITHMS; i++)
    paths->blobs[i].fd = paths->condemned[i].fd = paths->quarantine[i].fd = -1;
  gboolean ok = open_dir (root, "uploads", NULL, &paths->uploads, error);
  for (int i = 0; ok && i < RP_PATHS_N_ALGORITHMS; i++)
    {
      const char *name = rp_digest_algorithm_name ((RpDigestAlgorithm)i);
      ok = open_dir (root, "blobs", name, &paths->blobs[i].fd, error)
           && open_dir (root, "condemned", name, &paths->condemned[i].fd, error)
           && open_dir (root, "quarantine", name, &paths->quarantine[i].fd, error);
    }
  if (!ok)
    rp_paths_clear (paths);
  return ok;
}

void
rp_paths_clear (RpPaths *paths)
{
  rp_close_fd (&paths->uploads);
  for (int i = 0; i < RP_PATHS_N_ALGORITHMS; i++)
    {
      rp_close_fd (&paths->blobs[i].fd);
      rp_close_fd (&paths->condemned[i].fd);
      rp_close_fd (&paths->quarantine[i].fd);
    }
}

const char *
rp_path_of_blob (const RpDigest *digest, char out[RP_PATH_SIZE])
{
  char text[RP_DIGEST_STRING_SIZE];
  rp_digest_format (digest, text);
  const char *hex = strchr (text, ':') + 1;
  memcpy (out, hex, 2);
  out[2] = '/';
  g_strlcpy (out + PREFIX_SIZE, hex, RP_PATH_SIZE - PREFIX_SIZE);
  return out;
}

gboolean
rp_path_is_upload (const char *name)
{
  enum { UUID_LENGTH = 36, SCOPE_LENGTH = 16 };
  return strlen (name) == UUID_LENGTH + 1 + SCOPE_LENGTH && name[UUID_LENGTH] == '-'
         && strspn (name, "0123456789abcdef-") == strlen (name);
}

gboolean
rp_path_to_digest (RpDigestAlgorithm algorithm, const char *prefix, const char *name,
                   RpDigest *out)
{
  if (strlen (name) != 2 * rp_digest_size (algorithm) || strncmp (prefix, name, 2) != 0)
    return FALSE;
  g_autofree char *text = g_strconcat (rp_digest_algorithm_name (algorithm), ":", name, NULL);
  return rp_digest_parse (text, out, NULL);
}

static void
prefix_of (const RpDigest *digest, char out[PREFIX_SIZE])
{
  char path[RP_PATH_SIZE];
  rp_path_of_blob (digest, path);
  memcpy (out, path, 2);
  out[2] = '\0';
}

gboolean
rp_blob_dir_make (RpBlobDir *dir, const RpDigest *digest, GError **error)
{
  gint *durable = &dir->durable[digest->bytes[0]];
  if (g_atomic_int_get (durable))
    return TRUE;
  char prefix[PREFIX_SIZE];
  prefix_of (digest, prefix);
  if (mkdirat (dir->fd, prefix, DIR_MODE) != 0 && errno != EEXIST)
    return rp_error_set_errno (error, errno, "making the blob directory %s", prefix);
  /* Synced also where it exists: whoever made it may have died before doing so. */
  if (!rp_file_sync (dir->fd, "the blob directories", error))
    return FALSE;
  g_atomic_int_set (durable, TRUE);
  return TRUE;
}

gboolean
rp_blob_dir_sync (const RpBlobDir *dir, const RpDigest *digest, GError **error)
{
  char prefix[PREFIX_SIZE];
  prefix_of (digest, prefix);
  rp_autofd int fd = openat (dir->fd, prefix, open_dir_flags);
  if (fd < 0)
    return rp_error_set_errno (error, errno, "opening the blob directory %s to sync it", prefix);
  return rp_file_sync (fd, "the blob directory", error);
}
