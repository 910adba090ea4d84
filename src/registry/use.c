#include "registry/use.h"

#include "base/error.h"
#include "base/size.h"

gboolean
rp_use_limit (RpTxn *txn, const char *pattern, const gint64 *limit_bytes, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "DELETE FROM repository_quota WHERE pattern = $1", "s",
                      pattern)
         && (limit_bytes == NULL
             || rp_txn_exec (txn, error, NULL,
                             "INSERT INTO repository_quota (pattern, limit_bytes, used_bytes) "
                             "SELECT $1, $2, coalesce (sum (bytes), 0) FROM repository_use "
                             "WHERE repository GLOB $1",
                             "si", pattern, *limit_bytes));
}

/* ---- the check ---- */

static gboolean
refuse (const RpRows *rows, const char *repository, guint64 size_bytes, GError **error)
{
  const char *pattern = rp_rows_text (rows, 0, 0);
  g_autofree char *limit = rp_size_format (rp_rows_int (rows, 0, 1));
  g_autofree char *used = rp_size_format (rp_rows_int (rows, 0, 2));
  g_autofree char *more = rp_size_format ((gint64) size_bytes);

  g_set_error (error, RP_ERROR, RP_ERROR_QUOTA,
               "the quota of %s is used up: its repositories have %s of %s, and this would add %s "
               "to %s: delete what is not needed and `repoint retention collect`, or have the quota raised "
               "with `repoint repo set '%s' --quota SIZE`",
               pattern, used, limit, more, repository, pattern);
  return FALSE;
}

static gboolean
has_already (RpTxn *txn, const char *repository, const char *digest, gboolean *out, GError **error)
{
  static const char sql[]
      = "SELECT 1 WHERE EXISTS (SELECT 1 FROM repo_blob WHERE repository = $1 AND digest = $2) "
        "OR EXISTS (SELECT 1 FROM manifest WHERE repository = $1 AND digest = $2)";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "ss", repository, digest);

  if (!rows)
    return FALSE;
  *out = rp_rows_count (rows) > 0;
  return TRUE;
}

gboolean
rp_use_check (RpTxn *txn, const char *repository, const RpDigest *digest, guint64 size_bytes,
              GError **error)
{
  static const char sql[]
      = "SELECT pattern, limit_bytes, used_bytes FROM repository_quota "
        "WHERE $1 GLOB pattern AND used_bytes > limit_bytes - $2 "
        "ORDER BY limit_bytes - used_bytes, pattern LIMIT 1";
  gint64 size = size_bytes > RP_SIZE_MAX ? RP_SIZE_MAX : (gint64) size_bytes;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "si", repository, size);
  char text[RP_DIGEST_STRING_SIZE];
  gboolean had = FALSE;

  if (!rows)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  if (!has_already (txn, repository, rp_digest_format (digest, text), &had, error))
    return FALSE;
  return had || refuse (rows, repository, size_bytes, error);
}

/* ---- for those who ask ---- */

typedef struct {
  const char *repository; /* or NULL */
  json_t *result;
} UseJob;

static gboolean
list_quotas (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[] = "SELECT pattern, limit_bytes, used_bytes FROM repository_quota "
                            "WHERE $1 IS NULL OR $1 GLOB pattern ORDER BY pattern";
  UseJob *job = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "s", job->repository);

  if (!rows)
    return FALSE;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    json_array_append_new (job->result, json_pack ("{s:s, s:I, s:I}",
                                        "pattern", rp_rows_text (rows, row, 0),
                                        "limit_bytes", (json_int_t) rp_rows_int (rows, row, 1),
                                        "used_bytes", (json_int_t) rp_rows_int (rows, row, 2)));
  return TRUE;
}

json_t *
rp_registry_quotas (RpRegistry *registry, const char *repository, GError **error)
{
  UseJob job = { repository, json_array () };

  if (rp_db_read (rp_registry_db (registry), list_quotas, &job, error))
    return job.result;
  json_decref (job.result);
  return NULL;
}

static gboolean
find_use (RpTxn *txn, gpointer user_data, GError **error)
{
  UseJob *job = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT bytes, objects FROM repository_use WHERE repository = $1", "s",
      job->repository);
  gboolean any;

  if (!rows)
    return FALSE;
  any = rp_rows_count (rows) > 0;
  job->result = json_pack ("{s:I, s:I}", "bytes",
                           (json_int_t) (any ? rp_rows_int (rows, 0, 0) : 0), "objects",
                           (json_int_t) (any ? rp_rows_int (rows, 0, 1) : 0));
  return TRUE;
}

json_t *
rp_registry_use (RpRegistry *registry, const char *repository, GError **error)
{
  UseJob job = { repository, NULL };

  return rp_db_read (rp_registry_db (registry), find_use, &job, error) ? job.result : NULL;
}

typedef struct {
  const char *repository;
  const RpDigest *digest;
  guint64 size_bytes;
} RoomJob;

static gboolean
check_room (RpTxn *txn, gpointer user_data, GError **error)
{
  const RoomJob *job = user_data;

  return rp_use_check (txn, job->repository, job->digest, job->size_bytes, error);
}

gboolean
rp_registry_check_room (RpRegistry *registry, const char *repository, const RpDigest *digest,
                        guint64 size_bytes, GError **error)
{
  RoomJob job = { repository, digest, size_bytes };

  return rp_db_read (rp_registry_db (registry), check_room, &job, error);
}
