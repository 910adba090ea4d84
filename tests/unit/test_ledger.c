#include "intruder.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "ledger/ledger.h"

/* A small module of its own: counters that events add to. */

static gboolean
apply_counter (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *name;
  gint64 by;

  if (strcmp (event->kind, "counter.moved") != 0)
    return TRUE;
  if (!rp_json_need_string (event->body, "name", "body", &name, error)
      || !rp_json_need_int (event->body, "by", "body", &by, error))
    return FALSE;
  if (by == 0)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_BLOCKED, "by nothing");
      return FALSE;
    }
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO counter (name, value, seq, at_us, actor) "
                      "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE "
                      "SET value = value + $2, seq = $3",
                      "siiis", name, by, event->seq, event->at_us, event->actor);
}

static const char *const counter_tables[] = { "counter", NULL };
static const RpProjector counters
    = { .name = "counters",
        .schema = "CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER, "
                  "seq INTEGER, at_us INTEGER, actor TEXT);",
        .tables = counter_tables,
        .apply = apply_counter };
static const RpProjector *const projectors[] = { &counters, NULL };

typedef struct {
  char *dir;
  char *path;
  RpDb *db;
  RpLedger *ledger;
} Fixture;

static void
open_all (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  fixture->db = rp_db_open (fixture->path, &error);
  check_ok (fixture->db != NULL);
  fixture->ledger = rp_ledger_open (fixture->db, projectors, &error);
  check_ok (fixture->ledger != NULL);
}

static void
close_all (Fixture *fixture)
{
  g_clear_pointer (&fixture->ledger, rp_ledger_close);
  g_clear_pointer (&fixture->db, rp_db_close);
}

static int
setup (void **state)
{
  Fixture *fixture = g_new0 (Fixture, 1);

  fixture->dir = g_dir_make_tmp ("repoint-ledger-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->dir, "repoint.db", NULL);
  open_all (fixture);
  *state = fixture;
  return 0;
}

static int
teardown (void **state)
{
  Fixture *fixture = *state;
  gboolean removed;

  close_all (fixture);
  removed = rp_dir_remove (fixture->dir, NULL);
  g_free (fixture->path);
  g_free (fixture->dir);
  g_free (fixture);
  return removed ? 0 : -1;
}

/* ---- appending ---- */

typedef struct {
  RpLedger *ledger;
  const char *actor;
  const char *kind;
  const char *name;
  gint64 by;
  gboolean refuse; /* after the append */
  gint64 seq;
} Move;

static gboolean
append (RpTxn *txn, gpointer user_data, GError **error)
{
  Move *move = user_data;
  g_autoptr (json_t) body
      = json_pack ("{s:s, s:I}", "name", move->name, "by", (json_int_t)move->by);

  if (!rp_ledger_append (move->ledger, txn, move->actor ? move->actor : "ada@host",
                         move->kind ? move->kind : "counter.moved", body, &move->seq, error))
    return FALSE;
  if (!move->refuse)
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_BLOCKED, "thought better of it");
  return FALSE;
}

static gint64
move_counter (Fixture *fixture, const char *name, gint64 by)
{
  Move move = { .ledger = fixture->ledger, .name = name, .by = by };
  g_autoptr (GError) error = NULL;

  check_ok (rp_db_write (fixture->db, append, &move, &error));
  return move.seq;
}

static void
move_some (Fixture *fixture)
{
  move_counter (fixture, "apples", 3);
  move_counter (fixture, "pears", 1);
  move_counter (fixture, "apples", 4);
  move_counter (fixture, "plums", 9);
  move_counter (fixture, "pears", 2);
}

static RpLedgerReport
verify (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  RpLedgerReport report;

  check_ok (rp_ledger_verify (fixture->ledger, 0, NULL, &report, &error));
  return report;
}

static void
an_empty_ledger_is_right (void **state)
{
  RpLedgerReport report = verify (*state);

  assert_int_equal (report.events, 0);
  assert_int_equal (report.head_seq, 0);
  for (int i = 0; i < 64; i++)
    assert_int_equal (report.head_hash[i], '0');
}

/* By the bytes that docs/format-ledger.md describes, put together here by other means. */
static void
hashes_are_as_documented (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) list = NULL;
  g_autofree char *prev = g_strnfill (64, '0');
  json_t *event;
  size_t i;

  move_some (fixture);
  list = rp_ledger_list (fixture->ledger, 0, 100, NULL, &error);
  check_ok (list != NULL);
  assert_int_equal (json_array_size (json_object_get (list, "events")), 5);
  json_array_foreach (json_object_get (list, "events"), i, event)
    {
      g_autofree char *body
          = json_dumps (json_object_get (event, "body"), JSON_COMPACT | JSON_SORT_KEYS);
      g_autofree char *text = g_strdup_printf (
          "repoint-event-1\n%s\n%zu\n%" G_GINT64_FORMAT "\nada@host\ncounter.moved\n%s\n", prev,
          i + 1, rp_json_int (event, "at_us"), body);
      g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
      g_autofree char *at = rp_clock_format (rp_json_int (event, "at_us"));

      assert_string_equal (rp_json_str (event, "prev"), prev);
      assert_string_equal (rp_json_str (event, "hash"), hash);
      assert_string_equal (rp_json_str (event, "at"), at);
      assert_int_equal (rp_json_int (event, "seq"), i + 1);
      g_free (prev);
      prev = g_steal_pointer (&hash);
    }
  assert_string_equal (rp_json_str (json_object_get (list, "head"), "hash"), prev);
  assert_int_equal (rp_json_int (json_object_get (list, "head"), "seq"), 5);
}

static void
refused_events_leave_no_trace (void **state)
{
  Fixture *fixture = *state;
  static const struct {
    Move move;
    int code;
  } cases[] = {
    { { .name = "apples", .by = 1, .refuse = TRUE }, RP_ERROR_BLOCKED },
    { { .name = "apples", .by = 0 }, RP_ERROR_BLOCKED },
    { { .name = "apples", .by = 1, .actor = "two\nlines" }, RP_ERROR_INVALID },
    { { .name = "apples", .by = 1, .actor = "" }, RP_ERROR_INVALID },
    { { .name = "apples", .by = 1, .actor = "\xff" }, RP_ERROR_INVALID },
    { { .name = "apples", .by = 1, .kind = "a\nb" }, RP_ERROR_FAILED },
  };

  move_counter (fixture, "apples", 1);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      Move move = cases[i].move;

      move.ledger = fixture->ledger;
      check_fails (rp_db_write (fixture->db, append, &move, &error), cases[i].code);
    }
  assert_int_equal (move_counter (fixture, "apples", 1), 2);
  assert_int_equal (verify (fixture).events, 2);
}

/* ---- many threads, one order ---- */

static gpointer
move_often (gpointer data)
{
  Fixture *fixture = data;

  for (int i = 0; i < 40; i++)
    {
      Move move = { .ledger = fixture->ledger, .name = "apples", .by = 1, .refuse = i % 4 == 3 };
      gboolean ok = rp_db_write (fixture->db, append, &move, NULL);

      if (ok == move.refuse)
        g_error ("an event came out wrong");
    }
  return NULL;
}

static void
threads_make_one_chain (void **state)
{
  Fixture *fixture = *state;
  GThread *threads[6];

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("appender", move_often, fixture);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  assert_int_equal (verify (fixture).head_seq, 6 * 30);
}

/* ---- listening ---- */

static void
note_seq (gint64 seq, gpointer user_data)
{
  *(gint64 *)user_data = seq;
}

static void
the_listener_hears_of_commits_alone (void **state)
{
  Fixture *fixture = *state;
  gint64 heard = 0;
  Move refused = { .ledger = fixture->ledger, .name = "apples", .by = 1, .refuse = TRUE };
  g_autoptr (GError) error = NULL;

  rp_ledger_set_listener (fixture->ledger, note_seq, &heard);
  check_fails (rp_db_write (fixture->db, append, &refused, &error), RP_ERROR_BLOCKED);
  assert_int_equal (heard, 0);
  move_some (fixture);
  assert_int_equal (heard, 5);
  rp_ledger_set_listener (fixture->ledger, NULL, NULL);
}

static void
lists_are_paged_and_filtered (void **state)
{
  Fixture *fixture = *state;
  static const struct {
    gint64 after, limit;
    const char *prefix;
    gsize count;
    gint64 first;
  } cases[] = { { 0, 100, NULL, 5, 1 },        { 2, 2, NULL, 2, 3 },
                { 5, 9, NULL, 0, 0 },          { 0, 9, "counter.", 5, 1 },
                { 0, 9, "counter.movedx", 0, 0 }, { 0, 9, "%", 0, 0 } };
  g_autoptr (GError) error = NULL;

  move_some (fixture);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (json_t) list = rp_ledger_list (fixture->ledger, cases[i].after, cases[i].limit,
                                                cases[i].prefix, &error);
      json_t *events = json_object_get (list, "events");

      check_ok (list != NULL);
      assert_int_equal (json_array_size (events), cases[i].count);
      if (cases[i].count > 0)
        assert_int_equal (rp_json_int (json_array_get (events, 0), "seq"), cases[i].first);
    }
  check_fails (rp_ledger_list (fixture->ledger, 0, 0, NULL, &error) != NULL, RP_ERROR_INVALID);
}

/* ---- tampering ---- */

static void
tamper (Fixture *fixture, const char *sql)
{
  intrude (fixture->path, sql);
}

static const struct {
  const char *sql;
  const char *text;    /* in the error */
  gboolean projection; /* a rebuild heals it */
} tampers[] = {
  { "UPDATE event SET body = replace (body, '4', '5') WHERE seq = 3", "event 3 has not the", FALSE },
  { "UPDATE event SET body = body || ' ' WHERE seq = 3", "event 3 has not the", FALSE },
  { "UPDATE event SET actor = 'eve@host' WHERE seq = 1", "event 1 has not the", FALSE },
  { "UPDATE event SET kind = 'counter.lost' WHERE seq = 5", "event 5 has not the", FALSE },
  { "UPDATE event SET at_us = at_us + 1 WHERE seq = 2", "event 2 has not the", FALSE },
  { "UPDATE event SET hash = zeroblob(32) WHERE seq = 2", "event 2 has not the", FALSE },
  { "UPDATE event SET hash = 'x' WHERE seq = 2", "event 2 has a field of the wrong", FALSE },
  { "UPDATE event SET prev = zeroblob(32) WHERE seq = 2", "event 2 does not follow", FALSE },
  { "DELETE FROM event WHERE seq = 3", "event 3 is missing", FALSE },
  { "DELETE FROM event WHERE seq = 1", "event 1 is missing", FALSE },
  { "DELETE FROM event WHERE seq = 3; UPDATE event SET seq = seq - 1 WHERE seq > 3",
    "event 3 does not follow", FALSE },
  { "UPDATE event SET seq = 99 WHERE seq = 2; UPDATE event SET seq = 2 WHERE seq = 3;"
    "UPDATE event SET seq = 3 WHERE seq = 99",
    "event 2 does not follow", FALSE },
  { "INSERT INTO event SELECT 0, at_us, actor, kind, body, prev, hash FROM event WHERE seq = 1",
    "event 0 stands before the first", FALSE },
  { "UPDATE event SET body = CAST (body AS BLOB) || x'00' WHERE seq = 4", "event 4 has not", FALSE },
  /* Those whose effect is the same row by row; the last event's loss shows in the tables. */
  { "DELETE FROM event WHERE seq = 5", "the table `counter`", TRUE },
  { "UPDATE counter SET value = 8 WHERE name = 'apples'", "\"value\":8", TRUE },
  { "UPDATE counter SET actor = 'eve' WHERE name = 'plums'", "\"actor\":\"eve\"", TRUE },
  { "UPDATE counter SET value = 'many' WHERE name = 'apples'", "many", TRUE },
  { "UPDATE counter SET value = x'07' WHERE name = 'apples'", "x'07'", TRUE },
  { "UPDATE counter SET value = NULL WHERE name = 'apples'", "null", TRUE },
  { "DELETE FROM counter WHERE name = 'plums'", "no further row", TRUE },
  { "INSERT INTO counter VALUES ('zebras', 1, 1, 1, 'eve')", "zebras", TRUE },
  { "DROP TABLE counter", "not in the database", TRUE },
};

static void
every_change_from_outside_is_found (void **state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (tampers); i++)
    {
      void *inner = NULL;
      Fixture *fixture;
      RpLedgerReport report = { 0 };
      g_autoptr (GError) error = NULL;
      gboolean found;

      setup (&inner);
      fixture = inner;
      move_some (fixture);
      verify (fixture);
      close_all (fixture);
      tamper (fixture, tampers[i].sql);
      open_all (fixture);
      if (strstr (tampers[i].sql, "DROP TABLE"))
        tamper (fixture, tampers[i].sql); /* opening made it again, empty */
      found = !rp_ledger_verify (fixture->ledger, 0, NULL, &report, &error);
      if (!found || error->code != RP_ERROR_CORRUPT)
        fail_msg ("not found: %s", tampers[i].sql);
      check_contains (error->message, tampers[i].text);
      g_clear_error (&error);
      if (tampers[i].projection)
        {
          check_ok (rp_ledger_rebuild (fixture->ledger, &report, &error));
          verify (fixture);
        }
      else
        check_fails (rp_ledger_rebuild (fixture->ledger, &report, &error), RP_ERROR_CORRUPT);
      teardown (&inner);
    }
}

/* Against somebody who rewrites all that follows, only a head that was kept elsewhere helps. */
static void
a_known_head_is_held_against_the_chain (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  RpLedgerReport before, report;

  move_some (fixture);
  before = verify (fixture);
  move_counter (fixture, "plums", 1);
  check_ok (rp_ledger_verify (fixture->ledger, before.head_seq, before.head_hash, &report, &error));
  assert_int_equal (report.head_seq, 6);

  before.head_hash[0] = before.head_hash[0] == 'a' ? 'b' : 'a';
  check_fails (rp_ledger_verify (fixture->ledger, 5, before.head_hash, &report, &error),
               RP_ERROR_CORRUPT);
}

static void
a_cut_tail_is_found_by_a_known_head (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  RpLedgerReport before, report;

  move_some (fixture);
  before = verify (fixture);
  close_all (fixture);
  tamper (fixture, "DELETE FROM event WHERE seq > 3");
  open_all (fixture);
  check_ok (rp_ledger_rebuild (fixture->ledger, &report, &error));
  assert_int_equal (report.head_seq, 3);
  check_ok (rp_ledger_verify (fixture->ledger, 0, NULL, &report, &error));
  assert_false (rp_ledger_verify (fixture->ledger, 5, before.head_hash, &report, &error));
  check_contains (error->message, "the end of the ledger is missing");
}

static gboolean
run_statement (RpTxn *txn, gpointer user_data, GError **error)
{
  return rp_txn_exec (txn, error, NULL, user_data, "");
}

static void
the_program_itself_cannot_change_events (void **state)
{
  Fixture *fixture = *state;
  static const char *const statements[] = {
    "UPDATE event SET actor = 'eve' WHERE seq = 1",
    "DELETE FROM event WHERE seq = 5",
    "INSERT INTO event VALUES (9, 1, 'a', 'b', '{}', zeroblob(32), zeroblob(32))",
    "INSERT OR REPLACE INTO event VALUES (2, 1, 'a', 'b', '{}', zeroblob(32), zeroblob(32))",
  };

  move_some (fixture);
  for (gsize i = 0; i < G_N_ELEMENTS (statements); i++)
    {
      g_autoptr (GError) error = NULL;

      check_fails (rp_db_write (fixture->db, run_statement, (gpointer)statements[i], &error),
                   RP_ERROR_CONFLICT);
    }
  verify (fixture);
}

static void
a_reopened_ledger_goes_on (void **state)
{
  Fixture *fixture = *state;

  move_some (fixture);
  close_all (fixture);
  open_all (fixture);
  assert_int_equal (move_counter (fixture, "plums", 1), 6);
  assert_int_equal (verify (fixture).events, 6);
}

static void
long_chains_are_read_in_pieces (void **state)
{
  Fixture *fixture = *state;

  for (int i = 0; i < 1001; i++)
    move_counter (fixture, "apples", 1);
  assert_int_equal (verify (fixture).events, 1001);
}

#define WITH(test) cmocka_unit_test_setup_teardown (test, setup, teardown)

/* A file that an older program wrote has events, and lacks a table that this one has. */
static gboolean
drop_the_table (RpTxn *txn, gpointer user_data, GError **error)
{
  return rp_txn_script (txn, "DROP TABLE counter", error);
}

static void
a_new_table_is_made_from_the_events (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  RpLedgerReport report;

  move_counter (fixture, "a", 2);
  check_ok (rp_db_write (fixture->db, drop_the_table, NULL, &error));
  close_all (fixture);
  open_all (fixture);
  check_ok (rp_ledger_verify (fixture->ledger, 0, NULL, &report, &error));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH (an_empty_ledger_is_right),
    WITH (hashes_are_as_documented),
    WITH (refused_events_leave_no_trace),
    WITH (threads_make_one_chain),
    WITH (the_listener_hears_of_commits_alone),
    WITH (lists_are_paged_and_filtered),
    cmocka_unit_test (every_change_from_outside_is_found),
    WITH (a_known_head_is_held_against_the_chain),
    WITH (a_cut_tail_is_found_by_a_known_head),
    WITH (the_program_itself_cannot_change_events),
    WITH (a_reopened_ledger_goes_on),
    WITH (a_new_table_is_made_from_the_events),
    WITH (long_chains_are_read_in_pieces),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
