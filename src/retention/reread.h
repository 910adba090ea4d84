/* Reads a blob from the disk again and hashes it: what the page cache has of it is let go first, so that
 * what the disk has is looked at, and afterwards the cache has what it had before, and no more.
 */
#pragma once

#include "store/store.h"

#define RP_REREAD_PIECE_BYTES ((gsize) 1024 * 1024)

typedef enum {
  RP_REREAD_RIGHT,
  RP_REREAD_WRONG, /* other bytes, or the disk does not give them */
  RP_REREAD_GONE,
} RpRereadVerdict;

/* After each piece that was read; blocks for as long as it likes. FALSE ends the reading, with error set. */
typedef gboolean (*RpRereadPace) (gsize read_bytes, gpointer user_data, GError **error);

/* `piece`: RP_REREAD_PIECE_BYTES of the caller's. An error is only what kept us from looking. */
gboolean rp_reread (RpStore *store, const RpDigest *digest, guint8 *piece, RpRereadPace pace,
                    gpointer user_data, RpRereadVerdict *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
