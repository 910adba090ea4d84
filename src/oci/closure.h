/* The closure of an artifact: everything that must be there for it to run (index → manifests → config and
 * layers).  Children, then the manifest itself: an order in which a copy is always safe.
 */
#pragma once

#include "oci/manifest.h"

typedef struct {
  RpDigest digest;
  guint64 size_bytes;
  gboolean is_manifest; /* manifest or index, else config or layer */
  char *media_type;
  char *platform; /* of manifests below an index, or NULL */
} RpClosureItem;

typedef struct {
  GPtrArray *items;    /* RpClosureItem, each digest once; the root is last */
  guint64 total_bytes;
} RpClosure;

/* Returns the verified bytes of a manifest; RP_ERROR_MANIFEST_UNKNOWN or _BLOB_UNKNOWN if absent. */
typedef GBytes *(*RpManifestLoader) (const RpDigest *digest, const char *media_type,
                                     gpointer user_data, GError **error);

/* Walks from `root`. Depth, number of items and cycles are limited (RP_ERROR_TOO_LARGE). Foreign layers are
 * left out.  An error of the loader ends the walk, prefixed with the path (index → manifest). */
RpClosure *rp_closure_walk (const RpDigest *root, const char *media_type, RpManifestLoader load,
                            gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_closure_free (RpClosure *closure);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpClosure, rp_closure_free)
