/* Small documents of a repository, read whole: what refers to a component, and what that holds. */
#pragma once

#include "oci/manifest.h"
#include "registry/registry.h"

/* What a referrer brings is not part of any verified closure, so it is hashed here. RP_ERROR_TOO_LARGE beyond `limit` bytes,
 * RP_ERROR_CORRUPT. */
GBytes *rp_document_blob (RpRegistry *registry, const char *repository, const RpDigest *digest,
                          guint64 limit, GError **error) G_GNUC_WARN_UNUSED_RESULT;
RpManifest *rp_document_manifest (RpRegistry *registry, const char *repository, const RpDigest *digest,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
