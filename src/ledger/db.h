/* A small transactional database: SQLite now, PostgreSQL behind the same functions later.  SQL
 * texts use $1, $2 … and what both understand (ON CONFLICT, RETURNING).  Statements are prepared
 * once per connection and kept by the address of their text, so pass string literals or static
 * texts.
 */
#pragma once

#include <glib.h>

typedef struct RpDb RpDb;
typedef struct RpTxn RpTxn;
typedef struct RpRows RpRows;

/* `path`: a file (made with mode 0600; WAL, synchronous=FULL, foreign keys on), ":memory:", or "": scratch, which is
 * in memory as long as it is small and then in a file that nobody else sees. */
RpDb *rp_db_open (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_db_close (RpDb *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpDb, rp_db_close)

/* TRUE means: go on and commit. */
typedef gboolean (*RpTxnFunc) (RpTxn *txn, gpointer user_data, GError **error);

/* Runs `func` in a write transaction and returns when it is durable; FALSE from `func` undoes all
 * that it did.  Thread-safe and blocking.  Calls of several threads share one sync (group commit:
 * each runs in a savepoint of one transaction), so `func` may run on another caller's thread and
 * must be quick: no network, no large files.  `func` runs exactly once.  Must not be called from
 * inside another `func`, of a write (an error) or of a read. */
gboolean rp_db_write (RpDb *db, RpTxnFunc func, gpointer user_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* For a `func` of rp_db_write(): does anybody else wait for this commit, or to write after it? Who has much to
 * do, and can go on later, ends early then. */
gboolean rp_db_is_waited_for (RpDb *db);

/* Runs `func` on one consistent snapshot, concurrently with writers. Thread-safe. */
gboolean rp_db_read (RpDb *db, RpTxnFunc func, gpointer user_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* `func` is called after this transaction's commit is durable and never if it fails: on the
 * committing thread, with no transaction open, before rp_db_write() returns; it must be quick and
 * must not write to this database. Calls with the same func and user_data become one, with the
 * last value in the order of the commit. */
typedef void (*RpCommitFunc) (gint64 value, gpointer user_data);
void rp_txn_after_commit (RpTxn *txn, RpCommitFunc func, gpointer user_data, gint64 value);

/* Parameters by a type string: `s` const char * (NULL is SQL NULL), `i` gint64, `b` const void *,
 * gsize (NULL is SQL NULL).
 *   rp_txn_exec (txn, error, NULL, "INSERT INTO tag VALUES ($1, $2)", "si", name, (gint64) seq)
 * Exec returns the number of rows changed in *out_changes when that is not NULL. */
gboolean rp_txn_exec (RpTxn *txn, GError **error, gint64 *out_changes, const char *sql,
                      const char *types, ...) G_GNUC_WARN_UNUSED_RESULT;

/* Several statements without parameters (schemas). */
gboolean rp_txn_script (RpTxn *txn, const char *sql, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* All rows of the result, held in memory: the caller's to free. Limit what may be large in the
 * SQL. */
RpRows *rp_txn_query (RpTxn *txn, GError **error, const char *sql, const char *types, ...)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_rows_free (RpRows *rows);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpRows, rp_rows_free)

gsize rp_rows_count (const RpRows *rows);
gboolean rp_rows_is_null (const RpRows *rows, gsize row, gsize column);
const char *rp_rows_text (const RpRows *rows, gsize row, gsize column); /* NULL for SQL NULL */
gint64 rp_rows_int (const RpRows *rows, gsize row, gsize column);       /* 0 for SQL NULL */
const guint8 *rp_rows_blob (const RpRows *rows, gsize row, gsize column, gsize *out_size);
