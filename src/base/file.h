/* Durable files.  "Durable" is: contents synced, name in place, directory synced.
 * Paths are bytes in the file system's encoding. All functions block.
 */
#pragma once

#include <glib.h>

gboolean rp_file_sync (int fd, const char *what, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_dir_sync (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* mkdir -p; every directory made is synced into its parent. */
gboolean rp_dir_make (const char *path, int mode, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Removes a tree, never following a link; makes read-only directories writable on the way.
 * A path that is not there is a success. */
gboolean rp_dir_remove (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

gboolean rp_file_write_all (int fd, const void *data, gsize size, const char *what,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whole file at once; RP_ERROR_NOT_FOUND if absent, RP_ERROR_TOO_LARGE beyond `limit_bytes`. */
GBytes *rp_file_read (const char *path, gsize limit_bytes, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* The same bytes as text, up to the first NUL; "" if there are none. g_free(). */
char *rp_file_text (GBytes *bytes);

/* Replaces `path` atomically and durably: temporary file beside it, sync, rename, sync directory.
 * After a crash the file holds either the old or the new bytes. */
gboolean rp_file_replace (const char *path, const void *data, gsize size, int mode,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Makes `link_path` a symbolic link to `target`, atomically (temporary link, rename) and durably. */
gboolean rp_link_replace (const char *link_path, const char *target, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* An exclusive lock on `path` for the life of the process or until closed.  RP_ERROR_BUSY with the
 * pid of the holder if another process has it.  The kernel drops it when the holder dies. */
typedef struct RpLock RpLock;
RpLock *rp_lock_take (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_lock_release (RpLock *lock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpLock, rp_lock_release)

/* Closes the descriptor on scope exit: `rp_autofd int fd = open (…);` (-1 is fine). */
void rp_close_fd (int *fd);
#define rp_autofd __attribute__ ((cleanup (rp_close_fd)))
