#include "ledger/txn.h"

#include <string.h>

#include "base/error.h"
#include "ledger/rows.h"

static void
statement_release (RpStatement *statement)
{
  sqlite3_reset (statement->handle);
  sqlite3_clear_bindings (statement->handle);
}

/* Leaves no statement half-run (an open cursor would keep the snapshot) nor holding a caller's
 * bytes. */
typedef RpStatement BoundStatement;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BoundStatement, statement_release)

static int
bind_next (RpStatement *statement, int slot, char type, va_list *values)
{
  if (type == 's')
    return sqlite3_bind_text (statement->handle, slot, va_arg (*values, const char *), -1,
                              SQLITE_STATIC);
  if (type == 'i')
    return sqlite3_bind_int64 (statement->handle, slot, va_arg (*values, gint64));

  const void *data = va_arg (*values, const void *);
  gsize size = va_arg (*values, gsize);

  if (!data)
    return sqlite3_bind_null (statement->handle, slot);
  return sqlite3_bind_blob64 (statement->handle, slot, data, size, SQLITE_STATIC);
}

static gboolean
bind_all (RpTxn *txn, RpStatement *statement, const char *types, va_list *values, GError **error)
{
  gsize count = strlen (types);

  if (count != statement->parameters || strspn (types, "sib") != count)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_FAILED,
                   "a statement of the program takes %u parameters and was given `%s`: %s",
                   statement->parameters, types, sqlite3_sql (statement->handle));
      return FALSE;
    }
  for (gsize i = 0; i < count; i++)
    {
      int slot = statement->slot[i];

      /* A number that the text skips has no slot, but its value must be passed over. */
      if (bind_next (statement, slot, types[i], values) != SQLITE_OK && slot != 0)
        return rp_connection_error (txn->connection, "database parameter", error);
    }
  return TRUE;
}

static RpStatement *
prepare_and_bind (RpTxn *txn, const char *sql, const char *types, va_list *values, GError **error)
{
  g_autoptr (BoundStatement) statement = rp_connection_prepare (txn->connection, sql, error);

  if (!statement || !bind_all (txn, statement, types, values, error))
    return NULL;
  return g_steal_pointer (&statement);
}

/* Says which statement failed, so that a constraint can be traced to its table. */
static gboolean
step_error (RpTxn *txn, RpStatement *statement, GError **error)
{
  g_autofree char *doing = g_strndup (sqlite3_sql (statement->handle), 60);

  return rp_connection_error (txn->connection, doing, error);
}

gboolean
rp_txn_exec (RpTxn *txn, GError **error, gint64 *out_changes, const char *sql, const char *types,
             ...)
{
  g_autoptr (BoundStatement) statement = NULL;
  va_list values;
  int code;

  va_start (values, types);
  statement = prepare_and_bind (txn, sql, types, &values, error);
  va_end (values);
  if (!statement)
    return FALSE;
  while ((code = sqlite3_step (statement->handle)) == SQLITE_ROW)
    ;
  if (code != SQLITE_DONE)
    return step_error (txn, statement, error);
  if (out_changes)
    *out_changes = sqlite3_changes64 (txn->connection->handle);
  return TRUE;
}

RpRows *
rp_txn_query (RpTxn *txn, GError **error, const char *sql, const char *types, ...)
{
  g_autoptr (BoundStatement) statement = NULL;
  g_autoptr (RpRows) rows = NULL;
  va_list values;
  int code;

  va_start (values, types);
  statement = prepare_and_bind (txn, sql, types, &values, error);
  va_end (values);
  if (!statement)
    return NULL;
  rows = rp_rows_new ((gsize) sqlite3_column_count (statement->handle));
  while ((code = sqlite3_step (statement->handle)) == SQLITE_ROW)
    rp_rows_add (rows, statement->handle);
  if (code != SQLITE_DONE)
    {
      step_error (txn, statement, error);
      return NULL;
    }
  return g_steal_pointer (&rows);
}

gboolean
rp_txn_script (RpTxn *txn, const char *sql, GError **error)
{
  return rp_connection_script (txn->connection, sql, error);
}

gboolean
rp_txn_run (RpTxn *txn, const char *sql, GError **error)
{
  return rp_txn_exec (txn, error, NULL, sql, "");
}

/* ---- after the commit ---- */

void
rp_commit_hooks_set (GArray *hooks, const RpCommitHook *hook)
{
  for (guint i = 0; i < hooks->len; i++)
    {
      RpCommitHook *other = &g_array_index (hooks, RpCommitHook, i);

      if (other->func == hook->func && other->user_data == hook->user_data)
        {
          other->value = hook->value;
          return;
        }
    }
  g_array_append_val (hooks, *hook);
}

void
rp_txn_after_commit (RpTxn *txn, RpCommitFunc func, gpointer user_data, gint64 value)
{
  RpCommitHook hook = { func, user_data, value };

  g_assert (txn->writable);
  rp_commit_hooks_set (txn->hooks, &hook);
}
