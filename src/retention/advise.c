/* What size the window of an environment should have, from how it was used: how far back people really went,
 * how long ago that had been left, and what reaching further back costs. */
#include "base/json.h"
#include "release/environment.h"
#include "retention/retention_priv.h"

#define RELEASES_MIN 3

typedef struct {
  gint64 number;
  gint64 release;
  gint64 restores; /* 0: no rollback */
  gint64 at_us;
} Step;

typedef struct {
  gint64 rollbacks;
  gint64 versions_back; /* the furthest */
  gint64 age_us;        /* the longest since what was gone back to had been left */
} Use;

/* Releases other than the restored one that ran since it did. */
static gint64
count_between (const Step *steps, guint from, guint to)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_int64_hash, g_int64_equal);

  for (guint i = from + 1; i < to; i++)
    if (steps[i].release != steps[from].release)
      g_hash_table_add (seen, (gpointer) &steps[i].release);
  return g_hash_table_size (seen);
}

static void
take_rollback (const Step *steps, guint at, Use *use)
{
  for (guint i = at; i-- > 0;)
    if (steps[i].number == steps[at].restores)
      {
        use->rollbacks++;
        use->versions_back = MAX (use->versions_back, count_between (steps, i, at));
        use->age_us = MAX (use->age_us, steps[at].at_us - steps[i + 1].at_us);
        return;
      }
}

/* In the order in which it happened. */
static GArray *
load_steps (RpTxn *txn, const RpEnvironment *environment, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT number, release, restores, at_us FROM revision WHERE app = $1"
                      " AND environment = $2 ORDER BY number",
                      "ss", environment->app, environment->name);
  GArray *steps;

  if (rows == NULL)
    return NULL;
  steps = g_array_new (FALSE, FALSE, sizeof (Step));
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      Step step = { rp_rows_int (rows, i, 0), rp_rows_int (rows, i, 1), rp_rows_int (rows, i, 2),
                    rp_rows_int (rows, i, 3) };
      g_array_append_val (steps, step);
    }
  return steps;
}

/* The mean of the releases that were deployed there. Layers that they share are counted in each. */
static gboolean
mean_size (RpTxn *txn, const RpEnvironment *environment, gint64 *out_bytes, gint64 *out_releases,
           GError **error)
{
  static const char sql[]
      = "SELECT COALESCE (SUM (size), 0), COUNT (*) FROM (SELECT SUM (c.size_bytes) AS size"
        " FROM release_component c WHERE c.app = $1 AND c.release IN (SELECT release FROM revision"
        " WHERE app = $1 AND environment = $2) GROUP BY c.release) AS one";
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "ss", environment->app, environment->name);

  if (rows == NULL)
    return FALSE;
  *out_releases = rp_rows_int (rows, 0, 1);
  *out_bytes = rp_rows_int (rows, 0, 0) / MAX (*out_releases, 1);
  return TRUE;
}

static json_t *
costs (gint64 bytes, gint64 releases, gint64 span_us)
{
  static const int days[] = { 7, 30, 90 };
  json_t *list = json_array ();

  for (gsize i = 0; i < G_N_ELEMENTS (days); i++)
    {
      gint64 count = (gint64) ((double) releases * days[i] * (double) RP_DAY_US
                               / (double) MAX (span_us, RP_DAY_US) + 0.5);
      json_t *one = json_object ();
      json_object_set_new (one, "days", json_integer (days[i]));
      json_object_set_new (one, "releases", json_integer (count));
      json_object_set_new (one, "bytes", json_integer (count * bytes));
      json_array_append_new (list, one);
    }
  return list;
}

static json_t *
to_json (const RpEnvironment *environment, const GArray *steps, gint64 bytes, gint64 releases)
{
  const Step *all = (const Step *) (gconstpointer) steps->data;
  gint64 span_us = steps->len > 0 ? all[steps->len - 1].at_us - all[0].at_us : 0;
  json_t *json = json_object (), *advised = json_object ();
  Use use = { 0 };

  for (guint i = 0; i < steps->len; i++)
    if (all[i].restores != 0)
      take_rollback (all, i, &use);
  json_object_set_new (json, "app", json_string (environment->app));
  json_object_set_new (json, "environment", json_string (environment->name));
  json_object_set_new (json, "window", json_integer (environment->window));
  json_object_set_new (json, "window_for_ms", json_integer (environment->window_for_ms));
  json_object_set_new (json, "releases", json_integer (releases));
  json_object_set_new (json, "span_ms", json_integer (span_us / 1000));
  json_object_set_new (json, "rollbacks", json_integer (use.rollbacks));
  json_object_set_new (json, "versions_back", json_integer (use.versions_back));
  json_object_set_new (json, "age_ms", json_integer (use.age_us / 1000));
  /* Twice as far as was ever needed; in whole days. */
  json_object_set_new (advised, "releases",
                       json_integer (CLAMP (2 * use.versions_back, RELEASES_MIN, 100)));
  json_object_set_new (advised, "for_days",
                       json_integer ((2 * use.age_us + RP_DAY_US - 1) / RP_DAY_US));
  json_object_set_new (json, "advised", advised);
  json_object_set_new (json, "bytes_per_release", json_integer (bytes));
  json_object_set_new (json, "costs", costs (bytes, releases, span_us));
  return json;
}

static gboolean
advise_one (RpTxn *txn, const char *app, const char *name, json_t *list, GError **error)
{
  g_autoptr (RpEnvironment) environment = rp_environment_load (txn, app, name, error);
  g_autoptr (GArray) steps = environment != NULL ? load_steps (txn, environment, error) : NULL;
  gint64 bytes, releases;

  if (steps == NULL || !mean_size (txn, environment, &bytes, &releases, error))
    return FALSE;
  json_array_append_new (list, to_json (environment, steps, bytes, releases));
  return TRUE;
}

static gboolean
advise_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT app, name FROM environment WHERE present = 1 ORDER BY app, ordinal", "");

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    if (!advise_one (txn, rp_rows_text (rows, i, 0), rp_rows_text (rows, i, 1), user_data, error))
      return FALSE;
  return TRUE;
}

json_t *
rp_window_advise (RpRetention *retention, GError **error)
{
  json_t *list = json_array ();

  if (rp_db_read (retention->db, advise_in_txn, list, error))
    return list;
  json_decref (list);
  return NULL;
}
