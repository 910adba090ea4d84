/* Taking a tag, a manifest or a blob out of a repository.  Only what the tables say changes: bytes
 * are for retention to remove, when nothing needs them any more.
 *
 * What a release needs is asked of a guard.  It learns outside of the transaction, as that may mean
 * reading manifests, and answers inside of it; when something was recorded in between it says so,
 * and all is done again.
 */
#include "registry/registry.h"

#include "base/error.h"
#include "oci/reference.h"
#include "registry/internal.h"
#include "registry/policy.h"

#define TRIES_MAX 20

typedef struct {
  RpRegistry *registry;
  const char *repository;
  const char *tag; /* or NULL: `digest` */
  const RpDigest *digest;
  gboolean is_blob;
  const char *actor;
  gboolean fresh; /* the guard knew all that was recorded */
  json_t *holder;
} Delete;

static const char *
noun (const Delete *job)
{
  return job->tag ? "tag" : job->is_blob ? "blob" : "manifest";
}

static gboolean
check_policy (RpTxn *txn, const Delete *job, GError **error)
{
  g_auto (RpPolicy) policy = { 0 };

  if (!rp_policy_find (txn, job->repository, &policy, error))
    return FALSE;
  if (policy.allow_deletion)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_UNSUPPORTED,
               "nothing is deleted by hand in repository %s: its policy (pattern %s) denies "
               "deletion; `repoint repo set` changes that",
               job->repository, policy.pattern);
  return FALSE;
}

static const char *
name_of (const Delete *job, char text[RP_DIGEST_STRING_SIZE])
{
  return job->tag ? job->tag : rp_digest_format (job->digest, text);
}

/* A tag is no more than a name, except where it alone says what a signature is of. */
static gboolean
is_guarded (const Delete *job)
{
  return !job->tag || rp_tag_is_signature (job->tag);
}

static gboolean
unknown (const Delete *job, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  const char *name = name_of (job, text);

  g_set_error (error, RP_ERROR,
               job->is_blob ? RP_ERROR_BLOB_UNKNOWN : RP_ERROR_MANIFEST_UNKNOWN,
               "repository %s has no %s %s", job->repository, noun (job), name);
  return FALSE;
}

static gboolean
refuse_held (const Delete *job, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];

  g_set_error (error, RP_ERROR, RP_ERROR_PROTECTED,
               "%s %s cannot be deleted: it is part of %s, and what a release names is kept, so "
               "that it can be returned to",
               noun (job), name_of (job, text),
               json_string_value (json_object_get (job->holder, "text")));
  return FALSE;
}

/* *out_known FALSE: there is no such tag. */
static gboolean
resolve (RpTxn *txn, const Delete *job, RpDigest *out, gboolean *out_known, GError **error)
{
  static const char sql[] = "SELECT digest FROM tag WHERE repository = $1 AND name = $2";
  g_autoptr (RpRows) rows = NULL;

  *out_known = TRUE;
  if (!job->tag)
    {
      *out = *job->digest;
      return TRUE;
    }
  rows = rp_txn_query (txn, error, sql, "ss", job->repository, job->tag);
  if (!rows)
    return FALSE;
  *out_known = rp_rows_count (rows) > 0;
  return !*out_known || rp_digest_parse (rp_rows_text (rows, 0, 0), out, error);
}

static gboolean
check_guard (RpTxn *txn, Delete *job, GError **error)
{
  const RpRegistryGuard *guard = &job->registry->guard;
  gboolean known = FALSE;
  RpDigest digest;

  job->fresh = TRUE;
  if (!guard->check || !is_guarded (job))
    return TRUE;
  if (!resolve (txn, job, &digest, &known, error))
    return FALSE;
  if (!known)
    return TRUE;
  if (!guard->check (txn, &digest, &job->fresh, &job->holder, guard->user_data, error))
    return FALSE;
  return !job->fresh || !job->holder || refuse_held (job, error);
}

/* ---- recording ---- */

static json_t *
start_body (const Delete *job)
{
  json_t *body = json_object ();

  json_object_set_new (body, "repository", json_string (job->repository));
  return body;
}

static gboolean
delete_tag (RpTxn *txn, const Delete *job, GError **error)
{
  static const char sql[] = "SELECT digest FROM tag WHERE repository = $1 AND name = $2";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "ss", job->repository, job->tag);
  g_autoptr (json_t) body = start_body (job);

  if (!rows)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return unknown (job, error);
  json_object_set_new (body, "tag", json_string (job->tag));
  json_object_set_new (body, "digest", json_string (rp_rows_text (rows, 0, 0)));
  return rp_ledger_append (job->registry->ledger, txn, job->actor, "tag.deleted", body, NULL,
                           error);
}

gboolean
rp_registry_record_deletion (RpRegistry *registry, RpTxn *txn, const char *repository,
                             const RpDigest *digest, json_t *rule, const json_t *only_tags,
                             const char *actor, gboolean *out_done, GError **error)
{
  static const char sql[]
      = "SELECT name FROM tag WHERE repository = $1 AND digest = $2 ORDER BY name";
  g_autoptr (json_t) body = json_object ();
  json_t *tags = json_array ();
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "ss", repository, rp_digest_format (digest, text));

  json_object_set_new (body, "repository", json_string (repository));
  json_object_set_new (body, "digest", json_string (text));
  json_object_set_new (body, "tags", tags);
  if (rule != NULL)
    json_object_set (body, "rule", rule);
  if (!rows)
    return FALSE;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    json_array_append_new (tags, json_string (rp_rows_text (rows, row, 0)));
  *out_done = only_tags == NULL || json_equal (only_tags, tags);
  return !*out_done
         || rp_ledger_append (registry->ledger, txn, actor, "manifest.deleted", body, NULL, error);
}

static gboolean
delete_manifest (RpTxn *txn, const Delete *job, GError **error)
{
  gboolean done;

  return rp_registry_record_deletion (job->registry, txn, job->repository, job->digest, NULL, NULL,
                                      job->actor, &done, error);
}

static gboolean
delete_blob (RpTxn *txn, const Delete *job, GError **error)
{
  g_autoptr (json_t) body = start_body (job);
  char text[RP_DIGEST_STRING_SIZE];

  json_object_set_new (body, "digest", json_string (rp_digest_format (job->digest, text)));
  return rp_ledger_append (job->registry->ledger, txn, job->actor, "blob.deleted", body, NULL,
                           error);
}

static gboolean
check_known (RpTxn *txn, const Delete *job, GError **error)
{
  gboolean known = FALSE, ok;
  guint64 size;

  if (job->tag)
    return TRUE;
  ok = job->is_blob ? rp_registry_find_blob (txn, job->repository, job->digest, &known, &size, error)
                    : rp_registry_find_manifest (txn, job->repository, job->digest, &known, &size,
                                                 error);
  return ok && (known || unknown (job, error));
}

static gboolean
delete_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Delete *job = user_data;

  if (!check_policy (txn, job, error) || !check_known (txn, job, error)
      || !check_guard (txn, job, error))
    return FALSE;
  if (!job->fresh)
    return TRUE;
  if (job->tag)
    return delete_tag (txn, job, error);
  return job->is_blob ? delete_blob (txn, job, error) : delete_manifest (txn, job, error);
}

static gboolean
run (Delete *job, GError **error)
{
  const RpRegistryGuard *guard = &job->registry->guard;

  if (!rp_repository_check (job->repository, error))
    return FALSE;
  for (int i = 0; i < TRIES_MAX && !job->fresh; i++)
    if ((is_guarded (job) && guard->prepare && !guard->prepare (guard->user_data, error))
        || !rp_db_write (job->registry->db, delete_in_txn, job, error))
      return FALSE;
  if (job->fresh)
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_BUSY,
                       "releases are recorded faster than a deletion can look at them: try again");
  return FALSE;
}

static gboolean
run_and_tell (Delete *job, json_t **out_detail, GError **error)
{
  gboolean ok = run (job, error);

  *out_detail = job->holder;
  return ok;
}

gboolean
rp_registry_tag_delete (RpRegistry *registry, const char *repository, const char *tag,
                        const char *actor, GError **error)
{
  Delete job = { .registry = registry, .repository = repository, .tag = tag, .actor = actor };

  gboolean ok = rp_tag_check (tag, error) && run (&job, error);

  json_decref (job.holder);
  return ok;
}

gboolean
rp_registry_manifest_delete (RpRegistry *registry, const char *repository, const RpDigest *digest,
                             const char *actor, json_t **out_detail, GError **error)
{
  Delete job
      = { .registry = registry, .repository = repository, .digest = digest, .actor = actor };

  return run_and_tell (&job, out_detail, error);
}

gboolean
rp_registry_blob_delete (RpRegistry *registry, const char *repository, const RpDigest *digest,
                         const char *actor, json_t **out_detail, GError **error)
{
  Delete job = { .registry = registry, .repository = repository, .digest = digest,
                 .is_blob = TRUE, .actor = actor };

  return run_and_tell (&job, out_detail, error);
}

/* ---- for who is about to need something ---- */

gboolean
rp_registry_check_closure (RpTxn *txn, const char *repository, const RpClosure *closure,
                           GError **error)
{
  for (guint i = 0; i < closure->items->len; i++)
    {
      const RpClosureItem *item = g_ptr_array_index (closure->items, i);
      gboolean known = FALSE, ok;
      char text[RP_DIGEST_STRING_SIZE];
      guint64 size;

      ok = item->is_manifest
               ? rp_registry_find_manifest (txn, repository, &item->digest, &known, &size, error)
               : rp_registry_find_blob (txn, repository, &item->digest, &known, &size, error);
      if (!ok)
        return FALSE;
      if (known)
        continue;
      g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_BLOB_UNKNOWN,
                   "repository %s no longer has %s %s: it was deleted in the meantime; push it "
                   "again",
                   repository, item->is_manifest ? "manifest" : "blob",
                   rp_digest_format (&item->digest, text));
      return FALSE;
    }
  return TRUE;
}
