/* Preloaded: cuts a process at its n-th step towards the disk.
 *
 * A step is a call that makes something durable (fsync, fdatasync, syncfs, sync_file_range, sync) or, if
 * asked for, visible (rename, link, symlink, unlink).  CUTSYNC names a file that all processes under test map:
 *
 *   offset  0  guint64  steps taken so far, by every process that maps the file
 *           8  guint64  the step to cut at, counted from 1; 0: none
 *          16  guint64  how: 0 kills the process before the step; else the errno that the step fails with
 *          24  guint64  which steps count: 1 durable, 2 visible, 3 both
 *          32  guint64  how many steps fail from there on (only with an errno); 0 means 1
 *
 * The test writes to the file at any time, so it can arm the cut when the process is up.  The count outlives
 * the process.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DURABLE = 1, VISIBLE = 2 };

typedef struct {
  uint64_t count;
  uint64_t at;
  uint64_t how;
  uint64_t which;
  uint64_t repeat;
} Cut;

static Cut *cut;

__attribute__ ((constructor)) static void
map_cut (void)
{
  const char *path = getenv ("CUTSYNC");
  if (path == NULL)
    return;
  int fd = open (path, O_RDWR | O_CLOEXEC);
  if (fd < 0)
    abort (); /* a test that cuts nothing must not pass */
  void *map = mmap (NULL, sizeof (Cut), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close (fd);
  if (map == MAP_FAILED)
    abort ();
  __atomic_store_n (&cut, map, __ATOMIC_RELEASE);
}

/* Whether this step is to fail; errno is set then. */
static int
step (unsigned kind)
{
  Cut *here = __atomic_load_n (&cut, __ATOMIC_ACQUIRE);
  if (here == NULL || (__atomic_load_n (&here->which, __ATOMIC_RELAXED) & kind) == 0)
    return 0;
  uint64_t number = __atomic_add_fetch (&here->count, 1, __ATOMIC_SEQ_CST);
  uint64_t at = __atomic_load_n (&here->at, __ATOMIC_SEQ_CST);
  uint64_t how = __atomic_load_n (&here->how, __ATOMIC_SEQ_CST);
  uint64_t repeat = __atomic_load_n (&here->repeat, __ATOMIC_SEQ_CST);
  if (at == 0 || number < at || number >= at + (repeat > 0 ? repeat : 1))
    return 0;
  if (how == 0)
    {
      kill (getpid (), SIGKILL);
      for (;;)
        pause ();
    }
  errno = (int) how;
  return 1;
}

#define STEP(kind, name, declared, passed)                                                         \
  int name declared;                                                                               \
  int name declared                                                                                \
  {                                                                                                \
    static int (*found) declared;                                                                  \
    int (*real) declared = __atomic_load_n (&found, __ATOMIC_RELAXED);                             \
    if (real == NULL)                                                                              \
      {                                                                                            \
        real = (int (*) declared) dlsym (RTLD_NEXT, #name);                                        \
        __atomic_store_n (&found, real, __ATOMIC_RELAXED);                                         \
      }                                                                                            \
    return step (kind) ? -1 : real passed;                                                         \
  }

#pragma GCC diagnostic ignored "-Wredundant-decls"
#pragma GCC diagnostic ignored "-Wpedantic"

STEP (DURABLE, fsync, (int fd), (fd))
STEP (DURABLE, fdatasync, (int fd), (fd))
STEP (DURABLE, syncfs, (int fd), (fd))
STEP (DURABLE, sync_file_range, (int fd, off64_t offset, off64_t size, unsigned flags),
      (fd, offset, size, flags))
STEP (DURABLE, msync, (void *address, size_t size, int flags), (address, size, flags))
STEP (VISIBLE, rename, (const char *from, const char *to), (from, to))
STEP (VISIBLE, renameat, (int from_dir, const char *from, int to_dir, const char *to),
      (from_dir, from, to_dir, to))
STEP (VISIBLE, renameat2,
      (int from_dir, const char *from, int to_dir, const char *to, unsigned flags),
      (from_dir, from, to_dir, to, flags))
STEP (VISIBLE, link, (const char *from, const char *to), (from, to))
STEP (VISIBLE, linkat, (int from_dir, const char *from, int to_dir, const char *to, int flags),
      (from_dir, from, to_dir, to, flags))
STEP (VISIBLE, symlink, (const char *target, const char *path), (target, path))
STEP (VISIBLE, symlinkat, (const char *target, int dir, const char *path), (target, dir, path))
STEP (VISIBLE, unlink, (const char *path), (path))
STEP (VISIBLE, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
