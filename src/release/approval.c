#include "release/approval.h"

#include <string.h>

#include "base/json.h"
#include "release/engine_priv.h"
#include "release/environment.h"
#include "release/json_out.h"

void
rp_approval_free (gpointer data)
{
  RpApproval *approval = data;
  if (approval == NULL)
    return;
  g_free (approval->version);
  g_free (approval->account);
  g_free (approval->actor);
  g_free (approval->because);
  g_strfreev (approval->groups);
  g_free (approval);
}

char *
rp_approval_account (const char *actor)
{
  const char *end = strstr (actor, " (");
  return end == NULL ? g_strdup (actor) : g_strndup (actor, (gsize) (end - actor));
}

static char **
read_groups (const char *text)
{
  g_autoptr (json_t) list = rp_json_parse (text, strlen (text), "groups", NULL);
  return rp_json_strv (list);
}

GPtrArray *
rp_approval_load (RpTxn *txn, const char *app, const char *environment, gint64 release, GError **error)
{
  g_autoptr (GPtrArray) approvals = g_ptr_array_new_with_free_func (rp_approval_free);
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT r.version, a.account, a.actor, a.because, a.groups, a.at_us FROM release_approval a"
      " JOIN app_release r ON r.app = a.app AND r.number = a.release"
      " WHERE a.app = $1 AND a.environment = $2 AND a.release = $3 ORDER BY a.seq",
      "ssi", app, environment, release);
  if (rows == NULL)
    return NULL;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpApproval *approval = g_new0 (RpApproval, 1);
      approval->version = g_strdup (rp_rows_text (rows, i, 0));
      approval->account = g_strdup (rp_rows_text (rows, i, 1));
      approval->actor = g_strdup (rp_rows_text (rows, i, 2));
      approval->because = g_strdup (rp_rows_text (rows, i, 3));
      approval->groups = read_groups (rp_rows_text (rows, i, 4));
      approval->at_us = rp_rows_int (rows, i, 5);
      g_ptr_array_add (approvals, approval);
    }
  return g_steal_pointer (&approvals);
}

typedef struct
{
  RpEngine *engine;
  const RpApprovalRequest *request;
  RpApproval *approval;
} Job;

static gboolean
give_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Job *job = user_data;
  const RpApprovalRequest *request = job->request;
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, request->app, request->environment, error);
  g_autoptr (RpRelease) release
      = environment == NULL ? NULL : rp_release_find (txn, request->app, request->release, error);
  if (release == NULL)
    return FALSE;
  g_autofree char *account = rp_approval_account (request->actor);
  g_autoptr (json_t) body = json_object ();
  json_object_set_new (body, "app", json_string (request->app));
  json_object_set_new (body, "environment", json_string (request->environment));
  json_object_set_new (body, "release", json_integer (release->number));
  json_object_set_new (body, "version", json_string (release->version));
  json_object_set_new (body, "account", json_string (account));
  json_object_set_new (body, "groups", json_deep_copy (request->groups));
  if (request->because != NULL)
    json_object_set_new (body, "because", json_string (request->because));
  if (!rp_ledger_append (job->engine->ledger, txn, request->actor, "release.approved", body, NULL, error))
    return FALSE;
  g_autoptr (GPtrArray) approvals
      = rp_approval_load (txn, request->app, request->environment, release->number, error);
  if (approvals == NULL)
    return FALSE;
  job->approval = g_ptr_array_steal_index (approvals, approvals->len - 1);
  return TRUE;
}

RpApproval *
rp_approval_give (RpEngine *engine, const RpApprovalRequest *request, GError **error)
{
  Job job = { engine, request, NULL };
  if (rp_db_write (engine->db, give_in_txn, &job, error))
    return job.approval;
  rp_approval_free (job.approval);
  return NULL;
}

json_t *
rp_approval_to_json (const RpApproval *approval)
{
  json_t *groups = json_array ();
  for (char **group = approval->groups; *group != NULL; group++)
    json_array_append_new (groups, json_string (*group));
  json_t *json = json_object ();
  json_object_set_new (json, "version", json_string (approval->version));
  json_object_set_new (json, "account", json_string (approval->account));
  json_object_set_new (json, "actor", json_string (approval->actor));
  json_object_set_new (json, "because", rp_json_text_or_null (approval->because));
  json_object_set_new (json, "groups", groups);
  json_object_set_new (json, "at", rp_json_time_or_null (approval->at_us));
  return json;
}
