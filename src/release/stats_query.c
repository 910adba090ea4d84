/* The history that the measures are made from, and how they are shown. */
#include "base/clock.h"
#include "base/json.h"
#include "release/app.h"
#include "release/engine_priv.h"
#include "release/json_out.h"
#include "release/stats.h"

#define DAY_US G_TIME_SPAN_DAY

json_t *
rp_stats_definitions (void)
{
  static const struct
  {
    const char *measure;
    const char *text;
  } definitions[] = {
    { "deployment_frequency",
      "deploys and promotes that became healthy; no rollback, and no deploy of what was current already" },
    { "lead_time",
      "from recording a release until it first became healthy here, the median; when its commits were made is"
      " not in the ledger, so the time before the build is not in it" },
    { "change_fail_rate",
      "deploys and promotes that failed or were rolled back from, of those whose outcome is known" },
    { "recovery_time",
      "from pointing at what failed until the environment was healthy again, the median; a host that went back"
      " by itself was sooner" },
  };
  json_t *json = json_object ();
  for (gsize i = 0; i < G_N_ELEMENTS (definitions); i++)
    json_object_set_new (json, definitions[i].measure, json_string (definitions[i].text));
  return json;
}

/* ---- rows ---- */

static GArray *
load_rows (RpTxn *txn, const char *app, const char *environment, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT r.number, r.kind, r.release, a.at_us, r.at_us, r.outcome, r.outcome_at_us,"
                      " r.rolled_back_by FROM revision r JOIN app_release a"
                      " ON a.app = r.app AND a.number = r.release"
                      " WHERE r.app = $1 AND r.environment = $2 ORDER BY r.number",
                      "ss", app, environment);
  if (rows == NULL)
    return NULL;
  g_autoptr (GArray) history = g_array_new (FALSE, FALSE, sizeof (RpStatsRow));
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpStatsRow row = { .number = rp_rows_int (rows, i, 0),
                         .release = rp_rows_int (rows, i, 2),
                         .release_at_us = rp_rows_int (rows, i, 3),
                         .at_us = rp_rows_int (rows, i, 4),
                         .outcome = rp_outcome_parse (rp_rows_text (rows, i, 5)),
                         .outcome_at_us = rp_rows_int (rows, i, 6),
                         .rolled_back_by = rp_rows_int (rows, i, 7) };
      if (!rp_kind_parse (rp_rows_text (rows, i, 1), &row.kind, error))
        return NULL;
      g_array_append_val (history, row);
    }
  return g_steal_pointer (&history);
}

/* ---- rendering ---- */

/* A time that there is only where something was measured. */
static json_t *
span_or_null (gboolean known, gint64 us)
{
  return known ? json_integer (us / 1000) : json_null ();
}

static json_t *
restorations_to_json (const GArray *restorations)
{
  json_t *array = json_array ();
  for (guint i = 0; i < restorations->len; i++)
    {
      const RpRestoration *one = &g_array_index (restorations, RpRestoration, i);
      json_t *json = json_object ();
      json_object_set_new (json, "revision", json_integer (one->number));
      json_object_set_new (json, "kind", json_string (rp_kind_name (one->kind)));
      json_object_set_new (json, "left", rp_json_number_or_null (one->left));
      json_object_set_new (json, "at", rp_json_time_or_null (one->at_us));
      json_object_set_new (json, "took_ms", span_or_null (one->took_us >= 0, one->took_us));
      json_object_set_new (json, "bad_for_ms", span_or_null (one->bad_for_us >= 0, one->bad_for_us));
      json_array_append_new (array, json);
    }
  return array;
}

static json_t *
stats_to_json (const char *environment, const RpStats *stats)
{
  json_t *json = json_object ();
  json_object_set_new (json, "environment", json_string (environment));
  json_object_set_new (json, "deployments", json_integer (stats->deployments));
  json_object_set_new (json, "restarts", json_integer (stats->restarts));
  json_object_set_new (json, "lead_time_ms", span_or_null (stats->leads > 0, stats->lead_us));
  json_object_set_new (json, "lead_times", json_integer (stats->leads));
  json_object_set_new (json, "changes", json_integer (stats->decided));
  json_object_set_new (json, "changes_failed", json_integer (stats->failed));
  json_object_set_new (json, "recovery_time_ms",
                       span_or_null (stats->recoveries > 0, stats->recovery_us));
  json_object_set_new (json, "recoveries", json_integer (stats->recoveries));
  json_object_set_new (json, "not_recovered", json_integer (stats->open));
  json_object_set_new (json, "rollbacks", restorations_to_json (stats->restorations));
  return json;
}

/* ---- the query ---- */

typedef struct
{
  const char *app;
  const char *environment; /* or NULL */
  gint64 from_us;
  json_t *environments;
} Query;

static gboolean
add_environment (RpTxn *txn, const Query *query, const char *name, GError **error)
{
  g_autoptr (GArray) rows = load_rows (txn, query->app, name, error);
  g_auto (RpStats) stats = { 0 };
  if (rows == NULL)
    return FALSE;
  rp_stats_compute (rows, query->from_us, &stats);
  json_array_append_new (query->environments, stats_to_json (name, &stats));
  return TRUE;
}

static gboolean
stats_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Query *query = user_data;
  if (query->environment != NULL)
    {
      g_autoptr (RpEnvironment) environment
          = rp_environment_load (txn, query->app, query->environment, error);
      return environment != NULL && add_environment (txn, query, query->environment, error);
    }
  g_autoptr (RpApp) app = rp_app_load (txn, query->app, error);
  if (app == NULL)
    return FALSE;
  for (guint i = 0; i < app->environments->len; i++)
    if (!add_environment (txn, query, ((RpEnvironment *) app->environments->pdata[i])->name, error))
      return FALSE;
  return TRUE;
}

json_t *
rp_stats_get (RpEngine *engine, const char *app, const char *environment, gint64 days, GError **error)
{
  gint64 now_us = rp_clock_now_us ();
  g_autoptr (json_t) environments = json_array ();
  Query query = { app, environment, MAX (0, now_us - days * DAY_US), environments };
  if (!rp_db_read (engine->db, stats_in_txn, &query, error))
    return NULL;
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (app));
  json_object_set_new (json, "days", json_integer (days));
  json_object_set_new (json, "until", rp_json_time_or_null (now_us));
  json_object_set (json, "environments", environments);
  json_object_set_new (json, "definitions", rp_stats_definitions ());
  return json;
}
