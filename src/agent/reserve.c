#include "agent/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

static char *
reserve_path (const char *state_dir)
{
  return g_build_filename (state_dir, "reserve", NULL);
}

static gboolean
free_bytes (const char *state_dir, guint64 *out)
{
  struct statvfs fs;

  if (statvfs (state_dir, &fs) != 0)
    return FALSE;
  *out = (guint64) fs.f_bavail * fs.f_frsize;
  return TRUE;
}

/* Random bytes, so that no file system stores them as nothing. */
static gboolean
write_noise (int fd, GError **error)
{
  g_autofree guint32 *block = g_new (guint32, 16384);

  for (guint i = 0; i < 16384; i++)
    block[i] = g_random_int ();
  for (gsize done = 0; done < RP_RESERVE_BYTES; done += 16384 * sizeof (guint32))
    if (!rp_file_write_all (fd, block, 16384 * sizeof (guint32), "the reserve", error))
      return FALSE;
  return rp_file_sync (fd, "the reserve", error);
}

gboolean
rp_reserve_fill (const char *state_dir)
{
  g_autofree char *path = reserve_path (state_dir);
  g_autoptr (GError) error = NULL;
  struct stat info;
  guint64 space;
  rp_autofd int fd = -1;

  if (stat (path, &info) == 0 && info.st_size == RP_RESERVE_BYTES)
    return TRUE;
  if (!free_bytes (state_dir, &space) || space < 2 * (guint64) RP_RESERVE_BYTES)
    return FALSE;
  fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0)
    return FALSE;
  if (write_noise (fd, &error))
    return TRUE;
  unlink (path);
  return FALSE;
}

gboolean
rp_reserve_release (const char *state_dir)
{
  g_autofree char *path = reserve_path (state_dir);

  if (unlink (path) != 0)
    return FALSE;
  rp_log_warning ("agent", "the disk of %s is full: gave up the reserve of %d KiB so that the journal "
                  "can be written; free some space", state_dir, RP_RESERVE_BYTES / 1024);
  return TRUE;
}

gboolean
rp_reserve_release_if_full (const char *state_dir)
{
  guint64 space;

  if (!free_bytes (state_dir, &space) || space >= RP_RESERVE_BYTES)
    return FALSE;
  return rp_reserve_release (state_dir);
}
