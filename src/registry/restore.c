/* Bytes that went, back before they are unlinked; of a manifest with all that it needs, children first. */
#include "registry/restore.h"

#include "base/error.h"
#include "registry/departure.h"
#include "registry/internal.h"

typedef struct {
  RpRegistry *registry;
  const char *actor;
  const char *repository; /* the manifest's, that everything goes back to; or NULL */
  json_t *restored; /* digests */
} Restore;

static void
note (Restore *job, const RpDigest *digest)
{
  char text[RP_DIGEST_STRING_SIZE];

  json_array_append_new (job->restored, json_string (rp_digest_format (digest, text)));
}

static gboolean
rescue (Restore *job, const RpDigest *digest, gboolean *out_rescued, GError **error)
{
  if (!rp_registry_rescue (job->registry, digest, job->actor, out_rescued, error))
    return FALSE;
  if (*out_rescued)
    note (job, digest);
  return TRUE;
}

static gboolean restore_manifest (Restore *job, const RpDigest *digest, GError **error);

/* What it names that went from the same repository, and layers. */
static gboolean
restore_named (Restore *job, const RpManifest *manifest, GError **error)
{
  for (guint i = 0; i < manifest->descriptors->len; i++)
    {
      const RpDescriptor *descriptor = g_ptr_array_index (manifest->descriptors, i);
      g_autoptr (json_t) departures = NULL;
      gboolean rescued;

      if (descriptor->role != RP_DESCRIPTOR_MANIFEST)
        {
          if (!rescue (job, &descriptor->digest, &rescued, error))
            return FALSE;
          continue;
        }
      departures = rp_departures_read (job->registry->db, job->repository, &descriptor->digest, error);
      if (departures == NULL)
        return FALSE;
      if (json_array_size (departures) > 0 && !restore_manifest (job, &descriptor->digest, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
restore_manifest (Restore *job, const RpDigest *digest, GError **error)
{
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (RpManifest) manifest = NULL;
  g_autoptr (GBytes) bytes = NULL;
  char text[RP_DIGEST_STRING_SIZE];
  gboolean rescued;
  gconstpointer data;
  gsize size;

  if (!rescue (job, digest, &rescued, error))
    return FALSE;
  bytes = rp_store_read (job->registry->store, digest, RP_MANIFEST_LIMIT, error);
  if (bytes == NULL)
    return FALSE;
  data = g_bytes_get_data (bytes, &size);
  manifest = rp_manifest_parse (data, size, NULL, error);
  if (manifest == NULL || !restore_named (job, manifest, error)
      || !rp_registry_manifest_put (job->registry, job->repository, rp_digest_format (digest, text),
                                    manifest->media_type, data, size, job->actor, &info, error))
    return FALSE;
  if (!rescued)
    note (job, digest);
  return TRUE;
}

static json_t *
describe (const Restore *job, const json_t *departure)
{
  json_t *json = json_object ();

  json_object_set (json, "restored", job->restored);
  json_object_set_new (json, "repository", job->repository != NULL ? json_string (job->repository) : json_null ());
  json_object_set_new (json, "tags", json_is_array (json_object_get (departure, "tags"))
                                         ? json_incref (json_object_get (departure, "tags"))
                                         : json_array ());
  return json;
}

static json_t *
refuse (const RpDigest *digest, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];

  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "%s is not among the condemned: it was never condemned, or was unlinked since; "
               "`repoint ledger log --kind blob.` tells, and a push brings it back",
               rp_digest_format (digest, text));
  return NULL;
}

json_t *
rp_registry_restore (RpRegistry *registry, const RpDigest *digest, const char *actor, GError **error)
{
  g_autoptr (json_t) restored = json_array (), departures = NULL;
  Restore job = { registry, actor, NULL, restored };
  g_autoptr (GError) failure = NULL;
  const json_t *last;
  gboolean rescued;

  departures = rp_departures_read (registry->db, NULL, digest, error);
  if (departures == NULL)
    return NULL;
  last = json_array_get (departures, 0);
  if (last == NULL)
    {
      if (!rescue (&job, digest, &rescued, error))
        return NULL;
      return rescued ? describe (&job, NULL) : refuse (digest, error);
    }
  job.repository = rp_json_str (last, "repository");
  if (restore_manifest (&job, digest, &failure))
    return describe (&job, last);
  if (g_error_matches (failure, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    return refuse (digest, error);
  g_propagate_error (error, g_steal_pointer (&failure));
  return NULL;
}

/* ---- whether ---- */

typedef struct {
  const RpDigest *digest;
  gboolean condemned;
} Ask;

static gboolean
ask_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Ask *ask = user_data;

  return rp_registry_is_condemned (txn, ask->digest, &ask->condemned, error);
}

gboolean
rp_registry_can_restore (RpRegistry *registry, const RpDigest *digest, gboolean *out_can, GError **error)
{
  g_autoptr (GError) failure = NULL;
  Ask ask = { digest, FALSE };
  RpBlobInfo info;

  *out_can = rp_store_stat (registry->store, digest, &info, &failure);
  if (*out_can)
    return TRUE;
  if (!g_error_matches (failure, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  if (!rp_db_read (registry->db, ask_in_txn, &ask, error))
    return FALSE;
  *out_can = ask.condemned;
  return TRUE;
}
