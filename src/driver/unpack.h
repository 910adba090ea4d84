/* Tar layers (plain, gzip, zstd) into a directory, trusting nothing in them.
 *
 * Refused, with the entry and the reason in the error: names that are absolute, empty or have `..`; anything that
 * is not a file, a directory or a link; writing through a link; hard links to what is no file of the same tree;
 * symbolic links that lead out of it; more entries or bytes than the limits.  Owners, extended attributes, set-id
 * and write bits are not taken over.  Whiteouts of OCI layers (`.wh.NAME`, `.wh..wh..opq`) hide what
 * lower layers brought.  Two entries of one name in a layer: the last one counts, as in tar.
 */
#pragma once

#include <glib.h>

#define RP_UNPACK_ENTRIES_MAX 500000
#define RP_UNPACK_BYTES_MAX (G_GUINT64_CONSTANT (16) << 30) /* 16 GiB */
#define RP_UNPACK_DEPTH_MAX 100 /* directories */

typedef struct {
  guint64 max_entries; /* over all layers */
  guint64 max_bytes;
} RpUnpackLimits;

typedef struct {
  int fd;           /* at its start; borrowed */
  const char *name; /* for messages */
} RpUnpackLayer;

/* `into` is an empty directory of ours, an absolute path.  Blocks; nothing is synced. RP_ERROR_INVALID for what
 * is refused, RP_ERROR_TOO_LARGE beyond a limit, RP_ERROR_NO_SPACE. After an error `into` holds rubbish. */
gboolean rp_unpack (const char *into, const RpUnpackLayer *layers, gsize n_layers,
                    const RpUnpackLimits *limits, const gint *cancelled, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
