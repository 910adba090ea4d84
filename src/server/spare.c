#include "server/spare.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/size.h"

#define SPARE_MAX ((guint64) 32 << 20)
#define STEPS     8
#define STEP_MIN  ((guint64) 1 << 20) /* what the ledger may write between two looks */

guint64
rp_floor_of (gint64 setting, guint64 total_bytes)
{
  if (setting < 0)
    return total_bytes / 100 * (guint64) -setting;
  return MIN ((guint64) setting, total_bytes / 10);
}

/* What the file has now; 0 where there is none. */
static guint64
size_of (int fd)
{
  struct stat info;

  return fstat (fd, &info) == 0 ? (guint64) info.st_size : 0;
}

static void
give_up_a_step (RpSpare *spare, int fd, guint64 size, guint64 step)
{
  g_autofree char *text = rp_size_format ((gint64) step);
  guint64 rest = size > step ? size - step : 0;

  if (ftruncate (fd, (off_t) rest) != 0)
    {
      rp_log_error ("server", "the disk is full and the reserve cannot be given up: %s", strerror (errno));
      return;
    }
  spare->spare_bytes = rest;
  rp_log_error ("server",
                "the disk is full: %s of the reserve were given up so that the ledger can be written; free some space",
                text);
}

/* A file that has not all its blocks would fail just when it is needed. */
static void
make_again (RpSpare *spare, int fd, guint64 size, guint64 want)
{
  int problem = posix_fallocate (fd, 0, (off_t) want);

  if (problem == 0)
    spare->spare_bytes = want;
  else if (ftruncate (fd, (off_t) size) != 0)
    rp_log_error ("server", "the reserve cannot be made: %s", strerror (problem));
}

static void
look_after_file (RpSpare *spare, const char *data_dir)
{
  g_autofree char *path = g_build_filename (data_dir, "reserve", NULL);
  guint64 want = MIN (spare->floor_bytes / 2, SPARE_MAX), step = MIN (want, MAX (want / STEPS, STEP_MIN));
  rp_autofd int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  guint64 size;

  if (fd < 0)
    return;
  size = size_of (fd);
  spare->spare_bytes = size;
  if (size > 0 && spare->free_bytes < MAX (step, 1))
    give_up_a_step (spare, fd, size, MAX (step, 1));
  else if (size < want && spare->free_bytes > spare->floor_bytes + (want - size))
    make_again (spare, fd, size, want);
  else if (size > want && ftruncate (fd, (off_t) want) == 0) /* another setting */
    spare->spare_bytes = want;
}

static void
tell (RpSpare *spare, gboolean low)
{
  g_autofree char *has = rp_size_format ((gint64) spare->free_bytes);
  g_autofree char *floor = rp_size_format ((gint64) spare->floor_bytes);

  if (low && !spare->low)
    rp_log_error ("server",
                  "the disk is nearly full: %s are free, and below %s pushes are refused; moves, reports and pulls go "
                  "on. `repoint retention collect --until-free SIZE` makes room",
                  has, floor);
  else if (!low && spare->low)
    rp_log_info ("server", "%s are free again: pushes are taken", has);
  g_atomic_int_set (&spare->low, low);
}

void
rp_spare_tick (RpSpare *spare, RpStore *store, const char *data_dir, gint64 setting)
{
  guint64 available, total;

  if (!rp_store_space (store, &available, &total, NULL))
    return;
  spare->free_bytes = available;
  spare->floor_bytes = rp_floor_of (setting, total);
  rp_store_set_floor (store, (gint64) spare->floor_bytes);
  look_after_file (spare, data_dir);
  tell (spare, available < spare->floor_bytes);
}
