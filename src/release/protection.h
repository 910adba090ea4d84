/* What releases need: every digest of the closure of every release whose artifact is still in its
 * repository, so that a registry can be told not to delete it by hand (promise 4).  Closures never change, so they are learnt
 * once, in memory: the first look reads the manifests of all releases, later ones those of new
 * releases alone.  What refers to any of that (signatures, SBOMs, attestations, and what refers to those) is
 * needed as well, with all that it names; it refers by its member `subject`, or by a tag of
 * signers (`sha256-<hex>`, the fallback of the referrers API, and cosign's `.sig`, `.att`, `.sbom`), which are kept too.  Thread-safe.  Fits RpRegistryGuard, with the engine as user_data.
 */
#pragma once

#include "release/engine.h"

/* Learns the closures of the releases recorded since the last time.  RP_ERROR_PROTECTED if one
 * cannot be walked: what it needs is unknown then, so nothing may be deleted. */
gboolean rp_protection_prepare (gpointer engine, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Learns all anew the next time: artifacts of releases were expired. */
void rp_protection_forget (gpointer engine);
/* {"text", "app", "release", "component", "environments": […]} of the first release that needs
 * `digest`. */
gboolean rp_protection_check (RpTxn *txn, const RpDigest *digest, gboolean *out_fresh,
                              json_t **out_holder, gpointer engine, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
