#include "cli/table.h"

#include <string.h>

enum {
  GAP = 2,
  FLEXIBLE_MIN = 8,
  LEGIBLE_MIN = 16, /* columns are left out before a flexible one gets narrower */
};

typedef struct {
  const char *heading; /* borrowed from RpTable.headings */
  gboolean right;
  gboolean flexible;
  gboolean optional;
} Column;

typedef struct {
  char *text;
  RpStyle style;
} Cell;

struct RpTable {
  char **headings;
  GArray *columns; /* of Column */
  GArray *cells;   /* of Cell, row after row */
};

static void
cell_clear (gpointer data)
{
  g_free (((Cell *) data)->text);
}

RpTable *
rp_table_new (const char *columns)
{
  RpTable *table = g_new0 (RpTable, 1);
  table->headings = g_strsplit (columns, "|", -1);
  table->columns = g_array_new (FALSE, TRUE, sizeof (Column));
  table->cells = g_array_new (FALSE, TRUE, sizeof (Cell));
  g_array_set_clear_func (table->cells, cell_clear);
  for (char **heading = table->headings; *heading != NULL; heading++)
    {
      gsize marks = strspn (*heading, ">~?");
      Column column = { *heading + marks, memchr (*heading, '>', marks) != NULL,
                        memchr (*heading, '~', marks) != NULL,
                        memchr (*heading, '?', marks) != NULL };
      g_array_append_val (table->columns, column);
    }
  return table;
}

void
rp_table_free (RpTable *table)
{
  if (table == NULL)
    return;
  g_array_unref (table->cells);
  g_array_unref (table->columns);
  g_strfreev (table->headings);
  g_free (table);
}

void
rp_table_add (RpTable *table, RpStyle style, const char *text)
{
  gboolean empty = text == NULL || *text == '\0';
  Cell cell = { empty ? g_strdup ("-") : rp_term_clean (text), style };
  g_array_append_val (table->cells, cell);
}

void
rp_table_add_int (RpTable *table, gint64 value)
{
  rp_table_take (table, RP_STYLE_PLAIN, g_strdup_printf ("%" G_GINT64_FORMAT, value));
}

void
rp_table_take (RpTable *table, RpStyle style, char *text)
{
  rp_table_add (table, style, text);
  g_free (text);
}

/* Columns as wide as what they hold. */
static int *
natural_widths (const RpTable *table)
{
  int *widths = g_new0 (int, table->columns->len);
  for (guint i = 0; i < table->columns->len; i++)
    widths[i] = rp_term_columns (g_array_index (table->columns, Column, i).heading);
  for (guint i = 0; i < table->cells->len; i++)
    {
      int width = rp_term_columns (g_array_index (table->cells, Cell, i).text);
      int *column = &widths[i % table->columns->len];
      *column = MAX (*column, width);
    }
  return widths;
}

static int
total_width (const RpTable *table, const int *widths)
{
  int total = 0;
  for (guint i = 0; i < table->columns->len; i++)
    total += widths[i] > 0 ? widths[i] + GAP : 0;
  return total - GAP;
}

/* Sets the width of columns that are left out to 0. */
static void
leave_out (const RpTable *table, int *widths, int limit)
{
  int least = -GAP;
  for (guint i = 0; i < table->columns->len; i++)
    least += GAP
             + (g_array_index (table->columns, Column, i).flexible ? MIN (widths[i], LEGIBLE_MIN)
                                                                   : widths[i]);
  for (guint i = 0; i < table->columns->len && least > limit; i++)
    if (g_array_index (table->columns, Column, i).optional)
      {
        least -= GAP + MIN (widths[i], LEGIBLE_MIN);
        widths[i] = 0;
      }
}

/* Takes columns away from the widest flexible one until all fit or none can give any more. */
static void
fit_widths (const RpTable *table, int *widths, int limit)
{
  for (int excess = total_width (table, widths) - limit; excess > 0; excess--)
    {
      int widest = -1;
      for (guint i = 0; i < table->columns->len; i++)
        if (g_array_index (table->columns, Column, i).flexible && widths[i] > FLEXIBLE_MIN
            && (widest < 0 || widths[i] > widths[widest]))
          widest = (int) i;
      if (widest < 0)
        return;
      widths[widest]--;
    }
}

/* `text` in at most `width` columns. */
static char *
cut (const char *text, int width)
{
  if (rp_term_columns (text) <= width)
    return g_strdup (text);
  GString *out = g_string_new (NULL);
  int used = 0;
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      used += g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
      if (used > width - 3)
        break;
      g_string_append_unichar (out, c);
    }
  g_string_append (out, "...");
  return g_string_free (out, FALSE);
}

static void
print_cell (const RpTable *table, const RpTerm *term, const int *widths, guint i, RpStyle style,
            const char *text)
{
  const Column *column = &g_array_index (table->columns, Column, i);
  gboolean last = TRUE;
  for (guint j = i + 1; j < table->columns->len; j++)
    last = last && widths[j] == 0;
  if (widths[i] == 0)
    return;
  g_autofree char *shown = cut (text, widths[i]);
  int padding = widths[i] - rp_term_columns (shown);
  fprintf (term->stream, "%*s", i > 0 ? GAP : 0, "");
  if (column->right)
    fprintf (term->stream, "%*s", padding, "");
  rp_term_text (term, style, shown);
  if (!column->right && !last)
    fprintf (term->stream, "%*s", padding, "");
  if (last)
    fputc ('\n', term->stream);
}

void
rp_table_print (const RpTable *table, const RpTerm *term, int indent)
{
  g_autofree int *widths = natural_widths (table);
  guint n = table->columns->len;
  if (term->width > 0)
    {
      leave_out (table, widths, term->width - indent);
      fit_widths (table, widths, term->width - indent);
    }
  fprintf (term->stream, "%*s", indent, "");
  for (guint i = 0; i < n; i++)
    print_cell (table, term, widths, i, RP_STYLE_DIM,
                g_array_index (table->columns, Column, i).heading);
  for (guint i = 0; i < table->cells->len; i++)
    {
      const Cell *cell = &g_array_index (table->cells, Cell, i);
      if (i % n == 0)
        fprintf (term->stream, "%*s", indent, "");
      print_cell (table, term, widths, i % n, cell->style, cell->text);
    }
}
