/* Blobs that nothing needs: moved aside by one rename, back by another, and unlinked at last.  The
 * time of the file goes with it, so that it still tells when somebody last relied on it. */
#include "store/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"

static void
times_of (gint64 at_us, struct timespec out[2])
{
  out[0] = out[1] = (struct timespec){ .tv_sec = at_us / G_USEC_PER_SEC,
                                       .tv_nsec = at_us % G_USEC_PER_SEC * 1000 };
}

int
rp_fs_touch_fd (int fd, gint64 at_us)
{
  struct timespec times[2];
  times_of (at_us, times);
  return futimens (fd, times);
}

gboolean
rp_fs_touch (RpStore *store, const RpDigest *digest, gint64 at_us, GError **error)
{
  const RpFsStore *fs = (RpFsStore *)store;
  char path[RP_PATH_SIZE];
  struct timespec times[2];
  times_of (at_us, times);
  return utimensat (fs->paths.blobs[digest->algorithm].fd, rp_path_of_blob (digest, path), times,
                    AT_SYMLINK_NOFOLLOW)
             == 0
         || rp_fs_failed (digest, "touching", error);
}

/* A copy that lies there already has the same bytes: a push came in after it was condemned. */
gboolean
rp_fs_condemn (RpStore *store, const RpDigest *digest, GError **error)
{
  RpFsStore *fs = (RpFsStore *)store;
  RpBlobDir *to = &fs->paths.condemned[digest->algorithm];
  char path[RP_PATH_SIZE];
  rp_path_of_blob (digest, path);
  if (!rp_blob_dir_make (to, digest, error))
    return FALSE;
  return renameat (fs->paths.blobs[digest->algorithm].fd, path, to->fd, path) == 0
         || errno == ENOENT || rp_fs_failed (digest, "condemning", error);
}

gboolean
rp_fs_recall (RpStore *store, const RpDigest *digest, gboolean *out_found, GError **error)
{
  RpFsStore *fs = (RpFsStore *)store;
  RpBlobDir *to = &fs->paths.blobs[digest->algorithm];
  char path[RP_PATH_SIZE];
  rp_path_of_blob (digest, path);
  if (!rp_blob_dir_make (to, digest, error))
    return FALSE;
  if (rp_fs_move (fs->paths.condemned[digest->algorithm].fd, path, to->fd, path) != 0
      && errno != ENOENT && errno != EEXIST)
    return rp_fs_failed (digest, "recalling", error);
  g_autoptr (GError) local = NULL;
  *out_found = rp_fs_touch (store, digest, rp_clock_now_us (), &local);
  if (*out_found)
    return rp_blob_dir_sync (to, digest, error);
  if (g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

gboolean
rp_fs_discard (RpStore *store, const RpDigest *digest, GError **error)
{
  const RpFsStore *fs = (RpFsStore *)store;
  char path[RP_PATH_SIZE];
  return unlinkat (fs->paths.condemned[digest->algorithm].fd, rp_path_of_blob (digest, path), 0)
             == 0
         || errno == ENOENT || rp_fs_failed (digest, "unlinking", error);
}

gboolean
rp_fs_each_condemned (RpStore *store, RpStoreVisit visit, gpointer user_data, GError **error)
{
  return rp_fs_walk (((RpFsStore *)store)->paths.condemned, visit, user_data, error);
}

gboolean
rp_fs_space (RpStore *store, guint64 *out_free, guint64 *out_total, GError **error)
{
  struct statvfs info;
  if (fstatvfs (((RpFsStore *)store)->paths.uploads, &info) != 0)
    return rp_error_set_errno (error, errno, "asking how much room the registry's disk has");
  *out_free = (guint64)info.f_bavail * info.f_frsize;
  *out_total = (guint64)info.f_blocks * info.f_frsize;
  return TRUE;
}
