/* Removal of a directory tree that may hold anything: read-only directories, links to elsewhere,
 * names being added meanwhile.  Works on descriptors only, so that no path is resolved twice and no
 * link is ever followed.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* A descriptor is held for each level on the way down. */
enum { DEPTH_LIMIT = 256 };

static gboolean remove_at (int parent, const char *name, int depth, GError **error);

static gboolean
failed (GError **error, const char *what, const char *name)
{
  return rp_error_set_errno (error, errno, "%s %s", what, name);
}

static gboolean
remove_entries (DIR *dir, const char *name, int depth, GError **error)
{
  for (;;)
    {
      errno = 0;
      struct dirent *entry = readdir (dir);
      if (entry == NULL)
        return errno == 0 || failed (error, "reading the directory", name);
      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
        continue;
      if (!remove_at (dirfd (dir), entry->d_name, depth + 1, error))
        return FALSE;
    }
}

static gboolean
empty_dir (int parent, const char *name, int depth, GError **error)
{
  if (depth >= DEPTH_LIMIT)
    return rp_error_set_errno (error, ELOOP, "%s lies deeper than %d directories", name,
                               DEPTH_LIMIT);
  int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == EACCES)
    {
      /* The mode may deny us even reading.  fchmodat follows links, but here `name` is no link: the
       * open has answered EACCES and not ELOOP or ENOTDIR. */
      if (fchmodat (parent, name, 0700, 0) == 0)
        fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
  if (fd < 0)
    return failed (error, "opening the directory", name);
  /* Without write and search permission its entries cannot be unlinked. A failure shows below. */
  (void)!fchmod (fd, 0700);
  DIR *dir = fdopendir (fd);
  if (dir == NULL)
    {
      rp_close_fd (&fd);
      return failed (error, "opening the directory", name);
    }
  gboolean ok = remove_entries (dir, name, depth, error);
  closedir (dir);
  return ok;
}

static gboolean
remove_at (int parent, const char *name, int depth, GError **error)
{
  if (unlinkat (parent, name, 0) == 0 || errno == ENOENT)
    return TRUE;
  struct stat st;
  int err = errno;
  if (fstatat (parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT || failed (error, "looking at", name);
  if (!S_ISDIR (st.st_mode))
    return rp_error_set_errno (error, err, "removing %s", name);
  if (!empty_dir (parent, name, depth, error))
    return FALSE;
  return unlinkat (parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT
         || failed (error, "removing the directory", name);
}

gboolean
rp_dir_remove (const char *path, GError **error)
{
  if (remove_at (AT_FDCWD, path, 0, error))
    return TRUE;
  g_prefix_error (error, "removing %s: ", path);
  return FALSE;
}
