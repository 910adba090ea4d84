/* An OCI registry over a store and a ledger.  Not HTTP: the server calls this and renders.
 *
 * Repositories come into being with their first blob or manifest.  A blob belongs to a repository
 * that pushed or mounted it; elsewhere it does not exist.  Tags are write-once.  Every change is
 * a ledger event, appended only after the bytes are durable:
 *   blob.added {repository, digest, size, from?}     tag.created {repository, tag, digest}
 *   manifest.added {repository, digest, size, …}     blob.damaged {digest, found}
 * All functions are thread-safe and block.  `actor` is who is recorded.
 */
#pragma once

#include "ledger/ledger.h"
#include "oci/closure.h"
#include "store/store.h"

extern const RpProjector rp_registry_projector;

typedef struct RpRegistry RpRegistry;
/* Borrows both. */
RpRegistry *rp_registry_new (RpStore *store, RpLedger *ledger);
void rp_registry_free (RpRegistry *registry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpRegistry, rp_registry_free)
RpStore *rp_registry_store (RpRegistry *registry);

/* ---- blobs ---- */
gboolean rp_registry_blob_stat (RpRegistry *registry, const char *repository,
                                const RpDigest *digest, guint64 *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* As rp_store_open_blob(), if the repository has it. */
int rp_registry_blob_open (RpRegistry *registry, const char *repository, const RpDigest *digest,
                           guint64 *out_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Commits the upload and records the blob: durable on return. Ends the upload on success. */
gboolean rp_registry_blob_commit (RpRegistry *registry, const char *repository, RpUpload *upload,
                                  const RpDigest *expected, const char *actor, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* `from` NULL: from anywhere. *out_mounted is FALSE if nobody there has it (start an upload
 * then). */
gboolean rp_registry_blob_mount (RpRegistry *registry, const char *repository, const char *from,
                                 const RpDigest *digest, const char *actor, gboolean *out_mounted,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- manifests and tags ---- */
typedef struct {
  RpDigest digest;
  char *media_type;
  guint64 size_bytes;
  gboolean has_subject; /* after a put */
  RpDigest subject;
} RpManifestInfo;
void rp_manifest_info_clear (RpManifestInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpManifestInfo, rp_manifest_info_clear)

/* `reference` is a tag or a digest. Refuses with RP_ERROR_MANIFEST_BLOB_UNKNOWN (all that is
 * missing, by digest) unless the repository has the whole of what the manifest names;
 * RP_ERROR_TAG_IMMUTABLE if the tag names another digest: the text says tag, existing and pushed
 * digest, since when, and what to do. Both happen in the transaction of the record. Idempotent
 * for the same bytes. */
gboolean rp_registry_manifest_put (RpRegistry *registry, const char *repository,
                                   const char *reference, const char *media_type, const void *data,
                                   gsize size, const char *actor, RpManifestInfo *out,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* `out_bytes` may be NULL (HEAD). RP_ERROR_MANIFEST_UNKNOWN, RP_ERROR_CORRUPT. */
gboolean rp_registry_manifest_get (RpRegistry *registry, const char *repository,
                                   const char *reference, RpManifestInfo *out, GBytes **out_bytes,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* {"name":…,"tags":[…]} of at most `limit` (-1: all) tags after `last` (exclusive; may be
 * NULL), in ASCII order. *out_more tells whether there are more. RP_ERROR_NAME_UNKNOWN. */
json_t *rp_registry_tags (RpRegistry *registry, const char *repository, gint64 limit,
                          const char *last, gboolean *out_more, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
json_t *rp_registry_catalog (RpRegistry *registry, gint64 limit, const char *last,
                             gboolean *out_more, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* An image index of the manifests whose subject is `digest`; never an error for an unknown one. */
json_t *rp_registry_referrers (RpRegistry *registry, const char *repository,
                               const RpDigest *digest, const char *artifact_type, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* ---- for the layers above ---- */

/* The closure of `digest` by the manifests in the store (checked, not only looked up). */
RpClosure *rp_registry_closure (RpRegistry *registry, const char *repository,
                                const RpDigest *digest, GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef enum {
  RP_VERIFY_PRESENT, /* every blob is there with the right size; says when each was last hashed */
  RP_VERIFY_HASH     /* every byte is read and hashed now, and the time is recorded */
} RpVerifyMode;

typedef struct {
  guint blobs;
  guint64 size_bytes;
  gint64 oldest_verified_at_us; /* the least recent among the blobs; 0: one never was */
  GPtrArray *problems;          /* char *: a line each, naming the digest: `missing`, … */
} RpVerifyReport;
void rp_verify_report_clear (RpVerifyReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpVerifyReport, rp_verify_report_clear)

/* A blob found damaged is quarantined and recorded (blob.damaged); it is a problem in the report,
 * not an error.  An error is only what kept us from looking. */
gboolean rp_registry_verify (RpRegistry *registry, const char *repository, const RpDigest *digest,
                             RpVerifyMode mode, RpVerifyReport *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Digests of manifests (all repositories) that begin with `prefix` (`sha256:9f2c…` or bare hex of
 * at least 4): RP_ERROR_NOT_FOUND, RP_ERROR_AMBIGUOUS listing the candidates with their
 * repositories. */
gboolean rp_registry_find_digest (RpRegistry *registry, const char *prefix, RpDigest *out,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* [{"repository","media_type","size","tags":[…],"at"}…] of a manifest or blob digest. */
json_t *rp_registry_where (RpRegistry *registry, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
