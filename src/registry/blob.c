#include "registry/registry.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "oci/reference.h"
#include "registry/internal.h"
#include "registry/use.h"

typedef struct {
  RpRegistry *registry;
  const char *repository;
  const RpDigest *digest;
  gboolean known;
  guint64 size_bytes;
} FindJob;

static gboolean
find (RpTxn *txn, gpointer user_data, GError **error)
{
  FindJob *job = user_data;

  return rp_registry_find_blob (txn, job->repository, job->digest, &job->known, &job->size_bytes,
                                error);
}

/* RP_ERROR_BLOB_UNKNOWN unless it is recorded as the repository's. */
static gboolean
need_recorded (RpRegistry *registry, const char *repository, const RpDigest *digest,
               guint64 *out_size, GError **error)
{
  FindJob job = { registry, repository, digest, FALSE, 0 };
  char text[RP_DIGEST_STRING_SIZE];

  if (!rp_db_read (registry->db, find, &job, error))
    return FALSE;
  if (job.known)
    {
      *out_size = job.size_bytes;
      return TRUE;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_BLOB_UNKNOWN,
               "repository %s has no blob %s: push it, or mount it from the repository that has it",
               repository, rp_digest_format (digest, text));
  return FALSE;
}

static gboolean
gone (RpRegistry *registry, const char *repository, const RpDigest *digest, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];

  rp_registry_note_hurt (registry, digest);
  g_set_error (error, RP_ERROR, RP_ERROR_BLOB_UNKNOWN,
               "the bytes of blob %s of repository %s are missing from the store or were damaged: "
               "push it again",
               rp_digest_format (digest, text), repository);
  return FALSE;
}

/* A wrong size says for certain that it is damaged. Always sets `error`. */
static void
condemn_and_say_so (RpRegistry *registry, const char *repository, const RpDigest *digest,
                    GError **error)
{
  g_autofree char *found = NULL;

  if (rp_registry_condemn (registry, digest, &found, error))
    gone (registry, repository, digest, error);
}

/* Whoever is told that it is there relies on it. */
static gboolean
stat_in_use (RpRegistry *registry, const RpDigest *digest, RpBlobInfo *out, GError **error)
{
  gboolean ok;

  rp_bytes_use (&registry->bytes, digest);
  ok = rp_registry_stat_used (registry, digest, out, error);
  rp_bytes_unuse (&registry->bytes, digest);
  return ok;
}

static gboolean
stat_or_rescue (RpRegistry *registry, const RpDigest *digest, RpBlobInfo *out, GError **error)
{
  g_autoptr (GError) local = NULL;
  gboolean rescued = FALSE;

  if (stat_in_use (registry, digest, out, &local))
    return TRUE;
  if (!g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  return rp_registry_rescue (registry, digest, RP_REGISTRY_ACTOR, &rescued, error)
         && stat_in_use (registry, digest, out, error);
}

gboolean
rp_registry_blob_stat (RpRegistry *registry, const char *repository, const RpDigest *digest,
                       guint64 *out_size, GError **error)
{
  g_autoptr (GError) local = NULL;
  RpBlobInfo info;
  guint64 size;

  if (!need_recorded (registry, repository, digest, &size, error))
    return FALSE;
  if (!stat_or_rescue (registry, digest, &info, &local))
    {
      if (g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
        return gone (registry, repository, digest, error);
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (info.size_bytes == size)
    {
      *out_size = size;
      return TRUE;
    }
  condemn_and_say_so (registry, repository, digest, error);
  return FALSE;
}

static int
open_or_rescue (RpRegistry *registry, const RpDigest *digest, guint64 *out_size, GError **error)
{
  g_autoptr (GError) local = NULL;
  gboolean rescued = FALSE;
  int fd = rp_store_open_blob (registry->store, digest, out_size, &local);

  if (fd >= 0)
    return fd;
  if (!g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return -1;
    }
  if (!rp_registry_rescue (registry, digest, RP_REGISTRY_ACTOR, &rescued, error))
    return -1;
  return rp_store_open_blob (registry->store, digest, out_size, error);
}

int
rp_registry_blob_open (RpRegistry *registry, const char *repository, const RpDigest *digest,
                       guint64 *out_size, GError **error)
{
  g_autoptr (GError) local = NULL;
  guint64 recorded, size = 0;
  int fd;

  if (!need_recorded (registry, repository, digest, &recorded, error))
    return -1;
  fd = open_or_rescue (registry, digest, &size, &local);
  if (fd < 0 && g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    gone (registry, repository, digest, error);
  else if (fd < 0)
    g_propagate_error (error, g_steal_pointer (&local));
  if (fd < 0)
    return -1;
  if (size == recorded)
    {
      *out_size = size;
      return fd;
    }
  close (fd);
  condemn_and_say_so (registry, repository, digest, error);
  return -1;
}

/* ---- adding ---- */

typedef struct {
  RpRegistry *registry;
  const char *repository;
  const RpDigest *digest;
  const char *actor;
  guint64 size_bytes;
  const char *from;   /* mount: the repository, or NULL */
  gboolean mounted;
  gboolean missing; /* the store does not have the bytes */
} AddJob;

/* Recorded already, and neither damaged nor condemned since: there is nothing to tell. */
static gboolean
is_recorded (RpTxn *txn, const AddJob *job, gboolean *out_recorded, GError **error)
{
  gboolean known = FALSE, damaged = FALSE, condemned = FALSE;
  guint64 size;

  if (!rp_registry_find_blob (txn, job->repository, job->digest, &known, &size, error)
      || !rp_registry_is_damaged (txn, job->digest, &damaged, error)
      || !rp_registry_is_condemned (txn, job->digest, &condemned, error))
    return FALSE;
  *out_recorded = known && !damaged && !condemned;
  return TRUE;
}

static gboolean
append_added (RpTxn *txn, const AddJob *job, const char *from, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  char text[RP_DIGEST_STRING_SIZE];

  json_object_set_new (body, "repository", json_string (job->repository));
  json_object_set_new (body, "digest", json_string (rp_digest_format (job->digest, text)));
  json_object_set_new (body, "size", json_integer ((json_int_t) job->size_bytes));
  if (from)
    json_object_set_new (body, "from", json_string (from));
  return rp_use_check (txn, job->repository, job->digest, job->size_bytes, error)
         && rp_ledger_append (job->registry->ledger, txn, job->actor, "blob.added", body, NULL,
                              error);
}

static gboolean
record_commit (RpTxn *txn, gpointer user_data, GError **error)
{
  AddJob *job = user_data;
  gboolean recorded = FALSE;

  if (!rp_registry_note_verified (txn, job->digest, rp_clock_now_us (), error)
      || !is_recorded (txn, job, &recorded, error))
    return FALSE;
  return recorded || append_added (txn, job, NULL, error);
}

gboolean
rp_registry_blob_commit (RpRegistry *registry, const char *repository, RpUpload *upload,
                         const RpDigest *expected, const char *actor, GError **error)
{
  AddJob job = { .registry = registry, .repository = repository, .digest = expected,
                 .actor = actor };
  gboolean ok;

  if (!rp_repository_check (repository, error))
    return FALSE;
  job.size_bytes = rp_upload_size (upload);
  if (!rp_registry_check_room (registry, repository, expected, job.size_bytes, error))
    return FALSE;
  rp_bytes_use (&registry->bytes, expected);
  ok = rp_upload_commit (upload, expected, error)
       && rp_db_write (registry->db, record_commit, &job, error);
  rp_bytes_unuse (&registry->bytes, expected);
  return ok;
}

/* ---- mounting ---- */

/* The repository to mount from, g_free(); NULL if none has it. */
static gboolean
find_source (RpTxn *txn, const AddJob *job, char **out_source, GError **error)
{
  static const char sql[] = "SELECT repository, size FROM repo_blob WHERE digest = $1 "
                            "AND ($2 IS NULL OR repository = $2) AND size = $3 "
                            "ORDER BY repository LIMIT 1";
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "ssi", rp_digest_format (job->digest, text), job->from,
                      (gint64) job->size_bytes);

  if (!rows)
    return FALSE;
  *out_source
      = rp_rows_count (rows) > 0 ? g_strdup (rp_rows_text (rows, 0, 0)) : NULL;
  return TRUE;
}

static gboolean
record_mount (RpTxn *txn, gpointer user_data, GError **error)
{
  AddJob *job = user_data;
  g_autofree char *source = NULL;
  gboolean recorded = FALSE;

  if (!find_source (txn, job, &source, error) || !is_recorded (txn, job, &recorded, error))
    return FALSE;
  job->mounted = source != NULL;
  return !source || recorded || append_added (txn, job, source, error);
}

static gboolean
mount_locked (AddJob *job, GError **error)
{
  g_autoptr (GError) local = NULL;
  RpBlobInfo info;

  if (rp_registry_stat_used (job->registry, job->digest, &info, &local))
    {
      job->size_bytes = info.size_bytes;
      return rp_db_write (job->registry->db, record_mount, job, error);
    }
  job->missing = g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN);
  if (job->missing)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static gboolean
mount_in_use (AddJob *job, GError **error)
{
  gboolean ok;

  rp_bytes_use (&job->registry->bytes, job->digest);
  ok = mount_locked (job, error);
  rp_bytes_unuse (&job->registry->bytes, job->digest);
  return ok;
}

gboolean
rp_registry_blob_mount (RpRegistry *registry, const char *repository, const char *from,
                        const RpDigest *digest, const char *actor, gboolean *out_mounted,
                        GError **error)
{
  AddJob job = { .registry = registry, .repository = repository, .digest = digest,
                 .actor = actor, .from = from };
  gboolean ok, rescued = FALSE;

  if (!rp_repository_check (repository, error) || (from && !rp_repository_check (from, error)))
    return FALSE;
  ok = mount_in_use (&job, error);
  if (ok && job.missing)
    ok = rp_registry_rescue (registry, digest, actor, &rescued, error)
         && (!rescued || mount_in_use (&job, error));
  if (ok)
    *out_mounted = job.mounted;
  return ok;
}
