#include "release/pointed.h"

#include "release/engine_priv.h"

typedef struct
{
  RpRows *rows;
} Query;

static gboolean
load_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Query *query = user_data;
  query->rows = rp_txn_query (
      txn, error,
      "SELECT e.app, e.name, r.number, a.version, a.source_commit, c.name, c.digest"
      " FROM environment e JOIN revision r ON r.app = e.app AND r.environment = e.name AND r.number ="
      " (SELECT MAX(n.number) FROM revision n WHERE n.app = e.app AND n.environment = e.name)"
      " JOIN app_release a ON a.app = r.app AND a.number = r.release"
      " JOIN release_component c ON c.app = r.app AND c.release = r.release"
      " WHERE e.present = 1 ORDER BY e.app, e.name, c.name",
      "");
  return query->rows != NULL;
}

gboolean
rp_pointed_each (RpEngine *engine, void (*visit) (const RpPointed *pointed, gpointer user_data),
                 gpointer user_data, GError **error)
{
  Query query = { NULL };
  if (!rp_db_read (engine->db, load_in_txn, &query, error))
    return FALSE;
  g_autoptr (RpRows) rows = query.rows;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    visit (&(RpPointed){ .app = rp_rows_text (rows, i, 0),
                         .environment = rp_rows_text (rows, i, 1),
                         .revision = rp_rows_int (rows, i, 2),
                         .version = rp_rows_text (rows, i, 3),
                         .commit = rp_rows_text (rows, i, 4),
                         .component = rp_rows_text (rows, i, 5),
                         .digest = rp_rows_text (rows, i, 6) },
           user_data);
  return TRUE;
}
