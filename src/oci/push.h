/* An artifact into a registry: children before parents, each blob only if the registry lacks it. */
#pragma once

#include "oci/client.h"

/* A descriptor on the verified bytes of a blob, at offset 0 and the caller's to close; -1 on failure.
 * Called only for what the registry lacks. */
typedef int (*RpBlobOpener) (const RpDigest *digest, guint64 size_bytes, gpointer user_data,
                             GError **error);

typedef struct {
  RpOciClient *client;
  const char *repository;
  const char *tag;        /* or NULL: by digest only */
  const char *mount_from; /* repository of the same registry to take blobs from, or NULL */
  guint parallel;         /* blobs at once; 0: one. `open` is called from as many threads then */
  RpManifestLoader load;
  RpBlobOpener open;
  gpointer user_data; /* of both */
} RpPush;

/* Pushes the closure of `root`, byte for byte: blobs, then manifests. A failure leaves no tag: the root comes last, and a
 * registry that answers with another digest is an error (RP_ERROR_DIGEST_MISMATCH).  Uploads that
 * break off are begun again. Blocks. */
gboolean rp_oci_push (const RpPush *push, const RpDigest *root, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* One blob, also if the registry says that it has it: what it has may be damaged. */
gboolean rp_oci_push_blob (const RpPush *push, const RpDigest *digest, guint64 size_bytes,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* One manifest whose parts are there, under a tag or as its digest. */
gboolean rp_oci_push_manifest (RpOciClient *client, const char *repository, const char *reference,
                               GBytes *bytes, const RpDigest *digest,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
