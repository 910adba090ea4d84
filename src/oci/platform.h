/* Which manifest of an index a host runs. Platforms are written `os/architecture[/variant]`. */
#pragma once

#include "oci/closure.h"

/* This machine's, as Go and with it every registry names it: `linux/amd64`. */
const char *rp_platform_host (void);

/* TRUE if a manifest for `offered` runs on `wanted`; where only one of them names a variant, the
 * variant does not matter. */
gboolean rp_platform_matches (const char *offered, const char *wanted);

/* Follows indexes from `root` to the manifest for `platform`: `root` itself if that is no index.
 * RP_ERROR_NOT_FOUND lists the platforms there are. Pure but for `load`. */
gboolean rp_platform_pick (const RpDigest *root, const char *platform, RpManifestLoader load,
                           gpointer user_data, RpDigest *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
