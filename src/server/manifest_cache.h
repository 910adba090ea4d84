/* Manifests that were asked for lately, with what one needs to answer: a rollout makes every host
 * ask for the same one.  An entry counts only as long as the ledger has not moved since before it
 * was read, so a manifest that was found damaged is not served from here.  Thread-safe.
 */
#pragma once

#include "registry/registry.h"

typedef struct RpManifestCache RpManifestCache;

RpManifestCache *rp_manifest_cache_new (void);
void rp_manifest_cache_free (RpManifestCache *cache);

/* FALSE if it is not there for `seq`. `out` and *out_bytes are the caller's. */
gboolean rp_manifest_cache_get (RpManifestCache *cache, gint64 seq, const char *repository,
                                const char *reference, RpManifestInfo *out, GBytes **out_bytes);
/* `seq` is the ledger's from before the manifest was read. Large manifests are not kept. */
void rp_manifest_cache_put (RpManifestCache *cache, gint64 seq, const char *repository,
                            const char *reference, const RpManifestInfo *info, GBytes *bytes);
