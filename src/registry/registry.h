/* An OCI registry over a store and a ledger.  Not HTTP: the server calls this and renders.
 *
 * Repositories come into being with their first blob or manifest.  A blob belongs to a repository
 * that pushed or mounted it; elsewhere it does not exist.  Tags are write-once unless the
 * repository's policy (policy.h) lets them move.  Deleting takes a name or a membership away, never
 * bytes.  Every change is a ledger event, appended only after the bytes are durable:
 *   blob.added {repository, digest, size, from?}     tag.created {repository, tag, digest}
 *   manifest.added {repository, digest, size, …}     tag.moved {repository, tag, digest, from}
 *   blob.deleted {repository, digest}                tag.deleted {repository, tag, digest}
 *   manifest.deleted {repository, digest, tags, rule?}   blob.damaged {digest, found}
 *   artifact.kept (origin.h)                         blob.healed (heal.h)
 * Bytes that nothing needs are the collector's (collect.h).
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
RpDb *rp_registry_db (RpRegistry *registry);
RpLedger *rp_registry_ledger (RpRegistry *registry);

/* ---- policies (policy.h says what is in one) ---- */

/* [policy…] in the order of their patterns. */
json_t *rp_registry_policies (RpRegistry *registry, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The one that counts for `repository`, which need not exist. */
json_t *rp_registry_policy_of (RpRegistry *registry, const char *repository, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* May `tag` of `repository` be given other bytes, by the policy? It need not exist. */
gboolean rp_registry_tag_may_move (RpRegistry *registry, const char *repository, const char *tag,
                                   gboolean *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Makes the policy of `pattern`, or changes the members that `fields` names, and returns all of
 * it. Records nothing where nothing changes. RP_ERROR_INVALID. */
json_t *rp_registry_configure (RpRegistry *registry, const char *pattern, const json_t *fields,
                               const char *actor, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RP_ERROR_NOT_FOUND if `pattern` has no policy. */
gboolean rp_registry_unconfigure (RpRegistry *registry, const char *pattern, const char *actor,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- use and quotas (use.h says what counts) ---- */

/* {"bytes","objects"} of `repository`; zeros for an unknown one. */
json_t *rp_registry_use (RpRegistry *registry, const char *repository, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* [{"pattern","limit_bytes","used_bytes"}…] in the order of their patterns: all, or those that hold for
 * `repository`. */
json_t *rp_registry_quotas (RpRegistry *registry, const char *repository, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* RP_ERROR_QUOTA if `repository` could not take `digest` now: before bytes are sent for nothing. What is recorded is
 * checked again when it is. */
gboolean rp_registry_check_room (RpRegistry *registry, const char *repository,
                                 const RpDigest *digest, guint64 size_bytes, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* ---- blobs ---- */
gboolean rp_registry_blob_stat (RpRegistry *registry, const char *repository,
                                const RpDigest *digest, guint64 *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* As rp_store_open_blob(), if the repository has it. */
int rp_registry_blob_open (RpRegistry *registry, const char *repository, const RpDigest *digest,
                           guint64 *out_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Commits the upload and records the blob: durable on return. Ends the upload on success. RP_ERROR_QUOTA: the
 * repository may not have that much; a mount and a manifest may be refused for the same. */
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
 * missing, by digest) unless the repository has the whole of what the manifest names or its policy
 * is sparse; RP_ERROR_TAG_IMMUTABLE if the tag names another digest and may not move: the text says
 * tag, existing and pushed digest, since when, and what to do. Both happen in the transaction of
 * the record. Idempotent for the same bytes. */
gboolean rp_registry_manifest_put (RpRegistry *registry, const char *repository,
                                   const char *reference, const char *media_type, const void *data,
                                   gsize size, const char *actor, RpManifestInfo *out,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* As above by digest, and gives it all of `tags` (NULL-ended) or, where one is refused, none. */
gboolean rp_registry_manifest_put_tags (RpRegistry *registry, const char *repository,
                                        const RpDigest *digest, const char *const *tags,
                                        const char *media_type, const void *data, gsize size,
                                        const char *actor, RpManifestInfo *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* As rp_registry_manifest_put_tags(), of what another registry has whole: what it names comes here when it is asked
 * for. `tag` may be NULL. */
gboolean rp_registry_manifest_keep (RpRegistry *registry, const char *repository,
                                    const RpDigest *digest, const char *tag, const char *media_type,
                                    const void *data, gsize size, const char *actor, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
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
/* An image index of the manifests whose subject is `digest`; never an error for an unknown one.
 * Also has what the index under the fallback tag (`sha256-<64 hex>`) lists, is in the repository and
 * has another or no subject. */
json_t *rp_registry_referrers (RpRegistry *registry, const char *repository,
                               const RpDigest *digest, const char *artifact_type, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* At most `limit` (from 1) of those after `after` (0: from the first), fewer where their annotations
 * are large; *out_next is what to go on after, 0 at the end. */
json_t *rp_registry_referrers_page (RpRegistry *registry, const char *repository,
                                    const RpDigest *digest, const char *artifact_type,
                                    gint64 after, gint64 limit, gint64 *out_next, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* ---- deleting ----
 *
 * Effective at once in that repository; the bytes stay in the store.  RP_ERROR_UNSUPPORTED if the
 * policy denies it, RP_ERROR_PROTECTED if a guard says that the digest is needed (*out_detail is
 * what it said then: the caller's, may be NULL).  A tag is no more than a name and needs no guard, but for those
 * of signers (rp_tag_is_signature()).
 */
gboolean rp_registry_tag_delete (RpRegistry *registry, const char *repository, const char *tag,
                                 const char *actor, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* All its tags in the repository go with it. */
gboolean rp_registry_manifest_delete (RpRegistry *registry, const char *repository,
                                      const RpDigest *digest, const char *actor,
                                      json_t **out_detail, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_registry_blob_delete (RpRegistry *registry, const char *repository,
                                  const RpDigest *digest, const char *actor, json_t **out_detail,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Who knows what must stay (releases: a layer above). */
typedef struct {
  /* Outside of any transaction; may read and hash. Learns what it needs for check(). */
  gboolean (*prepare) (gpointer user_data, GError **error);
  /* In the deleting transaction: quick. *out_fresh FALSE: something was recorded since prepare(),
   * which is called again. Else *out_holder is NULL, or an object whose member "text" completes
   * "it is part of …". */
  gboolean (*check) (RpTxn *txn, const RpDigest *digest, gboolean *out_fresh, json_t **out_holder,
                     gpointer user_data, GError **error);
  /* The same of what a policy wants to expire (rp_registry_expire()): only what is held counts. NULL:
   * check(). */
  gboolean (*check_held) (RpTxn *txn, const RpDigest *digest, gboolean *out_fresh,
                          json_t **out_holder, gpointer user_data, GError **error);
  /* After these manifests are gone, outside of any transaction; may be NULL. */
  void (*gone) (gpointer user_data);
  gpointer user_data;
} RpRegistryGuard;
/* Before the registry is used; copied. */
void rp_registry_set_guard (RpRegistry *registry, const RpRegistryGuard *guard);

/* A manifest that a lifecycle policy wants to expire. */
typedef struct {
  RpDigest digest;
  json_t *tags; /* sorted names that it had when the policy was looked at; borrowed, as the next */
  json_t *rule; /* goes into the event */
  gboolean gone;
  json_t *holder; /* what a guard said that keeps it, then it is not gone: the caller's */
} RpExpiry;
/* Takes those away that nothing holds, in one transaction: all tags and the membership, as
 * rp_registry_manifest_delete(), whatever the policy says about deleting by hand.  `seen_seq`: the newest
 * push or tag in the repository that was looked at. If there is a newer one, *out_current is FALSE and
 * nothing was done. */
gboolean rp_registry_expire (RpRegistry *registry, const char *repository, gint64 seen_seq,
                             RpExpiry *items, gsize n_items, const char *actor,
                             gboolean *out_current, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* In a transaction: does the repository still have every item of `closure`? For who is about to
 * record that something needs them. RP_ERROR_MANIFEST_BLOB_UNKNOWN names the first that it has
 * not. */
gboolean rp_registry_check_closure (RpTxn *txn, const char *repository, const RpClosure *closure,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Takes a condemned blob back (blob.rescued): it can be read again, and durably so. *out_rescued is
 * FALSE if it is not condemned. Happens by itself where a push, a mount, a HEAD, a GET or a manifest
 * names it. */
gboolean rp_registry_rescue (RpRegistry *registry, const RpDigest *digest, const char *actor,
                             gboolean *out_rescued, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- for the layers above ---- */

/* The closure of `digest` by the manifests in the store (checked, not only looked up). */
RpClosure *rp_registry_closure (RpRegistry *registry, const char *repository,
                                const RpDigest *digest, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* As that, for what must be kept: a child that was taken out of this repository alone still has its bytes, as its index
 * names it, and is read from the store. */
RpClosure *rp_registry_kept_closure (RpRegistry *registry, const char *repository,
                                     const RpDigest *digest, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The manifest of `digest`, or of an index what it has for `platform` (oci/platform.h). RP_ERROR_NOT_FOUND lists what
 * there is. */
gboolean rp_registry_pick (RpRegistry *registry, const char *repository, const RpDigest *digest,
                           const char *platform, RpDigest *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

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

/* ---- for who reads the bytes of a blob ---- */

/* Looks again at a blob that seemed damaged.  If it is, moves it to quarantine, appends
 * blob.damaged and sets *out_found to what the bytes are (g_free()); if it is right or gone, sets
 * it to NULL. */
gboolean rp_registry_condemn (RpRegistry *registry, const RpDigest *digest, char **out_found,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* All bytes of the blob were hashed now and are right: as after RP_VERIFY_HASH. */
gboolean rp_registry_seen_right (RpRegistry *registry, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Digests of manifests (all repositories) that begin with `prefix` (`sha256:9f2c…` or bare hex of
 * at least 4): RP_ERROR_NOT_FOUND, RP_ERROR_AMBIGUOUS listing the candidates with their
 * repositories. */
gboolean rp_registry_find_digest (RpRegistry *registry, const char *prefix, RpDigest *out,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* [{"repository","media_type","size","tags":[…],"at"}…] of a manifest or blob digest. */
json_t *rp_registry_where (RpRegistry *registry, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
