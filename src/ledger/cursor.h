/* All rows of one table, in the order of all its columns, one at a time and as text: to compare two
 * copies of a table without knowing what is in it.  Private to this room.
 */
#pragma once

#include "ledger/db.h"

typedef struct RpCursor RpCursor;

/* RP_ERROR_CORRUPT if there is no such table. Belongs to `txn`, and must be freed before it
 * ends. */
RpCursor *rp_cursor_open (RpTxn *txn, const char *table, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_cursor_free (RpCursor *cursor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpCursor, rp_cursor_free)

/* The next row as a JSON object {column: value}, blobs as hex; NULL at the end. g_free() it. */
gboolean rp_cursor_next (RpCursor *cursor, char **out_row, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* A table's name cannot be a parameter of a statement; quoted, it is only ever a name. */
void rp_cursor_append_identifier (GString *sql, const char *name);
