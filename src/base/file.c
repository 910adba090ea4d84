#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

void
rp_close_fd (int *fd)
{
  if (*fd < 0)
    return;
  int saved = errno;
  close (*fd);
  errno = saved;
  *fd = -1;
}

gboolean
rp_file_sync (int fd, const char *what, GError **error)
{
  /* Repeated after an interruption only: when fsync has failed the kernel may have dropped the
   * pages, and a second call would wrongly succeed. */
  while (fsync (fd) != 0)
    if (errno != EINTR)
      return rp_error_set_errno (error, errno, "syncing %s", what);
  return TRUE;
}

gboolean
rp_dir_sync (const char *path, GError **error)
{
  rp_autofd int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return rp_error_set_errno (error, errno, "opening the directory %s to sync it", path);
  return rp_file_sync (fd, path, error);
}

static gboolean
sync_parent (const char *path, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (path);
  return rp_dir_sync (parent, error);
}

gboolean
rp_dir_make (const char *path, int mode, GError **error)
{
  struct stat st;
  if (stat (path, &st) == 0)
    return S_ISDIR (st.st_mode)
           || rp_error_set_errno (error, ENOTDIR, "making the directory %s", path);
  g_autofree char *parent = g_path_get_dirname (path);
  if (strcmp (parent, path) != 0 && !rp_dir_make (parent, mode, error))
    return FALSE;
  if (mkdir (path, (mode_t)mode) != 0 && errno != EEXIST)
    return rp_error_set_errno (error, errno, "making the directory %s", path);
  /* Synced even where another process made it: its name must be durable before we rely on it. */
  return rp_dir_sync (parent, error);
}

gboolean
rp_file_write_all (int fd, const void *data, gsize size, const char *what, GError **error)
{
  const guint8 *bytes = data;
  while (size > 0)
    {
      ssize_t wrote = write (fd, bytes, size);
      if (wrote < 0 && errno == EINTR)
        continue;
      if (wrote < 0)
        return rp_error_set_errno (error, errno, "writing %s", what);
      bytes += wrote;
      size -= (gsize)wrote;
    }
  return TRUE;
}

/* The file may grow while it is read; the limit holds for what is read, not for what stat said. */
static GBytes *
read_up_to (int fd, gsize expected, gsize limit_bytes, const char *path, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_sized_new ((guint)MIN (expected, 1 << 20));
  guint8 piece[16 * 1024];
  for (;;)
    {
      ssize_t got = read (fd, piece, sizeof piece);
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        {
          rp_error_set_errno (error, errno, "reading %s", path);
          return NULL;
        }
      if (got == 0)
        return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
      if (bytes->len + (gsize)got > limit_bytes)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                       "%s is larger than the %" G_GSIZE_FORMAT " bytes that are read at most",
                       path, limit_bytes);
          return NULL;
        }
      g_byte_array_append (bytes, piece, (guint)got);
    }
}

GBytes *
rp_file_read (const char *path, gsize limit_bytes, GError **error)
{
  rp_autofd int fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "%s does not exist", path);
      return NULL;
    }
  struct stat st;
  if (fd < 0 || fstat (fd, &st) != 0)
    {
      rp_error_set_errno (error, errno, "opening %s", path);
      return NULL;
    }
  return read_up_to (fd, (gsize)MAX (st.st_size, 0), MIN (limit_bytes, G_MAXINT), path, error);
}

/* ---- atomic replacement ---- */

/* A name beside `path` that nobody else uses; it is on the same file system, so rename works. */
static char *
name_beside (const char *path)
{
  g_autofree char *uuid = g_uuid_string_random ();
  return g_strdup_printf ("%s.%s.tmp", path, uuid);
}

/* Deletes the temporary name on scope exit unless it was put in place. */
typedef struct {
  char *path;
} Temporary;

static void
temporary_clear (Temporary *temporary)
{
  if (temporary->path != NULL)
    unlink (temporary->path);
  g_free (temporary->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Temporary, temporary_clear)

static gboolean
temporary_put (Temporary *temporary, const char *path, GError **error)
{
  if (rename (temporary->path, path) != 0)
    return rp_error_set_errno (error, errno, "renaming %s to %s", temporary->path, path);
  g_clear_pointer (&temporary->path, g_free);
  return sync_parent (path, error);
}

char *
rp_file_text (GBytes *bytes)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  return g_strndup (data != NULL ? data : "", size);
}

gboolean
rp_file_replace (const char *path, const void *data, gsize size, int mode, GError **error)
{
  g_auto (Temporary) temporary = { name_beside (path) };
  rp_autofd int fd
      = open (temporary.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return rp_error_set_errno (error, errno, "creating %s", temporary.path);
  if (!rp_file_write_all (fd, data, size, path, error))
    return FALSE;
  if (fchmod (fd, (mode_t)mode) != 0)
    return rp_error_set_errno (error, errno, "setting the mode of %s", temporary.path);
  return rp_file_sync (fd, path, error) && temporary_put (&temporary, path, error);
}

gboolean
rp_link_replace (const char *link_path, const char *target, GError **error)
{
  g_auto (Temporary) temporary = { name_beside (link_path) };
  if (symlink (target, temporary.path) != 0)
    return rp_error_set_errno (error, errno, "making the link %s", temporary.path);
  return temporary_put (&temporary, link_path, error);
}
