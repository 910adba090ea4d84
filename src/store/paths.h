/* Where the `fs` store keeps things:
 *
 *   ROOT/
 *     blobs/
 *       sha256/
 *         9f/
 *           9f2c…            a blob, mode 0444, never changed in place
 *       sha512/…
 *     uploads/
 *       <uuid>-<16 hex>      bytes that are coming in; the hex is the hash of the upload's scope
 *     condemned/
 *       sha256/
 *         9f/
 *           9f2c…            right bytes that nothing needs: restorable until they are unlinked
 *       sha512/…
 *     quarantine/
 *       sha256/
 *         9f/
 *           9f2c…            damaged; `9f2c….2` if there was one before
 *       sha512/…
 *
 * Directories are kept open, and everything else is named relative to them.
 */
#pragma once

#include "base/digest.h"

enum { RP_PATHS_N_ALGORITHMS = 2, RP_PATH_SIZE = 3 + 128 + 1 };

/* A directory of blobs of one algorithm. */
typedef struct {
  int fd;
  gint durable[256]; /* atomic: the directory of this first byte is there, and synced */
} RpBlobDir;

typedef struct {
  RpBlobDir blobs[RP_PATHS_N_ALGORITHMS];
  RpBlobDir condemned[RP_PATHS_N_ALGORITHMS];
  RpBlobDir quarantine[RP_PATHS_N_ALGORITHMS];
  int uploads;
} RpPaths;

/* Makes what is missing of the tree, durably, and opens it. */
gboolean rp_paths_open (RpPaths *paths, const char *root, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_paths_clear (RpPaths *paths);

/* `9f/9f2c…`, relative to the RpBlobDir of its algorithm. */
const char *rp_path_of_blob (const RpDigest *digest, char out[RP_PATH_SIZE]);
/* Whether a name in uploads/ is of the form that uploads have. */
gboolean rp_path_is_upload (const char *name);
/* The other way round, from a first-byte directory and a name in it; FALSE for a stranger's file. */
gboolean rp_path_to_digest (RpDigestAlgorithm algorithm, const char *prefix, const char *name,
                            RpDigest *out);

/* Makes the directory that `digest` belongs in, durably; costs nothing when it is known. */
gboolean rp_blob_dir_make (RpBlobDir *dir, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Syncs the directory that `digest` belongs in: names that came or went are durable. */
gboolean rp_blob_dir_sync (const RpBlobDir *dir, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
