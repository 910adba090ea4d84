/* Uploads as files.
 *
 * Invariants, whatever instruction the process dies at:
 *  1. a name under blobs/ has all its bytes, synced, and they are what the name says;
 *  2. what is left behind is only under uploads/, whole up to its size;
 *  3. when publish has answered, the blob's name is durable;
 *  4. a file with a name under blobs/ is never written to, not even through an old upload name.
 */
#include "store/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"

enum { UPLOAD_MODE = 0600, BLOB_MODE = 0444, PUBLISH_ATTEMPTS = 10 };

/* What a single write hands over.  The kernel makes its pages as large as the write; those of more than 32 KiB are
 * not among the ones that it keeps at hand, and in a virtual machine their memory has often gone back to the host,
 * so that each 4 KiB of it is a fault. */
enum { WRITE_BYTES = 32 * 1024 };

/* The disk begins to write when so much has come in, so that the sync at the end finds little left. */
enum { WRITE_BACK_BYTES = 4 * 1024 * 1024 };

struct RpStaging {
  int fd;
  char *name;
  guint64 written_back; /* the disk has been asked to write what lies before this */
  gboolean placed; /* `fd` is, or may be, a blob by now: invariant 4 */
};

static int
uploads_of (RpStore *store)
{
  return ((RpFsStore *)store)->paths.uploads;
}

static gboolean
unknown (const char *name, GError **error)
{
  g_set_error (error, RP_ERROR, RP_ERROR_UPLOAD_UNKNOWN,
               "there is no upload %.36s here: it was completed, cancelled or has expired; start a "
               "new one",
               name);
  return FALSE;
}

/* Opens what a crash may have left in the middle of publishing: read-only already (the mode is set
 * first), or linked as a blob with the old name still there (invariant 4: then it has ended). */
static gboolean
open_existing (int dir, const char *name, int *out, GError **error)
{
  struct stat st;
  if (fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? unknown (name, error)
                           : rp_error_set_errno (error, errno, "looking at the upload %s", name);
  if (!S_ISREG (st.st_mode))
    return unknown (name, error);
  if (st.st_nlink > 1)
    {
      if (unlinkat (dir, name, 0) != 0 && errno != ENOENT)
        return rp_error_set_errno (error, errno, "removing the ended upload %s", name);
      return unknown (name, error);
    }
  if ((st.st_mode & 0777) != UPLOAD_MODE && fchmodat (dir, name, UPLOAD_MODE, 0) != 0)
    return rp_error_set_errno (error, errno, "setting the mode of the upload %s", name);
  *out = openat (dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (*out >= 0)
    return TRUE;
  return errno == ENOENT ? unknown (name, error)
                         : rp_error_set_errno (error, errno, "opening the upload %s", name);
}

static gboolean
open_new (int dir, const char *name, int *out, GError **error)
{
  *out = openat (dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, UPLOAD_MODE);
  return *out >= 0 || rp_error_set_errno (error, errno, "creating the upload %s", name);
}

RpStaging *
rp_fs_staging_open (RpStore *store, const char *name, gboolean create, guint64 *out_size,
                    GError **error)
{
  rp_autofd int fd = -1;
  int dir = uploads_of (store);
  if (!(create ? open_new (dir, name, &fd, error) : open_existing (dir, name, &fd, error)))
    return NULL;
  struct stat st;
  if (fstat (fd, &st) != 0)
    {
      rp_error_set_errno (error, errno, "looking at the upload %s", name);
      return NULL;
    }
  *out_size = (guint64)st.st_size;
  RpStaging *staging = g_new0 (RpStaging, 1);
  staging->fd = fd;
  staging->name = g_strdup (name);
  staging->written_back = *out_size;
  fd = -1;
  return staging;
}

/* Only asks, and waits for nothing; what goes wrong is told by the sync. */
static void
write_back (RpStaging *staging, guint64 size)
{
  if (size < staging->written_back + WRITE_BACK_BYTES)
    return;
  (void)!sync_file_range (staging->fd, (off_t)staging->written_back,
                          (off_t)(size - staging->written_back), SYNC_FILE_RANGE_WRITE);
  staging->written_back = size;
}

gboolean
rp_fs_staging_append (RpStore *store, RpStaging *staging, guint64 offset, const void *data,
                      gsize size, GError **error)
{
  const guint8 *bytes = data;
  if (staging->placed)
    return unknown (staging->name, error);
  for (gsize done = 0; done < size;)
    {
      ssize_t wrote = pwrite (staging->fd, bytes + done, MIN (size - done, (gsize)WRITE_BYTES),
                              (off_t)(offset + done));
      if (wrote < 0 && errno == EINTR)
        continue;
      if (wrote < 0)
        {
          int err = errno;
          /* Gives the space back.  Where even that fails nothing is lost: the next write goes to
           * the same offset, and publish cuts the file to its size. */
          (void)!ftruncate (staging->fd, (off_t)offset);
          return rp_error_set_errno (error, err, "writing the upload %.36s to the registry's disk",
                                     staging->name);
        }
      done += (gsize)wrote;
    }
  write_back (staging, offset + size);
  return TRUE;
}

int
rp_fs_staging_fd (RpStore *store, RpStaging *staging, GError **error)
{
  int fd = fcntl (staging->fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0)
    rp_error_set_errno (error, errno, "reading the upload %.36s", staging->name);
  return fd;
}

/* ---- publish ---- */

/* Cuts off what a failed append could not take back, then makes bytes and mode durable. */
static gboolean
seal (RpStaging *staging, guint64 size, GError **error)
{
  struct stat st;
  if (fstat (staging->fd, &st) != 0)
    return rp_error_set_errno (error, errno, "looking at the upload %.36s", staging->name);
  if ((guint64)st.st_size < size)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
                   "the upload %.36s has lost bytes on disk: send it again", staging->name);
      return FALSE;
    }
  if ((guint64)st.st_size > size && ftruncate (staging->fd, (off_t)size) != 0)
    return rp_error_set_errno (error, errno, "cutting the upload %.36s to size", staging->name);
  /* The time tells a collector how long ago somebody relied on the blob. */
  if (fchmod (staging->fd, BLOB_MODE) != 0 || rp_fs_touch_fd (staging->fd, rp_clock_now_us ()) != 0)
    return rp_error_set_errno (error, errno, "setting the mode of the upload %.36s",
                               staging->name);
  return rp_file_sync (staging->fd, "the upload", error);
}

typedef enum { COPY_ABSENT, COPY_GOOD, COPY_DAMAGED } Copy;

/* Hashes what lies there under the name, unless its size tells already. */
static Copy
look_at_copy (const RpBlobDir *dir, const char *path, const RpDigest *digest, guint64 size)
{
  rp_autofd int fd = openat (dir->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? COPY_ABSENT : COPY_DAMAGED;
  struct stat st;
  RpDigest actual;
  if (fstat (fd, &st) != 0 || (guint64)st.st_size != size
      || !rp_digest_of_fd (digest->algorithm, fd, &actual, NULL, NULL)
      || !rp_digest_equal (&actual, digest))
    return COPY_DAMAGED;
  /* As good as stored now. A file of another owner keeps its time, which only makes it older. */
  (void)!rp_fs_touch_fd (fd, rp_clock_now_us ());
  /* Another commit may just have put it there and not synced it yet; our answer vouches for it. */
  return fsync (fd) == 0 ? COPY_GOOD : COPY_DAMAGED;
}

static gboolean
place_failed (RpStaging *staging, const char *path, GError **error)
{
  int err = errno;
  struct stat st;
  staging->placed = fstat (staging->fd, &st) != 0 || st.st_nlink > 1;
  return rp_error_set_errno (error, err, "putting the blob %s in place", path);
}

/* Puts the sealed file in place.  Two who commit the same blob at once both succeed: the second
 * finds a good copy. */
static gboolean
put_in_place (RpStore *store, RpStaging *staging, guint64 size, const RpDigest *digest,
              GError **error)
{
  RpBlobDir *dir = &((RpFsStore *)store)->paths.blobs[digest->algorithm];
  int uploads = uploads_of (store);
  char path[RP_PATH_SIZE];
  rp_path_of_blob (digest, path);
  for (int i = 0; i < PUBLISH_ATTEMPTS; i++)
    {
      if (rp_fs_move (uploads, staging->name, dir->fd, path) == 0)
        return TRUE;
      if (errno != EEXIST)
        return place_failed (staging, path, error);
      Copy copy = look_at_copy (dir, path, digest, size);
      if (copy == COPY_GOOD)
        return rp_fs_staging_drop (store, staging, error);
      if (copy == COPY_DAMAGED)
        return renameat (uploads, staging->name, dir->fd, path) == 0
               || place_failed (staging, path, error);
      /* It went into quarantine meanwhile: its place is free. */
    }
  char text[RP_DIGEST_STRING_SIZE];
  g_set_error (error, RP_ERROR, RP_ERROR_BUSY,
               "the blob %s could not be put in place: others keep changing it; try again",
               rp_digest_format (digest, text));
  return FALSE;
}

/* Again after a publish that put the blob in place and then failed: it must still be there. */
static gboolean
still_in_place (const RpBlobDir *dir, guint64 size, const RpDigest *digest, GError **error)
{
  char path[RP_PATH_SIZE];
  if (look_at_copy (dir, rp_path_of_blob (digest, path), digest, size) == COPY_GOOD)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_UPLOAD_UNKNOWN,
               "the blob %s was put in place and is gone again: send it again", path);
  return FALSE;
}

gboolean
rp_fs_staging_publish (RpStore *store, RpStaging *staging, guint64 size, const RpDigest *digest,
                       GError **error)
{
  RpBlobDir *dir = &((RpFsStore *)store)->paths.blobs[digest->algorithm];
  if (staging->placed)
    return still_in_place (dir, size, digest, error) && rp_blob_dir_sync (dir, digest, error);
  if (!seal (staging, size, error) || !rp_blob_dir_make (dir, digest, error)
      || !put_in_place (store, staging, size, digest, error))
    return FALSE;
  staging->placed = TRUE;
  return rp_blob_dir_sync (dir, digest, error);
}

gboolean
rp_fs_staging_drop (RpStore *store, RpStaging *staging, GError **error)
{
  return unlinkat (uploads_of (store), staging->name, 0) == 0 || errno == ENOENT
         || rp_error_set_errno (error, errno, "removing the upload %.36s", staging->name);
}

void
rp_fs_staging_close (RpStore *store, RpStaging *staging)
{
  rp_close_fd (&staging->fd);
  g_free (staging->name);
  g_free (staging);
}

static gboolean
visit_upload (int dir, const char *name, RpStagingVisit visit, gpointer user_data, GError **error)
{
  struct stat st;
  if (fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT || rp_error_set_errno (error, errno, "looking at the upload %s", name);
  return !S_ISREG (st.st_mode) || !rp_path_is_upload (name)
         || visit (name, st.st_mtim.tv_sec * G_USEC_PER_SEC + st.st_mtim.tv_nsec / 1000, user_data,
                   error);
}

gboolean
rp_fs_staging_each (RpStore *store, RpStagingVisit visit, gpointer user_data, GError **error)
{
  int fd = openat (uploads_of (store), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  if (dir == NULL)
    {
      rp_error_set_errno (error, errno, "opening the uploads");
      rp_close_fd (&fd);
      return FALSE;
    }
  gboolean ok = TRUE;
  struct dirent *entry;
  while (ok && (errno = 0, entry = readdir (dir)) != NULL)
    ok = visit_upload (fd, entry->d_name, visit, user_data, error);
  if (ok && errno != 0)
    ok = rp_error_set_errno (error, errno, "reading the uploads");
  closedir (dir);
  return ok;
}
