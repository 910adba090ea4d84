/* One SQLite connection with its prepared statements.  Private to this room: the rest goes through
 * db.h.  A connection belongs to one thread at a time; whoever hands it on does the locking.
 */
#pragma once

#include <glib.h>
#include <sqlite3.h>

#define RP_SQL_PARAMETERS_MAX 32
#define RP_BUSY_TIMEOUT_MS    10000 /* for another process to let go of the file */

/* A prepared statement.  SQLite numbers `$2` by where it first stands in the text, not by its
 * digits, so `slot[n]` is SQLite's number of `$n+1` (0: the text does not use it). */
typedef struct {
  sqlite3_stmt *handle;
  guint parameters;
  int slot[RP_SQL_PARAMETERS_MAX];
} RpStatement;

typedef struct {
  sqlite3 *handle;
  char *path;
  GHashTable *statements; /* address of the SQL text → RpStatement */
  int wal_pages;          /* in the write-ahead log after the last commit */
} RpConnection;

typedef enum { RP_CONNECTION_READ, RP_CONNECTION_WRITE } RpConnectionUse;

/* RP_ERROR_INVALID if `path` is a database of something else or of a newer repoint. */
RpConnection *rp_connection_open (const char *path, RpConnectionUse use, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_connection_close (RpConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpConnection, rp_connection_close)

/* Several statements without parameters. */
gboolean rp_connection_script (RpConnection *connection, const char *sql, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* From the cache or newly prepared; the connection's. Reset it when done. */
RpStatement *rp_connection_prepare (RpConnection *connection, const char *sql, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Sets `error` from the connection's last failure: a full disk is RP_ERROR_NO_SPACE, damage is
 * RP_ERROR_CORRUPT, a constraint is RP_ERROR_CONFLICT, another process's lock is RP_ERROR_BUSY.
 * Always returns FALSE. */
gboolean rp_connection_error (RpConnection *connection, const char *doing, GError **error);
