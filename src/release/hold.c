#include "release/hold.h"

#include "base/error.h"
#include "base/json.h"
#include "release/engine_priv.h"
#include "release/environment.h"
#include "release/json_out.h"

void
rp_release_hold_free (gpointer data)
{
  RpReleaseHold *hold = data;
  if (hold == NULL)
    return;
  g_free (hold->app);
  g_free (hold->environment);
  g_free (hold->version);
  g_free (hold->actor);
  g_free (hold->because);
  g_free (hold);
}

/* ---- load ---- */

static RpReleaseHold *
from_row (const char *app, const RpRows *rows, gsize row)
{
  RpReleaseHold *hold = g_new0 (RpReleaseHold, 1);
  hold->app = g_strdup (app);
  hold->environment = g_strdup (rp_rows_text (rows, row, 0));
  hold->release = rp_rows_int (rows, row, 1);
  hold->version = g_strdup (rp_rows_text (rows, row, 2));
  hold->revision = rp_rows_int (rows, row, 3);
  hold->actor = g_strdup (rp_rows_text (rows, row, 4));
  hold->because = g_strdup (rp_rows_text (rows, row, 5));
  hold->at_us = rp_rows_int (rows, row, 6);
  return hold;
}

GPtrArray *
rp_release_hold_load (RpTxn *txn, const char *app, const char *environment, gint64 release,
                      GError **error)
{
  g_autoptr (GPtrArray) holds = g_ptr_array_new_with_free_func (rp_release_hold_free);
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT h.environment, h.release, r.version, h.revision, h.actor, h.because, h.at_us"
      " FROM release_hold h JOIN app_release r ON r.app = h.app AND r.number = h.release"
      " WHERE h.app = $1 AND ($2 IS NULL OR h.environment = $2) AND ($3 = 0 OR h.release = $3)"
      " ORDER BY h.seq DESC",
      "ssi", app, environment, release);
  if (rows == NULL)
    return NULL;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    g_ptr_array_add (holds, from_row (app, rows, i));
  return g_steal_pointer (&holds);
}

gboolean
rp_release_hold_fill (RpTxn *txn, GPtrArray *releases, GError **error)
{
  for (guint i = 0; i < releases->len; i++)
    {
      RpRelease *release = releases->pdata[i];
      g_clear_pointer (&release->holds, g_ptr_array_unref);
      release->holds = rp_release_hold_load (txn, release->app, NULL, release->number, error);
      if (release->holds == NULL)
        return FALSE;
    }
  return TRUE;
}

/* ---- place and lift ---- */

typedef struct
{
  RpEngine *engine;
  const RpReleaseHoldRequest *request;
  RpReleaseHold *hold;
} Job;

static RpRelease *
find_release (RpTxn *txn, const RpReleaseHoldRequest *request, GError **error)
{
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, request->app, request->environment, error);
  return environment == NULL ? NULL : rp_release_find (txn, request->app, request->release, error);
}

/* The hold as it is; job->hold stays NULL if there is none. */
static gboolean
look_up (RpTxn *txn, Job *job, gint64 release, GError **error)
{
  g_autoptr (GPtrArray) holds = rp_release_hold_load (txn, job->request->app,
                                                      job->request->environment, release, error);
  if (holds == NULL)
    return FALSE;
  if (holds->len > 0)
    job->hold = g_ptr_array_steal_index (holds, 0);
  return TRUE;
}

static gboolean
append (RpTxn *txn, const Job *job, const RpRelease *release, const char *kind, GError **error)
{
  const RpReleaseHoldRequest *request = job->request;
  g_autoptr (json_t) body = json_object ();
  json_object_set_new (body, "app", json_string (request->app));
  json_object_set_new (body, "environment", json_string (request->environment));
  json_object_set_new (body, "release", json_integer (release->number));
  json_object_set_new (body, "version", json_string (release->version));
  json_object_set_new (body, "because", json_string (request->because));
  return rp_ledger_append (job->engine->ledger, txn, request->actor, kind, body, NULL, error);
}

static gboolean
place_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Job *job = user_data;
  g_autoptr (RpRelease) release = find_release (txn, job->request, error);
  return release != NULL && append (txn, job, release, "release.held", error)
         && look_up (txn, job, release->number, error);
}

static gboolean
lift_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Job *job = user_data;
  g_autoptr (RpRelease) release = find_release (txn, job->request, error);
  if (release == NULL || !look_up (txn, job, release->number, error))
    return FALSE;
  if (job->hold != NULL)
    return append (txn, job, release, "release.unheld", error);
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "%s is not held in %s/%s, so there is nothing to lift; `repoint release list %s` shows"
               " what is held where",
               release->version, job->request->app, job->request->environment, job->request->app);
  return FALSE;
}

static RpReleaseHold *
run (RpEngine *engine, const RpReleaseHoldRequest *request, RpTxnFunc function, GError **error)
{
  Job job = { engine, request, NULL };
  if (rp_db_write (engine->db, function, &job, error))
    return job.hold;
  rp_release_hold_free (job.hold);
  return NULL;
}

RpReleaseHold *
rp_release_hold_place (RpEngine *engine, const RpReleaseHoldRequest *request, GError **error)
{
  return run (engine, request, place_in_txn, error);
}

RpReleaseHold *
rp_release_hold_lift (RpEngine *engine, const RpReleaseHoldRequest *request, GError **error)
{
  return run (engine, request, lift_in_txn, error);
}

/* ---- list ---- */

typedef struct
{
  const char *app;
  const char *environment;
  GPtrArray *holds;
} List;

static gboolean
list_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  List *list = user_data;
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, list->app, list->environment, error);
  if (environment == NULL)
    return FALSE;
  list->holds = rp_release_hold_load (txn, list->app, list->environment, 0, error);
  return list->holds != NULL;
}

GPtrArray *
rp_release_hold_list (RpEngine *engine, const char *app, const char *environment, GError **error)
{
  List list = { app, environment, NULL };
  return rp_db_read (engine->db, list_in_txn, &list, error) ? list.holds : NULL;
}

/* ---- JSON ---- */

json_t *
rp_release_hold_to_json (const RpReleaseHold *hold)
{
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (hold->app));
  json_object_set_new (json, "environment", json_string (hold->environment));
  json_object_set_new (json, "release", json_integer (hold->release));
  json_object_set_new (json, "version", json_string (hold->version));
  json_object_set_new (json, "revision", rp_json_number_or_null (hold->revision));
  json_object_set_new (json, "actor", json_string (hold->actor));
  json_object_set_new (json, "because", json_string (hold->because));
  json_object_set_new (json, "at", rp_json_time_or_null (hold->at_us));
  return json;
}

json_t *
rp_release_hold_list_to_json (const GPtrArray *holds)
{
  json_t *array = json_array ();
  for (guint i = 0; holds != NULL && i < holds->len; i++)
    json_array_append_new (array, rp_release_hold_to_json (holds->pdata[i]));
  return array;
}
