/* What the files of this room share.  Private to it. */
#pragma once

#include "base/json.h"
#include "registry/byte_locks.h"
#include "registry/registry.h"

/* Who is recorded when the registry itself finds something out. */
#define RP_REGISTRY_ACTOR "repoint"

/* Blobs that somebody who reads found damaged or gone, for who heals; hurt.c. */
typedef struct
{
  GMutex lock;
  GHashTable *noted; /* RpDigest → gint64 *: when, monotonic */
  GArray *waiting;   /* RpDigest */
  void (*listener) (gpointer user_data);
  gpointer user_data;
} RpHurt;
void rp_hurt_init (RpHurt *hurt);
void rp_hurt_clear (RpHurt *hurt);
/* Quick, with any lock on bytes held or none. */
void rp_registry_note_hurt (RpRegistry *registry, const RpDigest *digest);

struct RpRegistry
{
  RpStore *store;
  RpLedger *ledger;
  RpDb *db;
  RpByteLocks bytes;
  RpRegistryGuard guard;
  GArray *healers; /* RpHealer */
  RpHurt hurt;
};

/* Of the event artifact.kept; origin.h has the rest. */
gboolean rp_origin_apply (RpTxn *txn, const RpEvent *event, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Sets *out_size to what is recorded; *out_known is FALSE if the repository has no such blob. */
gboolean rp_registry_find_blob (RpTxn *txn, const char *repository, const RpDigest *digest,
                                gboolean *out_known, guint64 *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* As above, of manifests. */
gboolean rp_registry_find_manifest (RpTxn *txn, const char *repository, const RpDigest *digest,
                                    gboolean *out_known, guint64 *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_registry_is_damaged (RpTxn *txn, const RpDigest *digest, gboolean *out_damaged,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Appends manifest.deleted. `rule` and `only_tags` may be NULL; with the latter, *out_done is FALSE and
 * nothing is recorded if the manifest has other tags. */
gboolean rp_registry_record_deletion (RpRegistry *registry, RpTxn *txn, const char *repository,
                                      const RpDigest *digest, json_t *rule, const json_t *only_tags,
                                      const char *actor, gboolean *out_done, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Writes down that the blob was looked at, and whether it was right. */
gboolean rp_registry_note_looked_at (RpTxn *txn, const RpDigest *digest, gint64 at_us, gboolean ok,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Writes down that all bytes of the blob were hashed at that time and were right. */
gboolean rp_registry_note_verified (RpTxn *txn, const RpDigest *digest, gint64 at_us,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

gboolean rp_registry_is_condemned (RpTxn *txn, const RpDigest *digest, gboolean *out_condemned,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Does a manifest name it, or is it one? Is there any record of it at all? */
gboolean rp_registry_is_needed (RpTxn *txn, const RpDigest *digest, gboolean *out_needed,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_registry_is_known (RpTxn *txn, const RpDigest *digest, gboolean *out_known,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* As rp_store_stat(), and the collector knows that somebody relies on it. In use. */
gboolean rp_registry_stat_used (RpRegistry *registry, const RpDigest *digest, RpBlobInfo *out,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* In a transaction: the event of that kind for one digest. `body` may be NULL and is taken over. */
gboolean rp_registry_append_bytes (RpRegistry *registry, RpTxn *txn, const char *actor,
                                   const char *kind, const RpDigest *digest, json_t *body,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* What `manifest` names: [digest…], each once. */
json_t *rp_registry_references (const RpManifest *manifest);
