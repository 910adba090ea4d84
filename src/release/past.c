#include "release/past.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "release/engine_priv.h"
#include "release/json_out.h"

#define STALE_MAX 100 /* reports in a row about what the target had left already */

void
rp_past_free (RpPast *past)
{
  if (past == NULL)
    return;
  g_free (past->app);
  g_free (past->environment);
  rp_revision_free (past->revision);
  g_clear_pointer (&past->targets, g_ptr_array_unref);
  g_free (past);
}

static gboolean
load_revision (RpTxn *txn, RpPast *past, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT number FROM revision WHERE app = $1 AND environment = $2"
                      " AND at_us <= $3 ORDER BY number DESC LIMIT 1",
                      "ssi", past->app, past->environment, past->at_us);
  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  past->revision
      = rp_revision_load (txn, past->app, past->environment, rp_rows_int (rows, 0, 0), error);
  return past->revision != NULL;
}

/* The last report that counted. NULL if there is none: not an error. */
static json_t *
find_report (const RpRows *rows, gint64 *out_at_us)
{
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      const char *text = rp_rows_text (rows, i, 0);
      g_autoptr (json_t) body = rp_json_parse (text, strlen (text), "event", NULL);
      if (body == NULL || rp_json_bool (body, "stale"))
        continue;
      *out_at_us = rp_rows_int (rows, i, 1);
      return g_steal_pointer (&body);
    }
  return NULL;
}

static gboolean
fill_target (RpTxn *txn, const RpPast *past, const json_t *body, RpTargetView *view, GError **error)
{
  view->agent = g_strdup (rp_json_str (body, "agent"));
  view->driver = g_strdup (rp_json_str (body, "driver"));
  view->revision = rp_json_int (body, "revision");
  view->observed_digest = g_strdup (rp_json_str (body, "observed_digest"));
  view->message = g_strdup (rp_json_str (body, "message"));
  view->seen_at_us = view->at_us;
  return rp_target_phase_parse (rp_json_str (body, "state"), &view->phase, error)
         && rp_target_view_find_release (txn, past->app, past->environment, view, error);
}

static gboolean
load_target (RpTxn *txn, RpPast *past, const char *name, const char *component, GError **error)
{
  gint64 at_us;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT e.body, e.at_us FROM report r JOIN event e ON e.seq = r.seq"
      " WHERE r.app = $1 AND r.environment = $2 AND r.target = $3 AND e.at_us <= $4"
      " ORDER BY r.seq DESC LIMIT $5",
      "sssii", past->app, past->environment, name, past->at_us, (gint64) STALE_MAX);
  if (rows == NULL)
    return FALSE;
  g_autoptr (json_t) body = find_report (rows, &at_us);
  if (body == NULL)
    return TRUE;
  RpTargetView *view = g_new0 (RpTargetView, 1);
  g_ptr_array_add (past->targets, view);
  view->name = g_strdup (name);
  view->component = g_strdup (component);
  view->at_us = at_us;
  return fill_target (txn, past, body, view, error);
}

static gboolean
load_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  RpPast *past = user_data;
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, past->app, past->environment, error);
  if (environment == NULL || !load_revision (txn, past, error))
    return FALSE;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT name, component FROM target WHERE app = $1 AND environment = $2"
                      " ORDER BY ordinal, name",
                      "ss", past->app, past->environment);
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    if (!load_target (txn, past, rp_rows_text (rows, i, 0), rp_rows_text (rows, i, 1), error))
      return FALSE;
  return TRUE;
}

RpPast *
rp_past_get (RpEngine *engine, const char *app, const char *environment, gint64 at_us,
             GError **error)
{
  if (at_us > rp_clock_now_us ())
    {
      g_autofree char *text = rp_clock_format (at_us);
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "%s is still to come; ask for a time that is over", text);
      return NULL;
    }
  g_autoptr (RpPast) past = g_new0 (RpPast, 1);
  past->app = g_strdup (app);
  past->environment = g_strdup (environment);
  past->at_us = at_us - at_us % 1000 + 999; /* the end of that millisecond: no time is shown with more of it */
  past->targets = g_ptr_array_new_with_free_func (rp_target_view_free);
  return rp_db_read (engine->db, load_in_txn, past, error) ? g_steal_pointer (&past) : NULL;
}

json_t *
rp_past_to_json (const RpPast *past)
{
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (past->app));
  json_object_set_new (json, "environment", json_string (past->environment));
  json_object_set_new (json, "at", rp_json_time_or_null (past->at_us));
  json_object_set_new (json, "revision", rp_revision_to_json_or_null (past->revision));
  json_object_set_new (json, "targets", rp_target_view_list_to_json (past->targets));
  return json;
}
