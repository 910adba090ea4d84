/* Who relies on bytes, and how condemned ones come back.
 *
 * A blob that is condemned lies in its place until it is moved, and out of sight after that.  In its
 * place it is served and touched as ever, and who moves it looks at the time first.  Out of sight it is
 * moved back before that is recorded: a crash in between leaves a blob that is condemned and in its
 * place, which is a state like any other.
 */
#include "registry/registry.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "registry/internal.h"

#define TOUCH_AGE_US ((gint64) G_USEC_PER_SEC) /* a blob that many ask for is not touched each time */

gboolean
rp_registry_stat_used (RpRegistry *registry, const RpDigest *digest, RpBlobInfo *out,
                       GError **error)
{
  gint64 now_us = rp_clock_now_us ();
  g_autoptr (GError) local = NULL;
  RpBlobInfo info;

  if (!rp_store_stat (registry->store, digest, &info, error))
    return FALSE;
  if (now_us - info.stored_at_us > TOUCH_AGE_US
      && !rp_store_touch (registry->store, digest, now_us, &local))
    {
      if (g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
      rp_log_error ("registry", "a blob in use could not be marked so: %s", local->message);
    }
  *out = info;
  return TRUE;
}

static gboolean
has_row (RpTxn *txn, const char *sql, const RpDigest *digest, gboolean *out, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "s", rp_digest_format (digest, text));

  if (!rows)
    return FALSE;
  *out = rp_rows_count (rows) > 0;
  return TRUE;
}

gboolean
rp_registry_is_condemned (RpTxn *txn, const RpDigest *digest, gboolean *out_condemned,
                          GError **error)
{
  return has_row (txn, "SELECT 1 FROM condemned WHERE digest = $1", digest, out_condemned, error);
}

gboolean
rp_registry_is_needed (RpTxn *txn, const RpDigest *digest, gboolean *out_needed, GError **error)
{
  return has_row (txn,
                  "SELECT 1 WHERE EXISTS (SELECT 1 FROM edge WHERE digest = $1) "
                  "OR EXISTS (SELECT 1 FROM manifest WHERE digest = $1)",
                  digest, out_needed, error);
}

gboolean
rp_registry_is_known (RpTxn *txn, const RpDigest *digest, gboolean *out_known, GError **error)
{
  return has_row (txn,
                  "SELECT 1 WHERE EXISTS (SELECT 1 FROM edge WHERE digest = $1) "
                  "OR EXISTS (SELECT 1 FROM manifest WHERE digest = $1) "
                  "OR EXISTS (SELECT 1 FROM repo_blob WHERE digest = $1) "
                  "OR EXISTS (SELECT 1 FROM loose WHERE digest = $1) "
                  "OR EXISTS (SELECT 1 FROM condemned WHERE digest = $1)",
                  digest, out_known, error);
}

gboolean
rp_registry_append_bytes (RpRegistry *registry, RpTxn *txn, const char *actor, const char *kind,
                          const RpDigest *digest, json_t *body, GError **error)
{
  g_autoptr (json_t) whole = body ? body : json_object ();
  char text[RP_DIGEST_STRING_SIZE];

  json_object_set_new (whole, "digest", json_string (rp_digest_format (digest, text)));
  return rp_ledger_append (registry->ledger, txn, actor, kind, whole, NULL, error);
}

json_t *
rp_registry_references (const RpManifest *manifest)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (rp_digest_hash, rp_digest_equal);
  json_t *list = json_array ();

  for (guint i = 0; i < manifest->descriptors->len; i++)
    {
      RpDescriptor *descriptor = g_ptr_array_index (manifest->descriptors, i);
      char text[RP_DIGEST_STRING_SIZE];

      if (g_hash_table_add (seen, &descriptor->digest))
        json_array_append_new (list, json_string (rp_digest_format (&descriptor->digest, text)));
    }
  return list;
}

/* ---- rescue ---- */

typedef struct {
  RpRegistry *registry;
  const RpDigest *digest;
  const char *actor;
  gboolean condemned;
  gboolean known;
} Rescue;

static gboolean
record_rescue (RpTxn *txn, gpointer user_data, GError **error)
{
  Rescue *job = user_data;

  if (!rp_registry_is_condemned (txn, job->digest, &job->condemned, error)
      || !rp_registry_is_known (txn, job->digest, &job->known, error))
    return FALSE;
  return !job->condemned
         || rp_registry_append_bytes (job->registry, txn, job->actor, "blob.rescued", job->digest,
                                      NULL, error);
}

/* Back where they were, if in between somebody recorded that they go. */
static gboolean
rescue_locked (Rescue *job, gboolean *out_rescued, GError **error)
{
  RpStore *store = job->registry->store;
  gboolean found = FALSE;

  *out_rescued = FALSE;
  if (!rp_store_recall (store, job->digest, &found, error))
    return FALSE;
  if (!found)
    return TRUE;
  if (!rp_db_write (job->registry->db, record_rescue, job, error))
    return FALSE;
  *out_rescued = job->known;
  return job->known || rp_store_condemn (store, job->digest, error);
}

gboolean
rp_registry_rescue (RpRegistry *registry, const RpDigest *digest, const char *actor,
                    gboolean *out_rescued, GError **error)
{
  Rescue job = { .registry = registry, .digest = digest, .actor = actor };
  gboolean ok;

  rp_bytes_change (&registry->bytes, digest);
  ok = rescue_locked (&job, out_rescued, error);
  rp_bytes_changed (&registry->bytes, digest);
  return ok;
}
