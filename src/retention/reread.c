#include "retention/reread.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

/* Is its beginning in the page cache? Then somebody pulls it. */
static gboolean
is_cached (int fd)
{
#ifdef RWF_NOWAIT
  guint8 byte;
  struct iovec to = { &byte, 1 };

  return preadv2 (fd, &to, 1, 0, RWF_NOWAIT) == 1;
#else
  (void) fd;
  return FALSE;
#endif
}

static gboolean
hash (int fd, RpHasher *hasher, guint8 *piece, gboolean keep, RpRereadPace pace,
      gpointer user_data, gboolean *out_read, GError **error)
{
  off_t offset = 0;
  ssize_t got;

  *out_read = FALSE;
  while ((got = pread (fd, piece, RP_REREAD_PIECE_BYTES, offset)) != 0)
    {
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        return TRUE;
      rp_hasher_update (hasher, piece, (gsize) got);
      if (!keep)
        (void) posix_fadvise (fd, offset, got, POSIX_FADV_DONTNEED);
      offset += got;
      if (!pace ((gsize) got, user_data, error))
        return FALSE;
    }
  *out_read = TRUE;
  return TRUE;
}

gboolean
rp_reread (RpStore *store, const RpDigest *digest, guint8 *piece, RpRereadPace pace,
           gpointer user_data, RpRereadVerdict *out, GError **error)
{
  g_autoptr (RpHasher) hasher = rp_hasher_new (digest->algorithm);
  g_autoptr (GError) local = NULL;
  rp_autofd int fd = rp_store_open_blob (store, digest, NULL, &local);
  gboolean read = FALSE, keep;
  RpDigest found;

  if (fd < 0)
    {
      *out = RP_REREAD_GONE;
      if (g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  keep = is_cached (fd);
  (void) posix_fadvise (fd, 0, 0, POSIX_FADV_DONTNEED);
  (void) posix_fadvise (fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  if (!hash (fd, hasher, piece, keep, pace, user_data, &read, error))
    return FALSE;
  found = rp_hasher_peek (hasher);
  *out = read && rp_digest_equal (&found, digest) ? RP_REREAD_RIGHT : RP_REREAD_WRONG;
  return TRUE;
}
