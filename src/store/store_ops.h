/* What a store implementation provides.  store.c and upload.c check arguments, hash, bind uploads to
 * their scope and keep each open once; an implementation only keeps bytes.  Every member may be
 * called from several threads at once, except that one staging belongs to one thread at a time.
 * Every member blocks.  The implementations are listed in store.c.
 */
#pragma once

#include <pthread.h>

#include "store/hashing.h"
#include "store/store.h"

/* The bytes of an upload while they come in; each implementation has its own struct. */
typedef struct RpStaging RpStaging;

typedef gboolean (*RpStagingVisit) (const char *name, gint64 changed_at_us, gpointer user_data,
                                    GError **error);

typedef struct {
  const char *scheme; /* of the url: "fs" */

  /* A new store of the implementation's own struct, which begins with an RpStore; `rest` is the url
   * without `scheme:`.  `ops` and the tables are filled in by the caller. */
  RpStore *(*open) (const char *rest, GError **error);
  /* Frees what `open` made. No upload is open any more. */
  void (*close) (RpStore *store);

  /* RP_ERROR_BLOB_UNKNOWN if there is none. */
  gboolean (*stat) (RpStore *store, const RpDigest *digest, RpBlobInfo *out, GError **error);
  /* A read-only descriptor, the caller's; -1 on failure, RP_ERROR_BLOB_UNKNOWN if there is none. */
  int (*open_blob) (RpStore *store, const RpDigest *digest, guint64 *out_size, GError **error);
  /* Moves a blob out of sight, durably. A blob that is not there is a success. */
  gboolean (*quarantine) (RpStore *store, const RpDigest *digest, GError **error);
  /* Visits each blob; one that goes away or comes meanwhile may be visited or not. */
  gboolean (*each) (RpStore *store, RpStoreVisit visit, gpointer user_data, GError **error);

  /* As the functions of store.h are. */
  gboolean (*touch) (RpStore *store, const RpDigest *digest, gint64 at_us, GError **error);
  gboolean (*condemn) (RpStore *store, const RpDigest *digest, GError **error);
  gboolean (*recall) (RpStore *store, const RpDigest *digest, gboolean *out_found,
                      GError **error);
  gboolean (*discard) (RpStore *store, const RpDigest *digest, GError **error);
  gboolean (*each_condemned) (RpStore *store, RpStoreVisit visit, gpointer user_data,
                              GError **error);
  gboolean (*space) (RpStore *store, guint64 *out_free, guint64 *out_total, GError **error);

  /* Makes (`create`, the name is new) or takes up a staging.  `name` is safe as a file name.
   * RP_ERROR_UPLOAD_UNKNOWN if there is none. */
  RpStaging *(*staging_open) (RpStore *store, const char *name, gboolean create, guint64 *out_size,
                              GError **error);
  /* Adds bytes at `offset`, which is the size so far: all of them or, on failure, none. */
  gboolean (*staging_append) (RpStore *store, RpStaging *staging, guint64 offset, const void *data,
                              gsize size, GError **error);
  /* A descriptor to read the bytes from with pread, the caller's; -1 on failure. */
  int (*staging_fd) (RpStore *store, RpStaging *staging, GError **error);
  /* Makes the staging's first `size` bytes, known to be `digest`, that blob, durably.  A damaged copy
   * is replaced; where a good one exists the staging is dropped.  On failure the staging stays. */
  gboolean (*staging_publish) (RpStore *store, RpStaging *staging, guint64 size,
                               const RpDigest *digest, GError **error);
  /* Deletes the bytes. */
  gboolean (*staging_drop) (RpStore *store, RpStaging *staging, GError **error);
  /* Frees the handle, always the last call; unless published or dropped the bytes stay. */
  void (*staging_close) (RpStore *store, RpStaging *staging);
  /* Visits the names of all stagings and when they were last written. */
  gboolean (*staging_each) (RpStore *store, RpStagingVisit visit, gpointer user_data,
                            GError **error);
} RpStoreOps;

extern const RpStoreOps rp_store_fs_ops;
extern const RpStoreOps rp_store_mem_ops;
extern const RpStoreOps rp_store_fault_ops;

struct RpStore {
  const RpStoreOps *ops;
  pthread_mutex_t lock;     /* of the two tables */
  GHashTable *open_uploads; /* names, a set */
  GHashTable *kept_hashes;  /* name → hash state of an upload closed in this process; upload.c */
  RpHashing *hashing;
  gint64 floor_bytes; /* atomic */
};

/* What store.c asks of upload.c: the tables' life, and the claim on a name. */
void rp_uploads_init (RpStore *store);
void rp_uploads_clear (RpStore *store);
/* FALSE if somebody has `name` open. */
gboolean rp_uploads_claim (RpStore *store, const char *name);
void rp_uploads_release (RpStore *store, const char *name);

/* RP_ERROR_BLOB_UNKNOWN with the text that all implementations share. Always returns FALSE. */
gboolean rp_store_unknown (const RpDigest *digest, GError **error);
