#include "release/ready_record.h"

#include <string.h>

#include "base/json.h"
#include "release/credentials.h"
#include "release/engine_priv.h"
#include "release/json_out.h"

#define ACTOR "repoint"
#define REASONS_MAX 20 /* in an event; `repoint ready` has all */

gboolean
rp_ready_record_apply (RpTxn *txn, const RpEvent *event, GError **error)
{
  const json_t *reasons = json_object_get (event->body, "reasons");
  gboolean refused = FALSE;
  size_t i;
  json_t *reason;
  json_array_foreach ((json_t *) reasons, i, reason)
    refused = refused || g_str_has_prefix (json_string_value (reason), RP_READY_REFUSED);
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO readiness (app, environment, ready, refused, at_us)"
                      " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (app, environment)"
                      " DO UPDATE SET ready = $3, refused = $4, at_us = $5",
                      "ssiii", rp_json_str (event->body, "app"),
                      rp_json_str (event->body, "environment"),
                      (gint64) rp_json_bool (event->body, "ready"), (gint64) refused, event->at_us);
}

gboolean
rp_ready_record_load (RpTxn *txn, const char *app, const char *environment, RpReadyRecord *out,
                      GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT ready, refused, at_us FROM readiness WHERE app = $1 AND environment = $2",
      "ss", app, environment);
  if (rows == NULL)
    return FALSE;
  *out = (RpReadyRecord){ 0 };
  if (rp_rows_count (rows) > 0)
    *out = (RpReadyRecord){ TRUE, rp_rows_int (rows, 0, 0) != 0, rp_rows_int (rows, 0, 1) != 0,
                            rp_rows_int (rows, 0, 2) };
  return TRUE;
}

typedef struct
{
  RpEngine *engine;
  const RpReadiness *readiness;
  const char *app;
  const char *environment;
  RpReadyRecord record;
  gboolean ready;
  gboolean changed;
} Note;

static gboolean
get_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Note *note = user_data;
  return rp_ready_record_load (txn, note->app, note->environment, &note->record, error);
}

gboolean
rp_ready_record_get (RpEngine *engine, const char *app, const char *environment, RpReadyRecord *out,
                     GError **error)
{
  Note note = { .app = app, .environment = environment };
  if (!rp_db_read (engine->db, get_in_txn, &note, error))
    return FALSE;
  *out = note.record;
  return TRUE;
}

/* ---- writing down ---- */

static gboolean
is_untried (const json_t *credentials)
{
  size_t i;
  json_t *one;
  json_array_foreach ((json_t *) credentials, i, one)
    if (g_strcmp0 (rp_json_str (one, "state"), "untried") == 0)
      return TRUE;
  return FALSE;
}

static void
decide (Note *note)
{
  const RpReadyRecord *record = &note->record;
  note->ready = note->readiness->ready
                && !(record->known && record->refused && is_untried (note->readiness->credentials));
  note->changed = note->ready != (record->known && record->ready);
}

static json_t *
event_body (const Note *note)
{
  json_t *body = json_object ();
  json_t *reasons = json_array ();
  const GPtrArray *all = note->readiness->reasons;
  for (guint i = 0; i < MIN (all->len, REASONS_MAX); i++)
    json_array_append_new (reasons, json_string (all->pdata[i]));
  json_object_set_new (body, "app", json_string (note->app));
  json_object_set_new (body, "environment", json_string (note->environment));
  json_object_set_new (body, "ready", json_boolean (note->ready));
  json_object_set_new (body, "reasons", reasons);
  return body;
}

static gboolean
note_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Note *note = user_data;
  if (!get_in_txn (txn, note, error))
    return FALSE;
  decide (note);
  if (!note->changed)
    return TRUE;
  g_autoptr (json_t) body = event_body (note);
  return rp_ledger_append (note->engine->ledger, txn, ACTOR, "readiness.changed", body, NULL, error);
}

gboolean
rp_ready_record_note (RpEngine *engine, const RpReadiness *readiness, gboolean *out_ready,
                      gboolean *out_changed, GError **error)
{
  Note note = { .engine = engine, .readiness = readiness, .app = readiness->app,
                .environment = readiness->environment };
  if (!rp_db_read (engine->db, get_in_txn, &note, error))
    return FALSE;
  decide (&note);
  if (note.changed && !rp_db_write (engine->db, note_in_txn, &note, error))
    return FALSE;
  *out_ready = note.ready;
  *out_changed = note.changed;
  return TRUE;
}

json_t *
rp_ready_record_to_json (const RpReadyRecord *record)
{
  if (!record->known)
    return json_null ();
  json_t *json = json_object ();
  json_object_set_new (json, "ready", json_boolean (record->ready));
  json_object_set_new (json, "since", rp_json_time_or_null (record->at_us));
  return json;
}
