/* Artifacts and release records in one file, to carry across an air gap: a tar that is an OCI image layout (image-spec,
 * image-layout.md), so that skopeo reads it as `oci-archive:`, with `repoint/releases.json` beside. The same content is the same
 * bytes: names in order, no owners, no times. */
#pragma once

#include "base/json.h"
#include "oci/closure.h"
#include "store/store.h"

#define RP_BUNDLE_FORMAT "repoint-releases-1" /* of releases.json: {"format", "releases": [Release…]} */

typedef struct {
  RpDigest digest;
  char *name; /* org.opencontainers.image.ref.name, or NULL */
} RpBundleRoot;
void rp_bundle_root_free (gpointer root);

/* All blobs of `store`, which must be whole, and `roots` (RpBundleRoot) into a new file at `path`; `releases` is an array or
 * NULL. RP_ERROR_CONFLICT if the file exists. What is there after a failure is no bundle: it is removed. */
gboolean rp_bundle_write (RpStore *store, const GPtrArray *roots, const json_t *releases,
                          const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reads a bundle, or any other tar with an OCI image layout in it, into `store`, every blob verified; *out_roots are
 * RpBundleRoot, *out_releases is NULL where there are no records. RP_ERROR_INVALID: it is none; RP_ERROR_DIGEST_MISMATCH: it has
 * wrong bytes; RP_ERROR_BLOB_UNKNOWN: it lacks some. */
gboolean rp_bundle_read (const char *path, RpStore *store, GPtrArray **out_roots,
                         json_t **out_releases, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* RpManifestLoader and RpBlobOpener of a store. */
GBytes *rp_bundle_load (const RpDigest *digest, const char *media_type, gpointer store,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
int rp_bundle_open_blob (const RpDigest *digest, guint64 size_bytes, gpointer store,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
