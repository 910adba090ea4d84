/* Blobs by digest: immutable bytes, never overwritten, verified when they come in.
 *
 * A store knows nothing of repositories, tags or releases.  Implementations are small vtables (see
 * store_ops.h) listed in one array; the functions here check arguments, then call them.  All
 * functions are thread-safe and block.  An RpUpload belongs to one thread at a time.
 *
 * Places on disk of the `fs` store (the only file that knows them is paths.c):
 *
 *   ROOT/blobs/sha256/9f/9f2c…          mode 0444
 *   ROOT/uploads/<uuid>-<scope hash>    append-only while open
 *   ROOT/condemned/sha256/9f/9f2c…      needed by nothing, restorable
 *   ROOT/quarantine/sha256/9f/9f2c…     damaged
 */
#pragma once

#include "base/digest.h"

typedef struct RpStore RpStore;
typedef struct RpUpload RpUpload;

/* `url`: `fs:/path` (or a plain path), `mem:`, `fault:…` (tests; see fault.c). The tree is made where
 * it is missing. */
RpStore *rp_store_open (const char *url, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_store_close (RpStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpStore, rp_store_close)

typedef struct {
  guint64 size_bytes;
  gint64 stored_at_us; /* when it was last committed, also where it was there already */
} RpBlobInfo;

/* RP_ERROR_BLOB_UNKNOWN if the store does not have it. */
gboolean rp_store_stat (RpStore *store, const RpDigest *digest, RpBlobInfo *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* A read-only, seekable descriptor at offset 0, the caller's to close; fit for sendfile.  The bytes are
 * those that were verified at commit; they are not hashed again here (see rp_store_verify()). */
int rp_store_open_blob (RpStore *store, const RpDigest *digest, guint64 *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* A small blob whole, hashed again: RP_ERROR_CORRUPT rather than wrong bytes. */
GBytes *rp_store_read (RpStore *store, const RpDigest *digest, gsize limit_bytes, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Durable write of a small blob. Idempotent. RP_ERROR_DIGEST_MISMATCH if it is not `expected`. */
gboolean rp_store_put (RpStore *store, const RpDigest *expected, const void *data, gsize size,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Re-hashes every byte. RP_ERROR_CORRUPT says both digests. */
gboolean rp_store_verify (RpStore *store, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Moves the blob out of sight (durably), so that it is never served; a success if it is already gone. */
gboolean rp_store_quarantine (RpStore *store, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* ---- bytes that nothing needs any more ----
 *
 * Who calls these sees to it that nobody stores or touches the same blob meanwhile, and has it
 * recorded what becomes of it.
 */

/* Somebody relies on the blob from now on: `stored_at_us` becomes `at_us`. RP_ERROR_BLOB_UNKNOWN. */
gboolean rp_store_touch (RpStore *store, const RpDigest *digest, gint64 at_us, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Moves the blob to the condemned ones, out of sight; a success if it is gone. A crash may undo it. */
gboolean rp_store_condemn (RpStore *store, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Moves it back, durably, touched now. *out_found: the blob can be read (also where it never left). */
gboolean rp_store_recall (RpStore *store, const RpDigest *digest, gboolean *out_found,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Unlinks the condemned bytes, and never others; a success if they are gone. */
gboolean rp_store_discard (RpStore *store, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* What the file system of the store has, in bytes; `out_free` is what is left to us. */
gboolean rp_store_space (RpStore *store, guint64 *out_free, guint64 *out_total, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Uploads are neither begun nor gone on with while less than so many bytes are free (RP_ERROR_NO_SPACE), so that
 * those who share the disk go on working. 0, as it is at first: whatever the disk takes. */
void rp_store_set_floor (RpStore *store, gint64 bytes);

/* Calls `visit` for each blob, in no order; FALSE with error set ends the walk. */
typedef gboolean (*RpStoreVisit) (const RpDigest *digest, const RpBlobInfo *info,
                                  gpointer user_data, GError **error);
gboolean rp_store_each (RpStore *store, RpStoreVisit visit, gpointer user_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* As above, of the condemned ones. */
gboolean rp_store_each_condemned (RpStore *store, RpStoreVisit visit, gpointer user_data,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Deletes the uploads that nobody has open and to which nothing was added since `before_us`
 * (microseconds since 1970 UTC), for a janitor. `out_removed` may be NULL. */
gboolean rp_store_upload_expire (RpStore *store, gint64 before_us, guint *out_removed,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- uploads ----
 *
 * An upload is named by a UUID and bound to a `scope` (a repository name): with another scope it does
 * not exist.  It survives a restart of the process: re-opened, its bytes are hashed again.
 * sha256 and sha512 can both be asked for at commit.
 */

/* Starts one; `rp_upload_id()` names it. */
RpUpload *rp_upload_new (RpStore *store, const char *scope, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Takes up one that exists and that nobody else has open. RP_ERROR_UPLOAD_UNKNOWN; RP_ERROR_BUSY if
 * another request holds it. */
RpUpload *rp_upload_open (RpStore *store, const char *scope, const char *id, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
const char *rp_upload_id (const RpUpload *upload);
guint64 rp_upload_size (const RpUpload *upload);

/* What was appended, to be read with pread() while more comes (`fs`; others show what there is now), also after the
 * upload has ended. A descriptor, the caller's. */
int rp_upload_reader (RpUpload *upload, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Appends and hashes. After an error (RP_ERROR_NO_SPACE, say) the upload stays at the size it had
 * before the call. */
gboolean rp_upload_append (RpUpload *upload, const void *data, gsize size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Makes it the blob `expected`, durably (sync, link or rename, sync of the directory), and ends the upload.
 * RP_ERROR_DIGEST_MISMATCH leaves the upload open.  If the store has the blob already the good
 * upload takes the place of a damaged copy and is otherwise dropped. */
gboolean rp_upload_commit (RpUpload *upload, const RpDigest *expected, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Ends the upload and deletes its bytes. */
gboolean rp_upload_cancel (RpUpload *upload, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Lets go of the handle; an upload that was neither committed nor cancelled stays to be re-opened. */
void rp_upload_close (RpUpload *upload);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpUpload, rp_upload_close)
