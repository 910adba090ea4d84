#include "ledger/cursor.h"

#include "base/error.h"
#include "base/json.h"
#include "ledger/txn.h"

struct RpCursor
{
  RpTxn *txn;
  sqlite3_stmt *handle;
};

void
rp_cursor_append_identifier (GString *sql, const char *name)
{
  g_string_append_c (sql, '"');
  for (; *name; name++)
    {
      if (*name == '"')
        g_string_append_c (sql, '"');
      g_string_append_c (sql, *name);
    }
  g_string_append_c (sql, '"');
}

static gsize
count_columns (RpTxn *txn, const char *table, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT name FROM pragma_table_info($1)", "s", table);

  if (!rows)
    return 0;
  if (rp_rows_count (rows) == 0)
    g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
                 "the table `%s` is not in the database: `repoint ledger rebuild` makes it again "
                 "from the events",
                 table);
  return rp_rows_count (rows);
}

static char *
select_all_in_order (const char *table, gsize columns)
{
  GString *sql = g_string_new ("SELECT * FROM ");

  rp_cursor_append_identifier (sql, table);
  for (gsize column = 1; column <= columns; column++)
    g_string_append_printf (sql, "%s%" G_GSIZE_FORMAT, column == 1 ? " ORDER BY " : ", ", column);
  return g_string_free (sql, FALSE);
}

RpCursor *
rp_cursor_open (RpTxn *txn, const char *table, GError **error)
{
  gsize columns = count_columns (txn, table, error);
  g_autofree char *sql = NULL;
  g_autoptr (RpCursor) cursor = NULL;

  if (columns == 0)
    return NULL;
  sql = select_all_in_order (table, columns);
  cursor = g_new0 (RpCursor, 1);
  cursor->txn = txn;
  if (sqlite3_prepare_v2 (txn->connection->handle, sql, -1, &cursor->handle, NULL) != SQLITE_OK)
    {
      rp_connection_error (txn->connection, table, error);
      return NULL;
    }
  return g_steal_pointer (&cursor);
}

void
rp_cursor_free (RpCursor *cursor)
{
  if (!cursor)
    return;
  sqlite3_finalize (cursor->handle);
  g_free (cursor);
}

static json_t *
hex_value (const guint8 *data, gsize size)
{
  g_autoptr (GString) hex = g_string_new ("x'");

  for (gsize i = 0; i < size; i++)
    g_string_append_printf (hex, "%02x", data[i]);
  g_string_append_c (hex, '\'');
  return json_stringn (hex->str, hex->len);
}

/* A text that is no UTF-8 was put there by another hand; it is shown as its bytes. */
static json_t *
column_value (sqlite3_stmt *handle, int column)
{
  const void *data;
  gsize size;
  json_t *text;

  switch (sqlite3_column_type (handle, column))
    {
    case SQLITE_NULL:
      return json_null ();
    case SQLITE_INTEGER:
      return json_integer (sqlite3_column_int64 (handle, column));
    case SQLITE_FLOAT:
      return json_real (sqlite3_column_double (handle, column));
    case SQLITE_BLOB:
      data = sqlite3_column_blob (handle, column);
      return hex_value (data, (gsize) sqlite3_column_bytes (handle, column));
    default:
      data = sqlite3_column_text (handle, column);
      size = (gsize) sqlite3_column_bytes (handle, column);
      text = json_stringn (data, size);
      return text ? text : hex_value (data, size);
    }
}

gboolean
rp_cursor_next (RpCursor *cursor, char **out_row, GError **error)
{
  int code = sqlite3_step (cursor->handle);
  g_autoptr (json_t) row = NULL;

  if (code == SQLITE_DONE)
    {
      *out_row = NULL;
      return TRUE;
    }
  if (code != SQLITE_ROW)
    return rp_connection_error (cursor->txn->connection, "reading a table", error);
  row = json_object ();
  for (int column = 0; column < sqlite3_column_count (cursor->handle); column++)
    json_object_set_new (row, sqlite3_column_name (cursor->handle, column),
                         column_value (cursor->handle, column));
  *out_row = rp_json_print (row);
  return TRUE;
}
