/* What refers to a manifest in a registry (distribution-spec 1.1, "Listing Referrers"; the referrers tag schema; cosign's
 * SIGNATURE_SPEC.md, "Storage"). */
#pragma once

#include "cli/remote.h"

/* Descriptors, none or several. *out_by_api is FALSE where the registry has no referrers API and the fallback tag was
 * read. */
json_t *rp_referrers_of (const RpRemote *remote, const RpDigest *subject, gboolean *out_by_api,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* char *: the tags that cosign may use for it. */
GPtrArray *rp_referrers_cosign_tags (const RpDigest *subject);

/* *out_there is FALSE if there is no such tag. */
gboolean rp_referrers_resolve_tag (const RpRemote *remote, const char *tag, gboolean *out_there,
                                   RpDigest *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Where the registry has no referrers API: makes its fallback tag list `descriptors` too. */
gboolean rp_referrers_publish (const RpRemote *remote, const RpDigest *subject,
                               const json_t *descriptors, GError **error) G_GNUC_WARN_UNUSED_RESULT;
