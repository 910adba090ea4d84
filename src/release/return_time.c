#include "release/return_time.h"

#include "release/revision.h"

#define MOVES_MAX 25

static gboolean
load (RpTxn *txn, const char *app, const char *environment, gboolean only_back, RpReturnTime *out,
      GError **error)
{
  static const char sql[]
      = "SELECT took FROM (SELECT outcome_at_us - at_us AS took FROM revision WHERE app = $1"
        " AND environment = $2 AND outcome = 'healthy' AND outcome_at_us >= at_us"
        " AND ($3 = 0 OR kind IN ('rollback', 'auto-rollback')) ORDER BY number DESC LIMIT $4) AS moves"
        " ORDER BY took";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "ssii", app, environment,
                                          (gint64) only_back, (gint64) MOVES_MAX);
  if (rows == NULL)
    return FALSE;
  gsize count = rp_rows_count (rows);
  *out = (RpReturnTime){ .moves = (gint64) count };
  if (count > 0)
    out->median_ms = (rp_rows_int (rows, (count - 1) / 2, 0) + rp_rows_int (rows, count / 2, 0)) / 2000;
  return TRUE;
}

gboolean
rp_return_time_load (RpTxn *txn, const char *app, const char *environment, RpReturnTime *out,
                     GError **error)
{
  return load (txn, app, environment, TRUE, out, error)
         && (out->moves > 0 || load (txn, app, environment, FALSE, out, error));
}

json_t *
rp_return_time_to_json (const RpReturnTime *time)
{
  if (time->moves == 0)
    return json_null ();
  json_t *json = json_object ();
  json_object_set_new (json, "median_ms", json_integer ((json_int_t) time->median_ms));
  json_object_set_new (json, "moves", json_integer ((json_int_t) time->moves));
  return json;
}
