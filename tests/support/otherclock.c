/* Preloaded: another wall clock for a process; monotonic clocks and the times of files stay true.
 *
 * OTHERCLOCK names a file of one gint64: the seconds that the clock is ahead of the true one, less than 0
 * for behind.  The process maps it, so whoever writes to it moves the clock at once.  Asks the kernel itself and keeps
 * no state but the mapping: it works before anything else of the process does, so also under sanitizers, which read
 * the time while they start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t *ahead;

__attribute__ ((constructor)) static void
map_ahead (void)
{
  const char *path = getenv ("OTHERCLOCK");
  if (path == NULL)
    return;
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    abort (); /* a test of another time must not pass in this one */
  void *map = mmap (NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
  close (fd);
  if (map == MAP_FAILED)
    abort ();
  __atomic_store_n (&ahead, map, __ATOMIC_RELEASE);
}

static time_t
seconds_ahead (void)
{
  const int64_t *here = __atomic_load_n (&ahead, __ATOMIC_ACQUIRE);
  return here == NULL ? 0 : (time_t) __atomic_load_n (here, __ATOMIC_RELAXED);
}

int
clock_gettime (clockid_t clock, struct timespec *out)
{
  if (syscall (SYS_clock_gettime, clock, out) != 0)
    return -1;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
    out->tv_sec += seconds_ahead ();
  return 0;
}

int
gettimeofday (struct timeval *restrict out, void *restrict zone)
{
  if (syscall (SYS_gettimeofday, out, zone) != 0)
    return -1;
  out->tv_sec += seconds_ahead ();
  return 0;
}

time_t
time (time_t *out)
{
  struct timespec now;
  if (clock_gettime (CLOCK_REALTIME, &now) != 0)
    return -1;
  if (out != NULL)
    *out = now.tv_sec;
  return now.tv_sec;
}
