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

/* Sets `error` from errno, RP_ERROR_BLOB_UNKNOWN for ENOENT. Always FALSE. */
gboolean rp_fs_failed (const RpDigest *digest, const char *doing, GError **error);
/* Visits what lies in the directories of all algorithms. */
gboolean rp_fs_walk (const RpBlobDir *dirs, RpStoreVisit visit, gpointer user_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* That somebody relies on what `fd` is: a collector reads the time of the last change. 0 or -1. */
int rp_fs_touch_fd (int fd, gint64 at_us);

gboolean rp_fs_touch (RpStore *store, const RpDigest *digest, gint64 at_us, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_fs_condemn (RpStore *store, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_fs_recall (RpStore *store, const RpDigest *digest, gboolean *out_found, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_fs_discard (RpStore *store, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_fs_each_condemned (RpStore *store, RpStoreVisit visit, gpointer user_data,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_fs_space (RpStore *store, guint64 *out_free, guint64 *out_total, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

RpStaging *rp_fs_staging_open (RpStore *store, const char *name, gboolean create,
                               guint64 *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_fs_staging_append (RpStore *store, RpStaging *staging, guint64 offset,
                               const void *data, gsize size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
int rp_fs_staging_fd (RpStore *store, RpStaging *staging, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_fs_staging_publish (RpStore *store, RpStaging *staging, guint64 size,
                                const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_fs_staging_drop (RpStore *store, RpStaging *staging, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_fs_staging_close (RpStore *store, RpStaging *staging);
gboolean rp_fs_staging_each (RpStore *store, RpStagingVisit visit, gpointer user_data,
                             GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
