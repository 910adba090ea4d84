/* One blob from a registry into a store: resumed where it broke off, verified before it counts. */
#pragma once

#include "oci/auth.h"
#include "oci/client.h"
#include "oci/retry.h"

typedef struct {
  const char *url;
  RpAuth *auth;
  const char *repository;   /* what it is fetched from, and the scope of the upload in the store */
  const char *resume_id;    /* an upload left by an earlier fetch, or NULL */
  RpStore *store;
  RpDigest digest;
  guint64 size_bytes;
  RpRetry *retry;
  RpProgress progress;      /* or NULL; called with bytes of this blob */
  gpointer progress_data;
  /* Or NULL: told each upload that bytes go to, before any come; another one means that those before
   * do not count. FALSE with error set ends the fetch. */
  gboolean (*begin) (RpUpload *upload, gpointer data, GError **error);
  /* Or NULL: rp_upload_commit(). As that. */
  gboolean (*commit) (RpUpload *upload, const RpDigest *expected, gpointer data, GError **error);
  gpointer data; /* of both */
} RpFetch;

/* *out_left is NULL after success; after a failure the id of an upload that a later fetch may take
 * up (g_free()), or NULL. RP_ERROR_DIGEST_MISMATCH, _SIZE_INVALID: the registry sent other bytes;
 * RP_ERROR_BLOB_UNKNOWN: it has none; RP_ERROR_NO_SPACE: the store is full. */
gboolean rp_fetch_blob (const RpFetch *fetch, char **out_left, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
