/* Aligned tables for people.  On a terminal the flexible columns give way until a row fits its
 * width (what is cut ends in `...`); in a pipe nothing is ever cut or left out.
 */
#pragma once

#include "cli/term.h"

typedef struct RpTable RpTable;

/* `columns`: headings separated by `|`; a leading `>` aligns to the right, a leading `~` makes a
 * column flexible, and a leading `?` says that it may be left out, the first such first, where a row
 * would otherwise become illegible: `>REVISION|KIND|?COMMIT|~CAUSE`. */
RpTable *rp_table_new (const char *columns);
void rp_table_free (RpTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpTable, rp_table_free)

/* The next cell; a row is full after as many as there are columns. NULL and "" show as `-`. */
void rp_table_add (RpTable *table, RpStyle style, const char *text);
void rp_table_add_int (RpTable *table, gint64 value);
/* Takes over `text`. */
void rp_table_take (RpTable *table, RpStyle style, char *text);

/* Indents every line by `indent` spaces. */
void rp_table_print (const RpTable *table, const RpTerm *term, int indent);
