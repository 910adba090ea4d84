#include "ledger/rows.h"

typedef struct {
  int type; /* SQLITE_INTEGER, SQLITE_TEXT, SQLITE_BLOB or SQLITE_NULL */
  gint64 integer;
  gsize offset; /* into bytes */
  gsize size;
} Cell;

struct RpRows
{
  gsize columns;
  GArray *cells;     /* Cell, row by row */
  GByteArray *bytes; /* texts and blobs, each with a NUL behind it */
};

RpRows *
rp_rows_new (gsize columns)
{
  RpRows *rows = g_new0 (RpRows, 1);

  rows->columns = columns;
  rows->cells = g_array_new (FALSE, FALSE, sizeof (Cell));
  rows->bytes = g_byte_array_new ();
  return rows;
}

void
rp_rows_free (RpRows *rows)
{
  if (!rows)
    return;
  g_array_unref (rows->cells);
  g_byte_array_unref (rows->bytes);
  g_free (rows);
}

static void
add_bytes (RpRows *rows, Cell *cell, const void *data, gsize size)
{
  cell->offset = rows->bytes->len;
  cell->size = size;
  if (size)
    g_byte_array_append (rows->bytes, data, size);
  g_byte_array_append (rows->bytes, (const guint8 *) "", 1);
}

static void
add_cell (RpRows *rows, sqlite3_stmt *statement, int column)
{
  Cell cell = { .type = sqlite3_column_type (statement, column) };

  if (cell.type == SQLITE_INTEGER)
    cell.integer = sqlite3_column_int64 (statement, column);
  else if (cell.type == SQLITE_BLOB)
    {
      const void *data = sqlite3_column_blob (statement, column);

      add_bytes (rows, &cell, data, sqlite3_column_bytes (statement, column));
    }
  else if (cell.type != SQLITE_NULL)
    {
      const void *data = sqlite3_column_text (statement, column);

      cell.type = SQLITE_TEXT;
      add_bytes (rows, &cell, data, sqlite3_column_bytes (statement, column));
    }
  g_array_append_val (rows->cells, cell);
}

void
rp_rows_add (RpRows *rows, sqlite3_stmt *statement)
{
  for (gsize column = 0; column < rows->columns; column++)
    add_cell (rows, statement, (int) column);
}

gsize
rp_rows_count (const RpRows *rows)
{
  return rows->columns ? rows->cells->len / rows->columns : 0;
}

static const Cell *
cell_at (const RpRows *rows, gsize row, gsize column)
{
  g_assert (column < rows->columns && row < rp_rows_count (rows));
  return &g_array_index (rows->cells, Cell, row * rows->columns + column);
}

gboolean
rp_rows_is_null (const RpRows *rows, gsize row, gsize column)
{
  return cell_at (rows, row, column)->type == SQLITE_NULL;
}

const guint8 *
rp_rows_blob (const RpRows *rows, gsize row, gsize column, gsize *out_size)
{
  const Cell *cell = cell_at (rows, row, column);
  gboolean has_bytes = cell->type == SQLITE_TEXT || cell->type == SQLITE_BLOB;

  if (out_size)
    *out_size = has_bytes ? cell->size : 0;
  return has_bytes ? rows->bytes->data + cell->offset : NULL;
}

const char *
rp_rows_text (const RpRows *rows, gsize row, gsize column)
{
  return (const char *) rp_rows_blob (rows, row, column, NULL);
}

gint64
rp_rows_int (const RpRows *rows, gsize row, gsize column)
{
  return cell_at (rows, row, column)->integer;
}
