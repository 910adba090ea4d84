#include "check.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/db.h"

typedef struct {
  char *dir;
  char *path;
  RpDb *db;
} Fixture;

static gboolean
make_tables (RpTxn *txn, gpointer user_data, GError **error)
{
  return rp_txn_script (txn,
                        "CREATE TABLE item (key TEXT PRIMARY KEY, number INTEGER, bytes BLOB);"
                        "CREATE TABLE child (key TEXT NOT NULL REFERENCES item (key));",
                        error);
}

static int
setup_at (void **state, gboolean in_memory)
{
  Fixture *fixture = g_new0 (Fixture, 1);
  g_autoptr (GError) error = NULL;

  fixture->dir = g_dir_make_tmp ("repoint-db-XXXXXX", NULL);
  fixture->path
      = in_memory ? g_strdup (":memory:") : g_build_filename (fixture->dir, "repoint.db", NULL);
  fixture->db = rp_db_open (fixture->path, &error);
  *state = fixture;
  return fixture->db && rp_db_write (fixture->db, make_tables, NULL, &error) ? 0 : -1;
}

static int
setup (void **state)
{
  return setup_at (state, FALSE);
}

static int
setup_memory (void **state)
{
  return setup_at (state, TRUE);
}

static int
teardown (void **state)
{
  Fixture *fixture = *state;
  gboolean removed;

  rp_db_close (fixture->db);
  removed = rp_dir_remove (fixture->dir, NULL);
  g_free (fixture->dir);
  g_free (fixture->path);
  g_free (fixture);
  return removed ? 0 : -1;
}

/* ---- jobs ---- */

typedef struct {
  const char *key;
  gint64 number;
  gboolean refuse; /* after the row was written */
  gint64 count;    /* what a reader found */
  gint64 hook;     /* value for after the commit, 0: none */
  gint64 *seen;
} ItemJob;

static void
note_commit (gint64 value, gpointer user_data)
{
  *(gint64 *)user_data = value;
}

static gboolean
insert_item (RpTxn *txn, gpointer user_data, GError **error)
{
  ItemJob *job = user_data;
  gint64 changes = 0;

  if (!rp_txn_exec (txn, error, &changes,
                    "INSERT INTO item (number, key, bytes) VALUES ($2, $1, $3)", "sib", job->key,
                    job->number, "a\0b", (gsize) 3))
    return FALSE;
  g_assert_cmpint (changes, ==, 1);
  if (job->hook)
    rp_txn_after_commit (txn, note_commit, job->seen, job->hook);
  if (!job->refuse)
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_BLOCKED, "refused");
  return FALSE;
}

static gboolean
count_items (RpTxn *txn, gpointer user_data, GError **error)
{
  ItemJob *job = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, "SELECT count(*) FROM item", "");

  if (!rows)
    return FALSE;
  job->count = rp_rows_int (rows, 0, 0);
  return TRUE;
}

static gint64
items (RpDb *db)
{
  ItemJob job = { 0 };
  g_autoptr (GError) error = NULL;

  if (!rp_db_read (db, count_items, &job, &error))
    fail_msg ("%s", error->message);
  return job.count;
}

static void
put_item (RpDb *db, const char *key, gint64 number)
{
  ItemJob job = { .key = key, .number = number };
  g_autoptr (GError) error = NULL;

  if (!rp_db_write (db, insert_item, &job, &error))
    fail_msg ("%s", error->message);
}

/* ---- tests ---- */

static gboolean
read_values (RpTxn *txn, gpointer user_data, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT key, number, bytes, NULL, '' FROM item WHERE key = $1", "s", "one");
  gsize size = 0;

  assert_non_null (rows);
  assert_int_equal (rp_rows_count (rows), 1);
  assert_string_equal (rp_rows_text (rows, 0, 0), "one");
  assert_int_equal (rp_rows_int (rows, 0, 1), G_MAXINT64);
  assert_memory_equal (rp_rows_blob (rows, 0, 2, &size), "a\0b", 3);
  assert_int_equal (size, 3);
  assert_true (rp_rows_is_null (rows, 0, 3));
  assert_null (rp_rows_text (rows, 0, 3));
  assert_int_equal (rp_rows_int (rows, 0, 3), 0);
  assert_string_equal (rp_rows_text (rows, 0, 4), "");
  return TRUE;
}

static void
values_come_back_as_they_went_in (void **state)
{
  Fixture *fixture = *state;

  put_item (fixture->db, "one", G_MAXINT64);
  assert_true (rp_db_read (fixture->db, read_values, NULL, NULL));
}

static gboolean
write_in_reader (RpTxn *txn, gpointer user_data, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "DELETE FROM item", "");
}

static void
readers_cannot_write (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;

  put_item (fixture->db, "one", 1);
  assert_false (rp_db_read (fixture->db, write_in_reader, NULL, &error));
  assert_int_equal (items (fixture->db), 1);
}

static gboolean
wrong_parameters (RpTxn *txn, gpointer user_data, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "DELETE FROM item WHERE key = $1", "");
}

static gboolean
orphan (RpTxn *txn, gpointer user_data, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "INSERT INTO child VALUES ($1)", "s", "nobody");
}

static gboolean
nested (RpTxn *txn, gpointer user_data, GError **error)
{
  return rp_db_write (user_data, count_items, NULL, error);
}

static void
mistakes_are_errors (void **state)
{
  Fixture *fixture = *state;
  static const struct {
    RpTxnFunc func;
    int code;
    const char *text;
  } cases[] = { { wrong_parameters, RP_ERROR_FAILED, "takes 1 parameters" },
                { orphan, RP_ERROR_CONFLICT, "FOREIGN KEY" },
                { nested, RP_ERROR_FAILED, "inside another" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      assert_false (rp_db_write (fixture->db, cases[i].func, fixture->db, &error));
      assert_true (g_error_matches (error, RP_ERROR, cases[i].code));
      assert_non_null (strstr (error->message, cases[i].text));
    }
}

static void
a_refused_job_leaves_nothing (void **state)
{
  Fixture *fixture = *state;
  gint64 seen = 0;
  ItemJob job = { .key = "one", .refuse = TRUE, .hook = 5, .seen = &seen };
  g_autoptr (GError) error = NULL;

  assert_false (rp_db_write (fixture->db, insert_item, &job, &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_BLOCKED));
  assert_int_equal (items (fixture->db), 0);
  assert_int_equal (seen, 0);

  job.refuse = FALSE;
  assert_true (rp_db_write (fixture->db, insert_item, &job, NULL));
  assert_int_equal (items (fixture->db), 1);
  assert_int_equal (seen, 5);
}

/* ---- many threads ---- */

#define THREADS 8
#define ROUNDS  60

typedef struct {
  RpDb *db;
  int number;
  int written;
  int refused;
  int calls;
} Worker;

static gboolean
insert_and_count (RpTxn *txn, gpointer user_data, GError **error)
{
  gpointer *both = user_data;

  ((Worker *)both[1])->calls++;
  return insert_item (txn, both[0], error);
}

static gpointer
work (gpointer data)
{
  Worker *worker = data;

  for (int round = 0; round < ROUNDS; round++)
    {
      g_autofree char *key = g_strdup_printf ("%d-%d", worker->number, round);
      ItemJob job = { .key = key, .number = round, .refuse = round % 3 == 2 };
      gpointer both[] = { &job, worker };
      g_autoptr (GError) error = NULL;

      if (rp_db_write (worker->db, insert_and_count, both, &error))
        worker->written++;
      else if (g_error_matches (error, RP_ERROR, RP_ERROR_BLOCKED))
        worker->refused++;
      else
        g_error ("%s", error->message);
      if (round % 8 == 0 && !rp_db_read (worker->db, count_items, &job, &error))
        g_error ("%s", error->message);
    }
  return NULL;
}

/* Each refused job shares its group with others that stay; each job runs once. */
static void
threads_write_together (void **state)
{
  Fixture *fixture = *state;
  Worker workers[THREADS];
  GThread *threads[THREADS];

  for (int i = 0; i < THREADS; i++)
    {
      workers[i] = (Worker){ .db = fixture->db, .number = i };
      threads[i] = g_thread_new ("writer", work, &workers[i]);
    }
  for (int i = 0; i < THREADS; i++)
    {
      g_thread_join (threads[i]);
      assert_int_equal (workers[i].calls, ROUNDS);
      assert_int_equal (workers[i].written, ROUNDS * 2 / 3);
      assert_int_equal (workers[i].refused, ROUNDS / 3);
    }
  assert_int_equal (items (fixture->db), THREADS * ROUNDS * 2 / 3);
}

/* Holds the writer until all others wait, so that they make one group for certain. */
typedef struct {
  GMutex lock;
  GCond changed;
  gboolean held, release;
} Gate;

static gboolean
hold (RpTxn *txn, gpointer user_data, GError **error)
{
  Gate *gate = user_data;

  g_mutex_lock (&gate->lock);
  gate->held = TRUE;
  g_cond_broadcast (&gate->changed);
  while (!gate->release)
    g_cond_wait (&gate->changed, &gate->lock);
  g_mutex_unlock (&gate->lock);
  return TRUE;
}

typedef struct {
  RpDb *db;
  RpTxnFunc func;
  gpointer user_data;
  gboolean ok;
  GError *error;
} Call;

static gpointer
call_write (gpointer data)
{
  Call *call = data;

  call->ok = rp_db_write (call->db, call->func, call->user_data, &call->error);
  return NULL;
}

/* Starts the calls while the writer is held, gives them time to queue, lets go and joins. */
static void
call_together (RpDb *db, Call *calls, guint count)
{
  Gate gate = { 0 };
  Call holder = { .db = db, .func = hold, .user_data = &gate };
  GThread *holding = g_thread_new ("holder", call_write, &holder);
  g_autofree GThread **threads = g_new0 (GThread *, count);

  g_mutex_lock (&gate.lock);
  while (!gate.held)
    g_cond_wait (&gate.changed, &gate.lock);
  g_mutex_unlock (&gate.lock);
  for (guint i = 0; i < count; i++)
    threads[i] = g_thread_new ("caller", call_write, &calls[i]);
  g_usleep (100000);
  g_mutex_lock (&gate.lock);
  gate.release = TRUE;
  g_cond_broadcast (&gate.changed);
  g_mutex_unlock (&gate.lock);
  for (guint i = 0; i < count; i++)
    g_thread_join (threads[i]);
  g_thread_join (holding);
  assert_true (holder.ok);
}

static void
one_call_in_a_group_does_not_harm_another (void **state)
{
  Fixture *fixture = *state;
  gint64 seen = 0;
  ItemJob jobs[] = { { .key = "a", .hook = 7, .seen = &seen },
                     { .key = "b", .refuse = TRUE, .hook = 9, .seen = &seen },
                     { .key = "c" } };
  Call calls[4];

  for (guint i = 0; i < 3; i++)
    calls[i] = (Call){ .db = fixture->db, .func = insert_item, .user_data = &jobs[i] };
  calls[3] = (Call){ .db = fixture->db, .func = orphan };
  call_together (fixture->db, calls, 4);

  assert_true (calls[0].ok && calls[2].ok);
  assert_false (calls[1].ok || calls[3].ok);
  assert_true (g_error_matches (calls[1].error, RP_ERROR, RP_ERROR_BLOCKED));
  assert_true (g_error_matches (calls[3].error, RP_ERROR, RP_ERROR_CONFLICT));
  assert_int_equal (items (fixture->db), 2);
  assert_int_equal (seen, 7);
  g_clear_error (&calls[1].error);
  g_clear_error (&calls[3].error);
}

static gboolean
break_transaction (RpTxn *txn, gpointer user_data, GError **error)
{
  return rp_txn_script (txn, "ROLLBACK", error)
         && rp_txn_exec (txn, error, NULL, "INSERT INTO nowhere VALUES (1)", "");
}

/* As SQLite does by itself on some failures: nobody of the group may be told that it was done. */
static void
a_lost_transaction_fails_its_whole_group (void **state)
{
  Fixture *fixture = *state;
  ItemJob jobs[] = { { .key = "a" }, { .key = "b" } };
  Call calls[] = { { .db = fixture->db, .func = insert_item, .user_data = &jobs[0] },
                   { .db = fixture->db, .func = break_transaction },
                   { .db = fixture->db, .func = insert_item, .user_data = &jobs[1] } };

  call_together (fixture->db, calls, G_N_ELEMENTS (calls));
  assert_false (calls[1].ok);
  /* Those that ran in another group than the broken one are there, and no others. */
  assert_int_equal (items (fixture->db), calls[0].ok + calls[2].ok);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      assert_true (calls[i].ok == (calls[i].error == NULL));
      g_clear_error (&calls[i].error);
    }
  put_item (fixture->db, "after", 1);
}

/* ---- snapshots ---- */

static gpointer
put_from_thread (gpointer data)
{
  put_item (data, "during", 1);
  return NULL;
}

static gboolean
read_twice (RpTxn *txn, gpointer user_data, GError **error)
{
  Fixture *fixture = user_data;
  ItemJob before = { 0 }, after = { 0 };

  if (!count_items (txn, &before, error))
    return FALSE;
  g_thread_join (g_thread_new ("writer", put_from_thread, fixture->db));
  if (!count_items (txn, &after, error))
    return FALSE;
  assert_int_equal (before.count, after.count);
  return TRUE;
}

static void
a_reader_keeps_its_snapshot_while_others_write (void **state)
{
  Fixture *fixture = *state;

  assert_true (rp_db_read (fixture->db, read_twice, fixture, NULL));
  assert_int_equal (items (fixture->db), 1);
}

/* ---- the file ---- */

static void
the_file_is_private_and_survives (void **state)
{
  Fixture *fixture = *state;
  static const char *const suffixes[] = { "", "-wal", "-shm" };

  put_item (fixture->db, "one", 1);
  for (gsize i = 0; i < G_N_ELEMENTS (suffixes); i++)
    {
      g_autofree char *path = g_strconcat (fixture->path, suffixes[i], NULL);
      struct stat info;

      assert_int_equal (stat (path, &info), 0);
      assert_int_equal (info.st_mode & 0777, 0600);
    }
  rp_db_close (fixture->db);
  fixture->db = rp_db_open (fixture->path, NULL);
  assert_non_null (fixture->db);
  assert_int_equal (items (fixture->db), 1);
}

static void
run_sql (const char *path, const char *sql)
{
  sqlite3 *handle = NULL;

  assert_int_equal (sqlite3_open (path, &handle), SQLITE_OK);
  assert_int_equal (sqlite3_exec (handle, sql, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close (handle);
}

static void
foreign_and_newer_files_are_refused (void **state)
{
  Fixture *fixture = *state;
  static const struct {
    const char *sql;
    int code;
    const char *text;
  } cases[] = { { "PRAGMA user_version = 77", RP_ERROR_INVALID, "newer repoint" },
                { "PRAGMA application_id = 5", RP_ERROR_INVALID, "not one of repoint's" } };

  g_clear_pointer (&fixture->db, rp_db_close);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      run_sql (fixture->path, cases[i].sql);
      assert_null (rp_db_open (fixture->path, &error));
      assert_true (g_error_matches (error, RP_ERROR, cases[i].code));
      assert_non_null (strstr (error->message, cases[i].text));
    }
}

static void
a_file_of_garbage_is_corrupt (void **state)
{
  Fixture *fixture = *state;
  g_autofree char *path = g_build_filename (fixture->dir, "garbage.db", NULL);
  g_autoptr (GError) error = NULL;
  char text[4096];

  memset (text, 'x', sizeof text);
  assert_true (g_file_set_contents (path, text, sizeof text, NULL));
  assert_null (rp_db_open (path, &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_CORRUPT));
}

static gboolean
insert_large (RpTxn *txn, gpointer user_data, GError **error)
{
  ItemJob *job = user_data;

  return rp_txn_exec (txn, error, NULL, "INSERT INTO item VALUES ($1, $2, zeroblob(1000000))",
                      "si", job->key, job->number);
}

static gboolean
limit_pages (RpTxn *txn, gpointer user_data, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, user_data, "");

  return rows != NULL;
}

static void
a_full_database_is_no_space_and_loses_nothing (void **state)
{
  Fixture *fixture = *state;
  static const char few[] = "PRAGMA max_page_count = 20";
  static const char many[] = "PRAGMA max_page_count = 100000";
  ItemJob small[] = { { .key = "a" }, { .key = "b" } }, large = { .key = "large" };
  Call calls[] = { { .db = fixture->db, .func = insert_item, .user_data = &small[0] },
                   { .db = fixture->db, .func = insert_large, .user_data = &large },
                   { .db = fixture->db, .func = insert_item, .user_data = &small[1] } };

  put_item (fixture->db, "before", 1);
  assert_true (rp_db_write (fixture->db, limit_pages, (gpointer)few, NULL));
  call_together (fixture->db, calls, G_N_ELEMENTS (calls));
  assert_false (calls[1].ok);
  assert_true (g_error_matches (calls[1].error, RP_ERROR, RP_ERROR_NO_SPACE));
  assert_non_null (strstr (calls[1].error->message, "free some space"));
  assert_int_equal (items (fixture->db), 1 + calls[0].ok + calls[2].ok);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    g_clear_error (&calls[i].error);

  assert_true (rp_db_write (fixture->db, limit_pages, (gpointer)many, NULL));
  assert_true (rp_db_write (fixture->db, insert_large, &large, NULL));
}

/* In a child: the limit would also hold for what cmocka and the sanitizers write. */
static int
write_beyond_file_limit (const char *path)
{
  struct rlimit limit = { 400000, 400000 };
  ItemJob large = { .key = "large" };
  g_autoptr (GError) error = NULL;
  g_autoptr (RpDb) db = rp_db_open (path, &error);

  signal (SIGXFSZ, SIG_IGN);
  if (!db || setrlimit (RLIMIT_FSIZE, &limit) != 0)
    return 2;
  if (rp_db_write (db, insert_large, &large, &error))
    return 3;
  if (!g_error_matches (error, RP_ERROR, RP_ERROR_NO_SPACE))
    return 4;
  return items (db) == 1 ? 0 : 5;
}

static void
a_full_disk_is_no_space_and_loses_nothing (void **state)
{
  Fixture *fixture = *state;
  int status = 0;
  pid_t child;

  put_item (fixture->db, "before", 1);
  g_clear_pointer (&fixture->db, rp_db_close);
  child = fork ();
  if (child == 0)
    _exit (write_beyond_file_limit (fixture->path));
  assert_int_equal (waitpid (child, &status, 0), child);
  assert_true (WIFEXITED (status));
  assert_int_equal (WEXITSTATUS (status), 0);
  fixture->db = rp_db_open (fixture->path, NULL);
  assert_int_equal (items (fixture->db), 1);
  put_item (fixture->db, "after", 1);
}

static void
the_log_does_not_grow_without_bound (void **state)
{
  Fixture *fixture = *state;
  g_autofree char *log = g_strconcat (fixture->path, "-wal", NULL);
  struct stat info;

  for (int i = 0; i < 60; i++)
    {
      g_autofree char *key = g_strdup_printf ("%d", i);
      ItemJob large = { .key = key };

      assert_true (rp_db_write (fixture->db, insert_large, &large, NULL));
    }
  assert_int_equal (stat (log, &info), 0);
  assert_in_range (info.st_size, 0, 16 * 1024 * 1024);
}

#define WITH_FILE(test)   cmocka_unit_test_setup_teardown (test, setup, teardown)
#define WITH_MEMORY(test)                                                                          \
  { #test " in memory", test, setup_memory, teardown, NULL }

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH_FILE (values_come_back_as_they_went_in),
    WITH_MEMORY (values_come_back_as_they_went_in),
    WITH_FILE (readers_cannot_write),
    WITH_FILE (mistakes_are_errors),
    WITH_MEMORY (mistakes_are_errors),
    WITH_FILE (a_refused_job_leaves_nothing),
    WITH_MEMORY (a_refused_job_leaves_nothing),
    WITH_FILE (threads_write_together),
    WITH_MEMORY (threads_write_together),
    WITH_FILE (one_call_in_a_group_does_not_harm_another),
    WITH_MEMORY (one_call_in_a_group_does_not_harm_another),
    WITH_FILE (a_lost_transaction_fails_its_whole_group),
    WITH_FILE (a_reader_keeps_its_snapshot_while_others_write),
    WITH_FILE (the_file_is_private_and_survives),
    WITH_FILE (foreign_and_newer_files_are_refused),
    WITH_FILE (a_file_of_garbage_is_corrupt),
    WITH_FILE (a_full_database_is_no_space_and_loses_nothing),
    WITH_FILE (a_full_disk_is_no_space_and_loses_nothing),
    WITH_FILE (the_log_does_not_grow_without_bound),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
