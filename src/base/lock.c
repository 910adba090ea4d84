#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"

/* flock() and not fcntl(): it belongs to the open file, so a second open in the same process is
 * refused too, and closing an unrelated descriptor of the file does not drop it. */
struct RpLock {
  int fd;
};

static gboolean
refuse (int fd, const char *path, GError **error)
{
  char text[32] = "";
  ssize_t got = pread (fd, text, sizeof text - 1, 0);
  long pid = got > 0 ? strtol (text, NULL, 10) : 0;
  if (pid > 0)
    g_set_error (error, RP_ERROR, RP_ERROR_BUSY,
                 "%s is held by process %ld: stop it first, or use another directory", path, pid);
  else
    g_set_error (error, RP_ERROR, RP_ERROR_BUSY,
                 "%s is held by another process: stop it first, or use another directory", path);
  return FALSE;
}

/* The pid is for people only; a full disk must not keep anybody from taking the lock. */
static void
note_holder (int fd)
{
  char text[32];
  int length = g_snprintf (text, sizeof text, "%ld\n", (long)getpid ());
  if (ftruncate (fd, 0) == 0)
    (void)!pwrite (fd, text, (size_t)length, 0);
}

RpLock *
rp_lock_take (const char *path, GError **error)
{
  rp_autofd int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0)
    {
      rp_error_set_errno (error, errno, "opening the lock %s", path);
      return NULL;
    }
  while (flock (fd, LOCK_EX | LOCK_NB) != 0)
    {
      if (errno == EINTR)
        continue;
      if (errno == EWOULDBLOCK)
        refuse (fd, path, error);
      else
        rp_error_set_errno (error, errno, "locking %s", path);
      return NULL;
    }
  note_holder (fd);
  RpLock *lock = g_new (RpLock, 1);
  lock->fd = fd;
  fd = -1;
  return lock;
}

void
rp_lock_release (RpLock *lock)
{
  if (lock == NULL)
    return;
  rp_close_fd (&lock->fd);
  g_free (lock);
}
