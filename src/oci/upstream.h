/* Another registry, as a server reads it for its own clients: bounded in time, with the credentials of one file or
 * none, and left alone for as long as it asks for that (429, 503 with Retry-After).
 * Thread-safe; blocks.
 *
 * Errors: RP_ERROR_MANIFEST_UNKNOWN and _BLOB_UNKNOWN: it has none; RP_ERROR_TOO_MANY: it asked to be left alone; RP_ERROR_BUSY:
 * cancelled; RP_ERROR_DIGEST_MISMATCH and _SIZE_INVALID: it sent wrong bytes; RP_ERROR_UNAUTHORIZED, _UNREACHABLE, _UNTRUSTED,
 * _TIMEOUT: it could not be asked.
 */
#pragma once

#include "oci/fetch.h"

typedef struct RpUpstream RpUpstream;

typedef struct {
  const char *url;              /* `https://ghcr.io/team`: repositories are below the path */
  const char *credentials_file; /* as Docker's config.json; NULL: as anybody */
  const char *ca_file;          /* or NULL */
  const gint *cancelled;        /* set to 1: all that runs ends soon; borrowed */
} RpUpstreamOptions;

/* RP_ERROR_USAGE if the address is none. */
RpUpstream *rp_upstream_new (const RpUpstreamOptions *options, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_upstream_free (RpUpstream *upstream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpUpstream, rp_upstream_free)

/* `ghcr.io`, `docker.io`: as references name it. Borrowed. */
const char *rp_upstream_registry (const RpUpstream *upstream);
/* The name there of what is called `repository` below the path. g_free(). */
char *rp_upstream_name (const RpUpstream *upstream, const char *repository);
/* The other way round: NULL if `name` is not below the path. Borrowed from `name`. */
const char *rp_upstream_below (const RpUpstream *upstream, const char *name);
/* Seconds for which it wants to be left alone, 0: it may be asked. */
gint64 rp_upstream_pause_s (RpUpstream *upstream);

typedef struct {
  RpDigest digest;
  char *media_type;
  GBytes *bytes;
} RpUpstreamManifest;
void rp_upstream_manifest_clear (RpUpstreamManifest *manifest);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpUpstreamManifest, rp_upstream_manifest_clear)

/* `reference`: a tag or a digest, which the bytes are checked against. */
gboolean rp_upstream_manifest (RpUpstream *upstream, const char *repository, const char *reference,
                               RpUpstreamManifest *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* By HEAD: what a tag or digest names. *out_told is FALSE if it does not say. */
gboolean rp_upstream_resolve (RpUpstream *upstream, const char *repository, const char *reference,
                              gboolean *out_told, RpDigest *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* By HEAD. */
gboolean rp_upstream_blob_size (RpUpstream *upstream, const char *repository,
                                const RpDigest *digest, guint64 *out_bytes, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Fills in url, auth, repository, resume_id and retry of `fetch` and runs it. */
gboolean rp_upstream_fetch (RpUpstream *upstream, const char *repository, RpFetch *fetch,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
