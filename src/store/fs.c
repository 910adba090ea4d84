/* Blobs as files.  A blob's name appears only when all its bytes are synced, and is never written
 * to again, so readers need no lock. */
#include "store/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

static RpStore *
fs_open (const char *rest, GError **error)
{
  if (rest[0] == '\0')
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                           "expected a directory, found an empty path");
      return NULL;
    }
  g_autofree RpFsStore *fs = g_new0 (RpFsStore, 1);
  if (!rp_paths_open (&fs->paths, rest, error))
    return NULL;
  return &((RpFsStore *)g_steal_pointer (&fs))->base;
}

static void
fs_close (RpStore *store)
{
  RpFsStore *fs = (RpFsStore *)store;
  rp_paths_clear (&fs->paths);
  g_free (fs);
}

static RpBlobInfo
info_of (const struct stat *st)
{
  return (RpBlobInfo){
    .size_bytes = (guint64)st->st_size,
    .stored_at_us = st->st_mtim.tv_sec * G_USEC_PER_SEC + st->st_mtim.tv_nsec / 1000,
  };
}

gboolean
rp_fs_failed (const RpDigest *digest, const char *doing, GError **error)
{
  int err = errno;
  if (err == ENOENT)
    return rp_store_unknown (digest, error);
  char text[RP_DIGEST_STRING_SIZE];
  return rp_error_set_errno (error, err, "%s the blob %s", doing, rp_digest_format (digest, text));
}

static gboolean
fs_stat (RpStore *store, const RpDigest *digest, RpBlobInfo *out, GError **error)
{
  const RpFsStore *fs = (RpFsStore *)store;
  char path[RP_PATH_SIZE];
  struct stat st;
  if (fstatat (fs->paths.blobs[digest->algorithm].fd, rp_path_of_blob (digest, path), &st,
               AT_SYMLINK_NOFOLLOW)
      != 0)
    return rp_fs_failed (digest, "looking at", error);
  *out = info_of (&st);
  return TRUE;
}

static int
fs_open_blob (RpStore *store, const RpDigest *digest, guint64 *out_size, GError **error)
{
  const RpFsStore *fs = (RpFsStore *)store;
  char path[RP_PATH_SIZE];
  rp_autofd int fd = openat (fs->paths.blobs[digest->algorithm].fd, rp_path_of_blob (digest, path),
                             O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat (fd, &st) != 0)
    {
      (void)rp_fs_failed (digest, "opening", error);
      return -1;
    }
  *out_size = (guint64)st.st_size;
  int result = fd;
  fd = -1;
  return result;
}

int
rp_fs_move (int from_dir, const char *from, int to_dir, const char *to)
{
  if (renameat2 (from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
    return 0;
  if (errno != EINVAL && errno != ENOSYS)
    return -1;
  /* A crash in between leaves both names; see staging_open on what it makes of the old one. */
  if (linkat (from_dir, from, to_dir, to, 0) != 0)
    return -1;
  return unlinkat (from_dir, from, 0);
}

/* What lies in quarantine already may be the better copy: it is kept beside the new one. */
static int
move_to_free_name (int from_dir, const char *path, int to_dir)
{
  enum { COPIES_LIMIT = 1000 };
  if (rp_fs_move (from_dir, path, to_dir, path) == 0)
    return 0;
  for (int i = 2; errno == EEXIST && i < COPIES_LIMIT; i++)
    {
      char numbered[RP_PATH_SIZE + 8];
      g_snprintf (numbered, sizeof numbered, "%s.%d", path, i);
      if (rp_fs_move (from_dir, path, to_dir, numbered) == 0)
        return 0;
    }
  return -1;
}

static gboolean
fs_quarantine (RpStore *store, const RpDigest *digest, GError **error)
{
  RpFsStore *fs = (RpFsStore *)store;
  RpBlobDir *from = &fs->paths.blobs[digest->algorithm];
  RpBlobDir *to = &fs->paths.quarantine[digest->algorithm];
  char path[RP_PATH_SIZE];
  rp_path_of_blob (digest, path);
  if (faccessat (from->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
    return TRUE;
  if (!rp_blob_dir_make (to, digest, error))
    return FALSE;
  if (move_to_free_name (from->fd, path, to->fd) != 0)
    return errno == ENOENT || rp_fs_failed (digest, "quarantining", error);
  return rp_blob_dir_sync (to, digest, error) && rp_blob_dir_sync (from, digest, error);
}

/* ---- the walk ---- */

static DIR *
open_walk (int parent, const char *name)
{
  int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  if (dir == NULL)
    rp_close_fd (&fd);
  return dir;
}

static gboolean
visit_entry (DIR *dir, RpDigestAlgorithm algorithm, const char *prefix, const char *name,
             RpStoreVisit visit, gpointer user_data, GError **error)
{
  RpDigest digest;
  struct stat st;
  if (!rp_path_to_digest (algorithm, prefix, name, &digest))
    return TRUE; /* not ours */
  if (fstatat (dirfd (dir), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT || rp_fs_failed (&digest, "looking at", error);
  RpBlobInfo info = info_of (&st);
  return visit (&digest, &info, user_data, error);
}

static gboolean
walk_prefix (int parent, RpDigestAlgorithm algorithm, const char *prefix, RpStoreVisit visit,
             gpointer user_data, GError **error)
{
  DIR *dir = open_walk (parent, prefix);
  if (dir == NULL)
    return errno == ENOENT
           || rp_error_set_errno (error, errno, "opening the blob directory %s", prefix);
  gboolean ok = TRUE;
  struct dirent *entry;
  while (ok && (errno = 0, entry = readdir (dir)) != NULL)
    ok = visit_entry (dir, algorithm, prefix, entry->d_name, visit, user_data, error);
  if (ok && errno != 0)
    ok = rp_error_set_errno (error, errno, "reading the blob directory %s", prefix);
  closedir (dir);
  return ok;
}

gboolean
rp_fs_walk (const RpBlobDir *dirs, RpStoreVisit visit, gpointer user_data, GError **error)
{
  for (int algorithm = 0; algorithm < RP_PATHS_N_ALGORITHMS; algorithm++)
    for (int byte = 0; byte < 256; byte++)
      {
        char prefix[3];
        g_snprintf (prefix, sizeof prefix, "%02x", (guint)byte);
        if (!walk_prefix (dirs[algorithm].fd, (RpDigestAlgorithm)algorithm, prefix, visit,
                          user_data, error))
          return FALSE;
      }
  return TRUE;
}

static gboolean
fs_each (RpStore *store, RpStoreVisit visit, gpointer user_data, GError **error)
{
  return rp_fs_walk (((RpFsStore *)store)->paths.blobs, visit, user_data, error);
}

const RpStoreOps rp_store_fs_ops = {
  .scheme = "fs",
  .open = fs_open,
  .close = fs_close,
  .stat = fs_stat,
  .open_blob = fs_open_blob,
  .quarantine = fs_quarantine,
  .each = fs_each,
  .touch = rp_fs_touch,
  .condemn = rp_fs_condemn,
  .recall = rp_fs_recall,
  .discard = rp_fs_discard,
  .each_condemned = rp_fs_each_condemned,
  .space = rp_fs_space,
  .staging_open = rp_fs_staging_open,
  .staging_append = rp_fs_staging_append,
  .staging_fd = rp_fs_staging_fd,
  .staging_publish = rp_fs_staging_publish,
  .staging_drop = rp_fs_staging_drop,
  .staging_close = rp_fs_staging_close,
  .staging_each = rp_fs_staging_each,
};
