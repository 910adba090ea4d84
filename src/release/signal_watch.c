#include "release/signal_watch.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "release/engine_priv.h"
#include "release/environment.h"
#include "release/json_out.h"
#include "release/rollout_run.h"

#define ACTOR_SELF "repoint"

void
rp_signal_watch_free (RpSignalWatch *watch)
{
  if (watch == NULL)
    return;
  g_free (watch->app);
  g_free (watch->environment);
  g_free (watch->version);
  g_free (watch->reason);
  g_free (watch->action);
  g_free (watch->but);
  rp_signal_rules_free (watch->rules);
  g_clear_pointer (&watch->tallies, g_ptr_array_unref);
  g_free (watch);
}

/* ---- reading ---- */

#define SELECT_WATCH                                                                                                  \
  "SELECT w.app, w.environment, w.number, w.state, w.began_us, w.until_us, w.reason, w.action, w.but,"                 \
  " w.judged_us, w.tallies, s.rules,"                                                                                  \
  " (SELECT a.version FROM revision r JOIN app_release a ON a.app = r.app AND a.number = r.release"                    \
  "  WHERE r.app = w.app AND r.environment = w.environment AND r.number = w.number) FROM signal_watch w LEFT JOIN environment_signals s"                               \
  " ON s.app = w.app AND s.environment = w.environment "

static gboolean
read_tallies (const char *text, RpSignalWatch *watch, GError **error)
{
  g_autoptr (json_t) json = rp_json_parse (text, strlen (text), "signals", error);
  if (json == NULL)
    return FALSE;
  gsize i;
  json_t *one;
  json_array_foreach (json, i, one)
    g_ptr_array_add (watch->tallies, rp_signal_tally_from_json (one));
  return TRUE;
}

static RpSignalWatch *
from_row (const RpRows *rows, gsize row, GError **error)
{
  g_autoptr (RpSignalWatch) watch = g_new0 (RpSignalWatch, 1);
  watch->app = g_strdup (rp_rows_text (rows, row, 0));
  watch->environment = g_strdup (rp_rows_text (rows, row, 1));
  watch->number = rp_rows_int (rows, row, 2);
  watch->version = g_strdup (rp_rows_text (rows, row, 12));
  watch->state = rp_signal_state_parse (rp_rows_text (rows, row, 3));
  watch->began_us = rp_rows_int (rows, row, 4);
  watch->until_us = rp_rows_int (rows, row, 5);
  watch->reason = g_strdup (rp_rows_text (rows, row, 6));
  watch->action = g_strdup (rp_rows_text (rows, row, 7));
  watch->but = g_strdup (rp_rows_text (rows, row, 8));
  watch->judged_us = rp_rows_int (rows, row, 9);
  watch->tallies = g_ptr_array_new_with_free_func (rp_signal_tally_free);
  watch->rules = rp_signal_rules_from_text (rp_rows_text (rows, row, 11), error);
  if (watch->rules == NULL || !read_tallies (rp_rows_text (rows, row, 10), watch, error))
    return NULL;
  return g_steal_pointer (&watch);
}

gboolean
rp_signal_watch_load (RpTxn *txn, const char *app, const char *environment, gint64 number, RpSignalWatch **out,
                      GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, SELECT_WATCH "WHERE w.app = $1 AND w.environment = $2 AND w.number = $3", "ssi", app,
                      environment, number);
  if (rows == NULL)
    return FALSE;
  *out = NULL;
  if (rp_rows_count (rows) > 0)
    *out = from_row (rows, 0, error);
  return rp_rows_count (rows) == 0 || *out != NULL;
}

#define SELECT_PRESENT                                                                                                \
  SELECT_WATCH "JOIN environment e ON e.app = w.app AND e.name = w.environment AND e.present = 1 "

typedef struct
{
  const char *sql;
  GPtrArray *watches;
} List;

static gboolean
list_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  const List *list = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, list->sql, "");
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpSignalWatch *watch = from_row (rows, i, error);
      if (watch == NULL)
        return FALSE;
      g_ptr_array_add (list->watches, watch);
    }
  return TRUE;
}

static GPtrArray *
list_by (RpEngine *engine, const char *sql, GError **error)
{
  g_autoptr (GPtrArray) watches = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_signal_watch_free);
  List list = { sql, watches };
  if (!rp_db_read (engine->db, list_in_txn, &list, error))
    return NULL;
  return g_steal_pointer (&watches);
}

GPtrArray *
rp_signal_watch_list (RpEngine *engine, GError **error)
{
  return list_by (engine, SELECT_PRESENT "WHERE w.state = 'watching' ORDER BY w.app, w.environment", error);
}

GPtrArray *
rp_signal_watch_list_current (RpEngine *engine, GError **error)
{
  return list_by (engine,
                  SELECT_PRESENT "WHERE w.number = (SELECT MAX(r.number) FROM revision r WHERE r.app = e.app"
                                 " AND r.environment = e.name) ORDER BY w.app, w.environment",
                  error);
}

static json_t *
tallies_to_json (const GPtrArray *tallies)
{
  json_t *array = json_array ();
  for (guint i = 0; i < tallies->len; i++)
    json_array_append_new (array, rp_signal_tally_to_json (tallies->pdata[i]));
  return array;
}

json_t *
rp_signal_watch_to_json_or_null (const RpSignalWatch *watch)
{
  if (watch == NULL)
    return json_null ();
  json_t *json = json_object ();
  json_object_set_new (json, "revision", json_integer (watch->number));
  json_object_set_new (json, "state", json_string (rp_signal_state_name (watch->state)));
  json_object_set_new (json, "began_at", rp_json_time_or_null (watch->began_us));
  json_object_set_new (json, "until", rp_json_time_or_null (watch->until_us));
  json_object_set_new (json, "judged_at", rp_json_time_or_null (watch->judged_us));
  json_object_set_new (json, "reason", rp_json_text_or_null (watch->reason));
  json_object_set_new (json, "action", rp_json_text_or_null (watch->action));
  json_object_set_new (json, "but", rp_json_text_or_null (watch->but));
  json_object_set_new (json, "signals", tallies_to_json (watch->tallies));
  return json;
}

/* ---- writing ---- */

static json_t *
body_of (const char *app, const char *environment, gint64 number)
{
  json_t *body = json_object ();
  json_object_set_new (body, "app", json_string (app));
  json_object_set_new (body, "environment", json_string (environment));
  json_object_set_new (body, "number", json_integer (number));
  return body;
}

gboolean
rp_signal_watch_begin (RpEngine *engine, RpTxn *txn, const char *app, const char *environment, gint64 number,
                       GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT rules FROM environment_signals WHERE app = $1 AND environment = $2", "ss",
                      app, environment);
  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  g_autoptr (RpSignalRules) rules = rp_signal_rules_from_text (rp_rows_text (rows, 0, 0), error);
  if (rules == NULL)
    return FALSE;
  if (rules->watch->len == 0)
    return TRUE;
  g_autoptr (json_t) body = body_of (app, environment, number);
  json_object_set_new (body, "for_ms", json_integer (rules->for_ms));
  return rp_ledger_append (engine->ledger, txn, ACTOR_SELF, "signal.begun", body, NULL, error);
}

typedef struct
{
  RpEngine *engine;
  const RpSignalRound *round;
  RpSignalWatch *after;
} Note;

static gboolean
append_measured (RpTxn *txn, const Note *note, GError **error)
{
  const RpSignalWatch *watch = note->round->watch;
  if (note->round->tallies == NULL)
    return TRUE;
  g_autoptr (json_t) body = body_of (watch->app, watch->environment, watch->number);
  json_object_set_new (body, "signals", tallies_to_json (note->round->tallies));
  return rp_ledger_append (note->engine->ledger, txn, ACTOR_SELF, "signal.measured", body, NULL, error);
}

/* What keeps repoint from going back by itself: the same that does when a rollout fails. */
static gboolean
find_but (RpTxn *txn, const RpSignalWatch *watch, const char **out, GError **error)
{
  g_auto (RpRollout) rollout = { 0 };
  g_autoptr (RpRows) rows = NULL;
  if (!rp_rollout_load (txn, watch->app, watch->environment, &rollout, &rows, error))
    return FALSE;
  *out = rollout.is_rollback           ? "not rolled back by itself: it is a rollback"
         : rollout.rolled_back_before ? "not rolled back by itself: that was done once for this release"
                                      : NULL;
  return TRUE;
}

/* One that is paused already keeps the reason that a person gave. */
static gboolean
pause_environment (RpTxn *txn, const Note *note, GError **error)
{
  const RpSignalWatch *watch = note->round->watch;
  g_autoptr (RpPause) pause = NULL;
  if (!rp_pause_load (txn, watch->app, watch->environment, &pause, error))
    return FALSE;
  if (pause != NULL)
    return TRUE;
  g_autofree char *because
      = g_strdup_printf ("revision %" G_GINT64_FORMAT ": %s", watch->number, note->round->reason);
  g_autoptr (json_t) body = json_object ();
  json_object_set_new (body, "app", json_string (watch->app));
  json_object_set_new (body, "environment", json_string (watch->environment));
  json_object_set_new (body, "because", json_string (because));
  return rp_ledger_append (note->engine->ledger, txn, ACTOR_SELF, "environment.paused", body, NULL, error);
}

static gboolean
append_judged (RpTxn *txn, const Note *note, GError **error)
{
  const RpSignalRound *round = note->round;
  const RpSignalWatch *watch = round->watch;
  gboolean failed = round->state == RP_SIGNAL_FAILED;
  RpSignalAction action = failed ? watch->rules->on_failure : RP_SIGNAL_NOTIFY;
  const char *but = NULL;
  if (action == RP_SIGNAL_ROLLBACK && !find_but (txn, watch, &but, error))
    return FALSE;
  if (but != NULL)
    action = RP_SIGNAL_NOTIFY;
  g_autoptr (json_t) body = body_of (watch->app, watch->environment, watch->number);
  json_object_set_new (body, "state", json_string (rp_signal_state_name (round->state)));
  json_object_set_new (body, "reason", json_string (round->reason));
  if (round->state != RP_SIGNAL_HELD)
    json_object_set_new (body, "action", json_string (rp_signal_action_name (action)));
  if (but != NULL)
    json_object_set_new (body, "but", json_string (but));
  json_object_set_new (body, "rollback_due", json_boolean (action == RP_SIGNAL_ROLLBACK));
  json_object_set_new (body, "signals", tallies_to_json (round->tallies != NULL ? round->tallies : watch->tallies));
  return rp_ledger_append (note->engine->ledger, txn, ACTOR_SELF, "signal.judged", body, NULL, error)
         && (action != RP_SIGNAL_PAUSE || pause_environment (txn, note, error));
}

static gboolean
note_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Note *note = user_data;
  const RpSignalWatch *watch = note->round->watch;
  g_autoptr (RpSignalWatch) now = NULL;
  if (!rp_signal_watch_load (txn, watch->app, watch->environment, watch->number, &now, error))
    return FALSE;
  if (now != NULL && now->state == RP_SIGNAL_WATCHING
      && (!append_measured (txn, note, error)
          || (note->round->state != RP_SIGNAL_WATCHING && !append_judged (txn, note, error))))
    return FALSE;
  return rp_signal_watch_load (txn, watch->app, watch->environment, watch->number, &note->after, error);
}

gboolean
rp_signal_watch_note (RpEngine *engine, const RpSignalRound *round, RpSignalWatch **out_watch, GError **error)
{
  Note note = { .engine = engine, .round = round };
  if (!rp_db_write (engine->db, note_in_txn, &note, error))
    {
      rp_signal_watch_free (note.after);
      return FALSE;
    }
  *out_watch = note.after;
  return TRUE;
}

/* ---- the tables ---- */

gboolean
rp_signal_watch_apply_begun (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO signal_watch VALUES ($1, $2, $3, 'watching', $4, $5, NULL, NULL, NULL, 0, '[]')"
                      " ON CONFLICT (app, environment, number) DO NOTHING",
                      "ssiii", rp_json_str (event->body, "app"), rp_json_str (event->body, "environment"),
                      rp_json_int (event->body, "number"), event->at_us,
                      event->at_us + rp_json_int (event->body, "for_ms") * 1000);
}

gboolean
rp_signal_watch_apply_measured (RpTxn *txn, const RpEvent *event, GError **error)
{
  g_autofree char *tallies = rp_json_canonical (json_object_get (event->body, "signals"));
  return rp_txn_exec (txn, error, NULL,
                      "UPDATE signal_watch SET tallies = $1 WHERE app = $2 AND environment = $3 AND number = $4",
                      "sssi", tallies, rp_json_str (event->body, "app"), rp_json_str (event->body, "environment"),
                      rp_json_int (event->body, "number"));
}

gboolean
rp_signal_watch_apply_judged (RpTxn *txn, const RpEvent *event, GError **error)
{
  json_t *body = event->body;
  return rp_signal_watch_apply_measured (txn, event, error)
         && rp_txn_exec (txn, error, NULL,
                         "UPDATE signal_watch SET state = $1, reason = $2, action = $3, but = $4, judged_us = $5"
                         " WHERE app = $6 AND environment = $7 AND number = $8",
                         "ssssissi", rp_json_str (body, "state"), rp_json_str (body, "reason"),
                         rp_json_str (body, "action"), rp_json_str (body, "but"), event->at_us,
                         rp_json_str (body, "app"), rp_json_str (body, "environment"), rp_json_int (body, "number"))
         && (!rp_json_bool (body, "rollback_due")
             || rp_txn_exec (txn, error, NULL,
                             "UPDATE revision SET rollback_due = 1"
                             " WHERE app = $1 AND environment = $2 AND number = $3",
                             "ssi", rp_json_str (body, "app"), rp_json_str (body, "environment"),
                             rp_json_int (body, "number")));
}

gboolean
rp_signal_watch_apply_left (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "UPDATE signal_watch SET state = 'left', judged_us = $1"
                      " WHERE app = $2 AND environment = $3 AND number < $4 AND state = 'watching'",
                      "issi", event->at_us, rp_json_str (event->body, "app"),
                      rp_json_str (event->body, "environment"), rp_json_int (event->body, "number"));
}
