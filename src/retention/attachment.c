/* Which lifecycle policy counts for which repository.  As with what a repository allows: of the patterns
 * that match, the one with the most characters other than `*`, and among equals the first in ASCII order. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "oci/reference.h"
#include "registry/policy.h"
#include "retention/retention_priv.h"

#define BY_PRECEDENCE " ORDER BY length (replace (pattern, '*', '')) DESC, pattern"

typedef struct {
  RpRetention *retention;
  const char *pattern;
  const char *repository;
  const json_t *document;
  const char *actor;
  json_t *result;
} AttachmentJob;

static gboolean
check_pattern (const char *pattern, GError **error)
{
  gsize size = strlen (pattern);

  if (size >= 1 && size <= RP_POLICY_PATTERN_MAX
      && strspn (pattern, "0123456789abcdefghijklmnopqrstuvwxyz._-/*") == size)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "\"%.255s\" is no pattern of repository names: 1 to %d of the characters a-z, 0-9, "
               "`.`, `_`, `-`, `/`, and `*` for any run of characters",
               pattern, RP_POLICY_PATTERN_MAX);
  return FALSE;
}

/* What the document says that has no effect here. */
static json_t *
notes_on (const RpLifecycle *policy)
{
  json_t *notes = json_array ();

  for (guint i = 0; i < policy->rules->len; i++)
    {
      const RpLifecycleRule *rule = policy->rules->pdata[i];
      g_autofree char *text = NULL;

      if (!rule->transitions && !rule->archived)
        continue;
      text = g_strdup_printf ("rule %" G_GINT64_FORMAT " is about the archive class, which there is "
                              "none of here: it lets nothing go, and what it selects stays",
                              rule->priority);
      json_array_append_new (notes, json_string (text));
    }
  return notes;
}

static json_t *
to_json (const RpRows *rows, gsize row, GError **error)
{
  const char *text = rp_rows_text (rows, row, 1);
  json_t *document = rp_json_parse (text, strlen (text), "lifecycle policy", error);
  g_autoptr (RpLifecycle) policy = document != NULL ? rp_lifecycle_parse (document, error) : NULL;
  json_t *json;

  if (policy == NULL)
    {
      json_decref (document);
      return NULL;
    }
  json = json_object ();
  json_object_set_new (json, "pattern", json_string (rp_rows_text (rows, row, 0)));
  json_object_set_new (json, "policy", document);
  json_object_set_new (json, "notes", notes_on (policy));
  json_object_set_new (json, "at", rp_time_or_null (rp_rows_int (rows, row, 2)));
  json_object_set_new (json, "actor", json_string (rp_rows_text (rows, row, 3)));
  return json;
}

static gboolean
find_exact (RpTxn *txn, AttachmentJob *job, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT pattern, content, at_us, actor FROM lifecycle WHERE pattern = $1", "s",
                      job->pattern);

  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  job->result = to_json (rows, 0, error);
  return job->result != NULL;
}

/* ---- setting ---- */

static gboolean
set_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  AttachmentJob *job = user_data;
  g_autoptr (json_t) body = json_object ();

  if (!find_exact (txn, job, error))
    return FALSE;
  if (job->result != NULL && json_equal (json_object_get (job->result, "policy"), job->document))
    return TRUE;
  g_clear_pointer (&job->result, json_decref);
  json_object_set_new (body, "pattern", json_string (job->pattern));
  json_object_set_new (body, "policy", json_deep_copy (job->document));
  return rp_ledger_append (job->retention->ledger, txn, job->actor, "lifecycle.set", body, NULL,
                           error)
         && find_exact (txn, job, error);
}

json_t *
rp_attachment_set (RpRetention *retention, const char *pattern, const json_t *document,
                   const char *actor, GError **error)
{
  AttachmentJob job = { .retention = retention, .pattern = pattern, .document = document,
                        .actor = actor };
  g_autoptr (RpLifecycle) policy = rp_lifecycle_parse (document, error);

  if (policy == NULL || !check_pattern (pattern, error)
      || !rp_db_write (retention->db, set_in_txn, &job, error))
    {
      json_decref (job.result);
      return NULL;
    }
  return job.result;
}

static gboolean
drop_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  AttachmentJob *job = user_data;
  g_autoptr (json_t) body = json_object ();

  if (!find_exact (txn, job, error))
    return FALSE;
  if (job->result == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                   "no lifecycle policy is attached to %s; `repoint retention show` lists them",
                   job->pattern);
      return FALSE;
    }
  json_object_set_new (body, "pattern", json_string (job->pattern));
  return rp_ledger_append (job->retention->ledger, txn, job->actor, "lifecycle.dropped", body, NULL,
                           error);
}

gboolean
rp_attachment_drop (RpRetention *retention, const char *pattern, const char *actor, GError **error)
{
  AttachmentJob job = { .retention = retention, .pattern = pattern, .actor = actor };
  gboolean ok = rp_db_write (retention->db, drop_in_txn, &job, error);

  json_decref (job.result);
  return ok;
}

/* ---- looking ---- */

static gboolean
list_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  AttachmentJob *job = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT pattern, content, at_us, actor FROM lifecycle" BY_PRECEDENCE, "");

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      json_t *one;

      if (job->repository != NULL
          && !rp_pattern_match (rp_rows_text (rows, i, 0), job->repository))
        continue;
      one = to_json (rows, i, error);
      if (one == NULL)
        return FALSE;
      json_array_append_new (job->result, one);
      if (job->repository != NULL)
        return TRUE;
    }
  return TRUE;
}

json_t *
rp_attachment_list (RpRetention *retention, const char *repository, GError **error)
{
  AttachmentJob job = { .repository = repository, .result = json_array () };

  if ((repository == NULL || rp_repository_check (repository, error))
      && rp_db_read (retention->db, list_in_txn, &job, error))
    return job.result;
  json_decref (job.result);
  return NULL;
}

gboolean
rp_attachment_find (RpTxn *txn, const char *repository, char **out_pattern,
                    RpLifecycle **out_policy, GError **error)
{
  AttachmentJob job = { .repository = repository, .result = json_array () };
  g_autoptr (json_t) found = job.result;
  const json_t *first;

  *out_pattern = NULL;
  *out_policy = NULL;
  if (!list_in_txn (txn, &job, error))
    return FALSE;
  first = json_array_get (found, 0);
  if (first == NULL)
    return TRUE;
  *out_policy = rp_lifecycle_parse (json_object_get (first, "policy"), error);
  if (*out_policy == NULL)
    return FALSE;
  *out_pattern = g_strdup (rp_json_str (first, "pattern"));
  return TRUE;
}
