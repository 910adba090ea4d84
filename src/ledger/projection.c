#include "ledger/projection.h"

#include "base/error.h"
#include "ledger/cursor.h"

gboolean
rp_projection_create (RpProjectors projectors, RpTxn *txn, GError **error)
{
  for (gsize i = 0; projectors[i]; i++)
    {
      if (rp_txn_script (txn, projectors[i]->schema, error))
        continue;
      g_prefix_error (error, "tables of %s: ", projectors[i]->name);
      return FALSE;
    }
  return TRUE;
}

gboolean
rp_projection_is_whole (RpProjectors projectors, RpTxn *txn, gboolean *out_whole, GError **error)
{
  *out_whole = TRUE;
  for (gsize i = 0; projectors[i]; i++)
    for (gsize k = 0; projectors[i]->tables[k]; k++)
      {
        g_autoptr (RpRows) columns
            = rp_txn_query (txn, error, "SELECT name FROM pragma_table_info($1)", "s",
                            projectors[i]->tables[k]);

        if (!columns)
          return FALSE;
        *out_whole = *out_whole && rp_rows_count (columns) > 0;
      }
  return TRUE;
}

static gboolean
drop_table (RpTxn *txn, const char *table, GError **error)
{
  g_autoptr (GString) sql = g_string_new ("DROP TABLE IF EXISTS ");

  rp_cursor_append_identifier (sql, table);
  return rp_txn_script (txn, sql->str, error);
}

gboolean
rp_projection_recreate (RpProjectors projectors, RpTxn *txn, GError **error)
{
  gsize count = 0;

  while (projectors[count])
    count++;
  while (count-- > 0)
    for (gsize k = 0; projectors[count]->tables[k]; k++)
      if (!drop_table (txn, projectors[count]->tables[k], error))
        return FALSE;
  return rp_projection_create (projectors, txn, error);
}

gboolean
rp_projection_apply (RpProjectors projectors, RpTxn *txn, const RpEvent *event, GError **error)
{
  for (gsize i = 0; projectors[i]; i++)
    {
      if (projectors[i]->apply (txn, event, error))
        continue;
      g_prefix_error (error, "%s, by %s: ", event->kind, projectors[i]->name);
      return FALSE;
    }
  return TRUE;
}

/* Both copies are read in the same order, so the first difference is a row that one of them
 * lacks. */
static gboolean
compare_table (const char *table, RpTxn *live, RpTxn *replayed, GError **error)
{
  g_autoptr (RpCursor) here = rp_cursor_open (live, table, error);
  g_autoptr (RpCursor) there = here ? rp_cursor_open (replayed, table, error) : NULL;

  if (!here || !there)
    return FALSE;
  for (;;)
    {
      g_autofree char *found = NULL, *expected = NULL;

      if (!rp_cursor_next (here, &found, error) || !rp_cursor_next (there, &expected, error))
        return FALSE;
      if (!found && !expected)
        return TRUE;
      if (g_strcmp0 (found, expected) == 0)
        continue;
      g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
                   "the table `%s` is not what the events make: it has %s where they make %s; "
                   "`repoint ledger rebuild` makes it again from the events",
                   table, found ? found : "no further row",
                   expected ? expected : "no further row");
      return FALSE;
    }
}

gboolean
rp_projection_compare (RpProjectors projectors, RpTxn *live, RpTxn *replayed, GError **error)
{
  for (gsize i = 0; projectors[i]; i++)
    for (gsize k = 0; projectors[i]->tables[k]; k++)
      if (!compare_table (projectors[i]->tables[k], live, replayed, error))
        return FALSE;
  return TRUE;
}
