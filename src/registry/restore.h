/* What went, back again, for as long as its bytes lie here. */
#pragma once

#include "base/json.h"
#include "registry/registry.h"

/* Takes condemned bytes back.  Those of a manifest that went from a repository come with all that it needs and are recorded there
 * again, where it went last; not its tags, which may name something else by now.  {"restored": [digest…], "repository": name or
 * null, "tags": [those it had]}, the caller's.  RP_ERROR_NOT_FOUND if there is nothing to take back; if something that it needs was
 * unlinked, RP_ERROR_MANIFEST_BLOB_UNKNOWN names it, and what was taken back until then goes again by itself.  Writes; blocks for
 * syncs; any thread. */
json_t *rp_registry_restore (RpRegistry *registry, const RpDigest *digest, const char *actor,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether its own bytes still lie here. */
gboolean rp_registry_can_restore (RpRegistry *registry, const RpDigest *digest, gboolean *out_can,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
