#include "release/pause.h"

#include "base/error.h"
#include "base/json.h"
#include "release/engine_priv.h"
#include "release/json_out.h"

void
rp_pause_free (RpPause *pause)
{
  if (pause == NULL)
    return;
  g_free (pause->actor);
  g_free (pause->because);
  g_free (pause);
}

gboolean
rp_pause_load (RpTxn *txn, const char *app, const char *environment, RpPause **out, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (txn, error,
                                          "SELECT actor, because, at_us FROM environment_pause"
                                          " WHERE app = $1 AND environment = $2",
                                          "ss", app, environment);
  if (rows == NULL)
    return FALSE;
  *out = NULL;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  *out = g_new0 (RpPause, 1);
  (*out)->actor = g_strdup (rp_rows_text (rows, 0, 0));
  (*out)->because = g_strdup (rp_rows_text (rows, 0, 1));
  (*out)->at_us = rp_rows_int (rows, 0, 2);
  return TRUE;
}

typedef struct
{
  RpEngine *engine;
  const RpPauseRequest *request;
  RpPause *pause;
} Job;

static gboolean
append (RpTxn *txn, const Job *job, const char *kind, GError **error)
{
  const RpPauseRequest *request = job->request;
  g_autoptr (json_t) body = json_object ();
  json_object_set_new (body, "app", json_string (request->app));
  json_object_set_new (body, "environment", json_string (request->environment));
  json_object_set_new (body, "because", json_string (request->because));
  return rp_ledger_append (job->engine->ledger, txn, request->actor, kind, body, NULL, error);
}

static gboolean
begin_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Job *job = user_data;
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, job->request->app, job->request->environment, error);
  return environment != NULL && append (txn, job, "environment.paused", error)
         && rp_pause_load (txn, environment->app, environment->name, &job->pause, error);
}

static gboolean
end_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Job *job = user_data;
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, job->request->app, job->request->environment, error);
  if (environment == NULL)
    return FALSE;
  job->pause = g_steal_pointer (&environment->pause);
  if (job->pause != NULL)
    return append (txn, job, "environment.resumed", error);
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "%s/%s is not paused, so there is nothing to resume",
               environment->app, environment->name);
  return FALSE;
}

static RpPause *
run (RpEngine *engine, const RpPauseRequest *request, RpTxnFunc function, GError **error)
{
  Job job = { engine, request, NULL };
  if (rp_db_write (engine->db, function, &job, error))
    return job.pause;
  rp_pause_free (job.pause);
  return NULL;
}

RpPause *
rp_pause_begin (RpEngine *engine, const RpPauseRequest *request, GError **error)
{
  return run (engine, request, begin_in_txn, error);
}

RpPause *
rp_pause_end (RpEngine *engine, const RpPauseRequest *request, GError **error)
{
  return run (engine, request, end_in_txn, error);
}

json_t *
rp_pause_to_json_or_null (const RpPause *pause)
{
  if (pause == NULL)
    return json_null ();
  json_t *json = json_object ();
  json_object_set_new (json, "actor", json_string (pause->actor));
  json_object_set_new (json, "because", json_string (pause->because));
  json_object_set_new (json, "at", rp_json_time_or_null (pause->at_us));
  return json;
}
