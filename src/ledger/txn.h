/* What an RpTxn is made of.  Private to this room. */
#pragma once

#include "ledger/connection.h"
#include "ledger/db.h"

/* A call to make once the transaction is durable; see rp_txn_after_commit(). */
typedef struct {
  RpCommitFunc func;
  gpointer user_data;
  gint64 value;
} RpCommitHook;

struct RpTxn
{
  RpConnection *connection;
  gboolean writable;
  GArray *hooks; /* RpCommitHook */
};

/* Adds a hook, or updates the value of the one with the same func and user_data. */
void rp_commit_hooks_set (GArray *hooks, const RpCommitHook *hook);

/* A statement of the program's own that has no parameters and no rows (BEGIN, SAVEPOINT …). */
gboolean rp_txn_run (RpTxn *txn, const char *sql, GError **error) G_GNUC_WARN_UNUSED_RESULT;
