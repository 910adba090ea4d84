/* Readers and the writer.
 *
 * One connection writes.  Callers of rp_db_write() queue their jobs; the first that finds no
 * leader becomes it, takes all that wait, runs each in a savepoint of one transaction, commits
 * once (one sync), and wakes them.  Those that came meanwhile are the next group.  So the more
 * callers there are, the fewer syncs each costs, and a single caller waits for nobody.
 *
 * Invariants
 *  1. `leader` is set by the thread that owns the writer connection and by nobody else.
 *  2. A job is answered exactly once, after the commit (or its failure) of its group, and its
 *     caller's memory is not touched after that.  Each caller sleeps on a condition of its own: those
 *     whose job is done are woken, and one of those that wait for a leader, which it then is.
 *  3. Readers each own a connection from `idle` while they read; it goes back when they are done.
 *  4. In memory, or scratch, there is no second view of the data: readers take `memory_lock`, as the leader
 *     does.
 */
#include "ledger/db.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "ledger/txn.h"

#define GROUP_MAX 256 /* jobs a commit: bounds how long the first waits for the last */

/* A write-ahead log of this many pages (4 KiB each) is copied into the database after a commit;
 * beyond the second number readers are made to wait a moment, so that the log can start anew. */
#define WAL_CHECKPOINT_PAGES 1000
#define WAL_RESTART_PAGES 8000
#define WAL_RESTART_WAIT_MS 200

typedef struct {
  RpTxnFunc func;
  gpointer user_data;
  RpTxn txn;
  gboolean ok;
  gboolean done;
  GCond called; /* it is done, or may lead */
  GError *error;
} Job;

struct RpDb
{
  char *path;
  gboolean in_memory;
  RpConnection *writer;
  int wal_next_restart; /* pages: do not try again before */
  GRecMutex memory_lock;

  GMutex lock; /* of what follows, and of each job's `done` */
  GQueue jobs; /* Job */
  GThread *leader;
  guint group_size; /* jobs of the leader's transaction */
  GQueue idle; /* RpConnection */
};

/* ---- opening ---- */

RpDb *
rp_db_open (const char *path, GError **error)
{
  RpConnection *writer = rp_connection_open (path, RP_CONNECTION_WRITE, error);
  RpDb *db;

  if (!writer)
    return NULL;
  db = g_new0 (RpDb, 1);
  db->path = g_strdup (path);
  db->in_memory = strcmp (path, ":memory:") == 0 || *path == '\0';
  db->writer = writer;
  g_rec_mutex_init (&db->memory_lock);
  g_mutex_init (&db->lock);
  g_queue_init (&db->jobs);
  g_queue_init (&db->idle);
  return db;
}

void
rp_db_close (RpDb *db)
{
  if (!db)
    return;
  g_assert (db->leader == NULL && g_queue_is_empty (&db->jobs));
  g_queue_clear_full (&db->idle, (GDestroyNotify) rp_connection_close);
  rp_connection_close (db->writer);
  g_rec_mutex_clear (&db->memory_lock);
  g_mutex_clear (&db->lock);
  g_free (db->path);
  g_free (db);
}

/* ---- writing ---- */

/* Some failures (a full disk, say) make SQLite roll the whole transaction back by itself. */
static gboolean
transaction_is_open (RpDb *db)
{
  return !sqlite3_get_autocommit (db->writer->handle);
}

static gboolean
undo_job (Job *job)
{
  return rp_txn_run (&job->txn, "ROLLBACK TO job", NULL)
         && rp_txn_run (&job->txn, "RELEASE job", NULL);
}

/* FALSE if the group as a whole cannot go on. */
static gboolean
run_job (RpDb *db, Job *job)
{
  if (!rp_txn_run (&job->txn, "SAVEPOINT job", &job->error))
    return FALSE;
  job->ok = job->func (&job->txn, job->user_data, &job->error);
  if (job->ok)
    job->ok = rp_txn_run (&job->txn, "RELEASE job", &job->error);
  if (job->ok)
    return TRUE;
  g_array_set_size (job->txn.hooks, 0);
  return transaction_is_open (db) && undo_job (job);
}

/* The group's transaction is gone: so is what its jobs did. Each is told why, its own error
 * first. */
static void
fail_group (RpDb *db, GPtrArray *group, const GError *cause)
{
  if (transaction_is_open (db))
    sqlite3_exec (db->writer->handle, "ROLLBACK", NULL, NULL, NULL);
  for (guint i = 0; i < group->len; i++)
    {
      Job *job = g_ptr_array_index (group, i);

      job->ok = FALSE;
      if (!job->error)
        job->error = g_error_copy (cause);
    }
}

static gboolean
commit_group (RpDb *db, GPtrArray *group, RpTxn *txn, GError **error)
{
  if (!rp_txn_run (txn, "BEGIN IMMEDIATE", error))
    return FALSE;
  for (guint i = 0; i < group->len; i++)
    {
      Job *job = g_ptr_array_index (group, i);

      if (run_job (db, job))
        continue;
      if (job->error && error)
        *error = g_error_copy (job->error);
      else
        g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "the transaction was rolled back: %s",
                     db->path);
      return FALSE;
    }
  return rp_txn_run (txn, "COMMIT", error);
}

static void
call_hooks (GPtrArray *group)
{
  g_autoptr (GArray) hooks = g_array_new (FALSE, FALSE, sizeof (RpCommitHook));

  for (guint i = 0; i < group->len; i++)
    {
      Job *job = g_ptr_array_index (group, i);

      for (guint k = 0; k < job->txn.hooks->len; k++)
        rp_commit_hooks_set (hooks, &g_array_index (job->txn.hooks, RpCommitHook, k));
    }
  for (guint i = 0; i < hooks->len; i++)
    {
      RpCommitHook *hook = &g_array_index (hooks, RpCommitHook, i);

      hook->func (hook->value, hook->user_data);
    }
}

static void
run_group (RpDb *db, GPtrArray *group)
{
  RpTxn txn = { .connection = db->writer, .writable = TRUE };
  g_autoptr (GError) error = NULL;
  gboolean committed;

  if (db->in_memory)
    g_rec_mutex_lock (&db->memory_lock);
  committed = commit_group (db, group, &txn, &error);
  if (!committed)
    fail_group (db, group, error);
  if (db->in_memory)
    g_rec_mutex_unlock (&db->memory_lock);
  if (committed)
    call_hooks (group);
}

/* Copies the log into the database while it is short.  If readers kept it from starting anew
 * until it is long, waits a moment for them: new ones then read the database itself.  What a
 * single long reader keeps is bounded by how long it reads. */
static void
keep_log_short (RpDb *db)
{
  int pages = db->writer->wal_pages;

  if (db->in_memory || pages < WAL_CHECKPOINT_PAGES)
    {
      db->wal_next_restart = WAL_RESTART_PAGES;
      return;
    }
  if (pages < db->wal_next_restart)
    {
      sqlite3_wal_checkpoint_v2 (db->writer->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
      return;
    }
  sqlite3_busy_timeout (db->writer->handle, WAL_RESTART_WAIT_MS);
  if (sqlite3_wal_checkpoint_v2 (db->writer->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL)
      == SQLITE_OK)
    db->writer->wal_pages = 0;
  else
    db->wal_next_restart = pages + WAL_RESTART_PAGES;
  sqlite3_busy_timeout (db->writer->handle, RP_BUSY_TIMEOUT_MS);
}

/* With the lock held. Who is done, or leads already, may come first and wait for nobody: a call too many is nothing. */
static void
call_next_leader (RpDb *db)
{
  Job *next = g_queue_peek_head (&db->jobs);

  if (next != NULL)
    g_cond_signal (&next->called);
}

/* Called and returns with the lock held. */
static void
lead (RpDb *db)
{
  g_autoptr (GPtrArray) group = g_ptr_array_new ();

  db->leader = g_thread_self ();
  while (group->len < GROUP_MAX && !g_queue_is_empty (&db->jobs))
    g_ptr_array_add (group, g_queue_pop_head (&db->jobs));
  db->group_size = group->len;
  g_mutex_unlock (&db->lock);

  run_group (db, group);

  g_mutex_lock (&db->lock);
  for (guint i = 0; i < group->len; i++)
    {
      Job *job = g_ptr_array_index (group, i);

      job->done = TRUE;
      g_cond_signal (&job->called);
    }
  g_mutex_unlock (&db->lock);

  keep_log_short (db);

  g_mutex_lock (&db->lock);
  db->leader = NULL;
  call_next_leader (db);
}

static gboolean
is_nested (RpDb *db)
{
  gboolean nested;

  g_mutex_lock (&db->lock);
  nested = db->leader == g_thread_self ();
  g_mutex_unlock (&db->lock);
  return nested;
}

gboolean
rp_db_write (RpDb *db, RpTxnFunc func, gpointer user_data, GError **error)
{
  g_autoptr (GArray) hooks = g_array_new (FALSE, FALSE, sizeof (RpCommitHook));
  Job job = { .func = func, .user_data = user_data };

  if (is_nested (db))
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_FAILED,
                           "a write transaction was begun inside another one of the same thread: "
                           "a defect of this program");
      return FALSE;
    }
  job.txn = (RpTxn){ .connection = db->writer, .writable = TRUE, .hooks = hooks };
  g_cond_init (&job.called);
  g_mutex_lock (&db->lock);
  g_queue_push_tail (&db->jobs, &job);
  while (!job.done)
    {
      if (db->leader)
        g_cond_wait (&job.called, &db->lock);
      else
        lead (db);
    }
  g_mutex_unlock (&db->lock);
  g_cond_clear (&job.called);

  if (job.ok)
    return TRUE;
  if (!job.error)
    g_set_error_literal (&job.error, RP_ERROR, RP_ERROR_FAILED, "the transaction was undone");
  g_propagate_error (error, job.error);
  return FALSE;
}

gboolean
rp_db_is_waited_for (RpDb *db)
{
  gboolean waited_for;

  g_mutex_lock (&db->lock);
  waited_for = db->group_size > 1 || !g_queue_is_empty (&db->jobs);
  g_mutex_unlock (&db->lock);
  return waited_for;
}

/* ---- reading ---- */

static RpConnection *
take_reader (RpDb *db, GError **error)
{
  RpConnection *connection;

  if (db->in_memory)
    {
      g_rec_mutex_lock (&db->memory_lock);
      return db->writer;
    }
  g_mutex_lock (&db->lock);
  connection = g_queue_pop_head (&db->idle);
  g_mutex_unlock (&db->lock);
  return connection ? connection : rp_connection_open (db->path, RP_CONNECTION_READ, error);
}

static void
give_back_reader (RpDb *db, RpConnection *connection)
{
  if (db->in_memory)
    {
      g_rec_mutex_unlock (&db->memory_lock);
      return;
    }
  g_mutex_lock (&db->lock);
  g_queue_push_head (&db->idle, connection);
  g_mutex_unlock (&db->lock);
}

/* A reader inside a reader (or, in memory, inside a writer) sees the outer one's snapshot. */
static gboolean
read_snapshot (RpTxn *txn, RpTxnFunc func, gpointer user_data, GError **error)
{
  gboolean outermost = sqlite3_get_autocommit (txn->connection->handle);
  gboolean ok;

  if (outermost && !rp_txn_run (txn, "BEGIN", error))
    return FALSE;
  ok = func (txn, user_data, error);
  if (outermost && !rp_txn_run (txn, "COMMIT", NULL))
    sqlite3_exec (txn->connection->handle, "ROLLBACK", NULL, NULL, NULL);
  return ok;
}

gboolean
rp_db_read (RpDb *db, RpTxnFunc func, gpointer user_data, GError **error)
{
  RpTxn txn = { .connection = take_reader (db, error) };
  gboolean ok;

  if (!txn.connection)
    return FALSE;
  ok = read_snapshot (&txn, func, user_data, error);
  give_back_reader (db, txn.connection);
  return ok;
}
