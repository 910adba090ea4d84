/* What fs.c and fs_upload.c share: the store on a local file system. */
#pragma once

#include "store/paths.h"
#include "store/store_ops.h"

typedef struct {
  RpStore base;
  RpPaths paths;
} RpFsStore;

/* renameat2 with RENAME_NOREPLACE, and the same by other means where the file system has none:
 * fails with EEXIST in errno rather than replace anything. 0 or -1. */
int rp_fs_move (int from_dir, const char *from, int to_dir, const char *to);

RpStaging *rp_fs_staging_open (RpStore *store, const char *name, gboolean create,
                               guint64 *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_fs_staging_append (RpStore *store, RpStaging *staging, guint64 offset,
                               const void *data, gsize size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
int rp_fs_staging_fd (RpStore *store, RpStaging *staging, GError **error);
gboolean rp_fs_staging_publish (RpStore *store, RpStaging *staging, guint64 size,
                                const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_fs_staging_drop (RpStore *store, RpStaging *staging, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_fs_staging_close (RpStore *store, RpStaging *staging);
gboolean rp_fs_staging_each (RpStore *store, RpStagingVisit visit, gpointer user_data,
                             GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
