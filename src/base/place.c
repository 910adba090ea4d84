#include "base/place.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* The nearest one above `path` that is there, which is where it would be made. */
static char *
nearest (const char *path)
{
  char *place = g_canonicalize_filename (path, NULL);

  while (access (place, F_OK) != 0 && strcmp (place, "/") != 0)
    {
      char *above = g_path_get_dirname (place);
      g_free (place);
      place = above;
    }
  return place;
}

gboolean
rp_place_probe (const char *path, GError **error)
{
  g_autofree char *place = nearest (path);
  struct stat info;

  if (stat (place, &info) != 0)
    return rp_error_set_errno (error, errno, "%s", place);
  if (!S_ISDIR (info.st_mode))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "%s is no directory; name another place, or move it away", place);
      return FALSE;
    }
  if (access (place, W_OK | X_OK) == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DENIED,
               "this user (uid %u) cannot write to %s; make it theirs, or run this as its owner",
               (unsigned) geteuid (), place);
  return FALSE;
}
