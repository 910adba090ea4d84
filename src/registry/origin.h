/* Where artifacts were copied in from: what another registry had under which name, and when.  A projection of the event
 *   artifact.kept {repository, digest, upstream: {registry, repository, tag?}}
 * Thread-safe; blocks.
 */
#pragma once

#include "registry/registry.h"

/* All borrowed. */
typedef struct {
  const char *repository; /* of ours, that has `digest` */
  RpDigest digest;
  const char *upstream_registry;   /* `ghcr.io`, `127.0.0.1:5000` */
  const char *upstream_repository;
  const char *upstream_tag; /* what it was found under, or NULL */
} RpOrigin;

/* *out_recorded is FALSE if just that is recorded already. RP_ERROR_MANIFEST_UNKNOWN unless the repository has the
 * manifest; RP_ERROR_INVALID and _NAME_INVALID say which member is wrong. */
gboolean rp_origin_record (RpRegistry *registry, const RpOrigin *origin, const char *actor,
                           gboolean *out_recorded, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* [{"repository","digest","upstream":{"registry","repository","tag"},"at","actor"}…], newest first; of one digest, of all
 * with NULL. */
json_t *rp_origin_list (RpRegistry *registry, const RpDigest *digest,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
