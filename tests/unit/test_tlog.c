#include "intruder.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "ledger/exported.h"
#include "ledger/tlog.h"

static const RpProjector *const projectors[] = { NULL };

typedef struct {
  char *dir;
  RpDb *db;
  RpLedger *ledger;
  RpTlog *tlog;
  gint64 seq;
} Fixture;

static void
open_all (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (fixture->dir, "repoint.db", NULL);

  fixture->db = rp_db_open (path, &error);
  check_ok (fixture->db != NULL);
  fixture->ledger = rp_ledger_open (fixture->db, projectors, &error);
  check_ok (fixture->ledger != NULL);
  fixture->tlog = rp_tlog_open (fixture->ledger, fixture->dir, &error);
  check_ok (fixture->tlog != NULL);
}

static void
close_all (Fixture *fixture)
{
  g_clear_pointer (&fixture->tlog, rp_tlog_close);
  g_clear_pointer (&fixture->ledger, rp_ledger_close);
  g_clear_pointer (&fixture->db, rp_db_close);
}

static void
open_again (Fixture *fixture)
{
  close_all (fixture);
  open_all (fixture);
}

static int
setup (void **state)
{
  Fixture *fixture = g_new0 (Fixture, 1);

  fixture->dir = g_dir_make_tmp ("repoint-tlog-XXXXXX", NULL);
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
  g_free (fixture->dir);
  g_free (fixture);
  return removed ? 0 : -1;
}

static gboolean
append (RpTxn *txn, gpointer user_data, GError **error)
{
  Fixture *fixture = user_data;
  g_autoptr (json_t) body = json_pack ("{s:s, s:{s:s}}", "cause", "because of Ada", "undo", "cause", "Ada again");

  return rp_ledger_append (fixture->ledger, txn, "ada@host", "thing.done", body, &fixture->seq, error);
}

static void
write_events (Fixture *fixture, gint64 until)
{
  g_autoptr (GError) error = NULL;

  while (fixture->seq < until)
    check_ok (rp_db_write (fixture->db, append, fixture, &error));
}

static char *
path_of (Fixture *fixture, const char *name)
{
  return g_build_filename (fixture->dir, "tlog", name, NULL);
}

static gboolean
is_there (Fixture *fixture, const char *name)
{
  g_autofree char *path = path_of (fixture, name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static RpNoteKey *
key_of (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = rp_tlog_public_key (fixture->tlog);
  RpNoteKey *key = rp_note_key_parse (text, &error);

  check_ok (key != NULL);
  return key;
}

/* The chain, the tree, its tiles and the signature. */
static gboolean
prove (Fixture *fixture, const char *folder, RpLedgerReport *out, GError **error)
{
  g_autoptr (RpNoteKey) key = key_of (fixture);
  g_autoptr (RpAudit) audit = rp_audit_new (folder, key, error);
  const RpLedgerCheck check = { .audit = audit };

  return audit && rp_ledger_check (fixture->ledger, &check, out, error);
}

static void
check_published (Fixture *fixture, gint64 size)
{
  g_autoptr (GError) error = NULL;
  RpLedgerReport report;

  check_ok (rp_tlog_publish (fixture->tlog, &error));
  assert_int_equal (rp_tlog_size (fixture->tlog), size);
  check_ok (prove (fixture, rp_tlog_folder (fixture->tlog), &report, &error));
  assert_int_equal (report.published, size);
}

static void
it_grows_tile_by_tile (void **state)
{
  Fixture *fixture = *state;
  static const gint64 sizes[] = { 1, 2, 255, 256, 257, 511, 512, 700 };

  check_published (fixture, 0);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      write_events (fixture, sizes[i]);
      check_published (fixture, sizes[i]);
      if (i % 2 == 0)
        open_again (fixture);
      check_published (fixture, sizes[i]);
    }
  assert_true (is_there (fixture, "tile/0/000") && is_there (fixture, "tile/0/001"));
  assert_true (is_there (fixture, "tile/entries/001") && is_there (fixture, "tile/1/000.p/2"));
  assert_true (is_there (fixture, "tile/0/002.p/188") && !is_there (fixture, "tile/0/000.p"));
  assert_false (is_there (fixture, "tile/entries/000.p"));
}

/* Cut off between its files, as by a full disk, it signs nothing, and goes on when it can. */
static void
what_is_cut_off_goes_on (void **state)
{
  static const struct {
    const char *name;
    gint64 until; /* so many events need it */
    gboolean file;
  } obstacles[] = { { "tile/1", 520, TRUE },
                    { "tile/entries/002", 800, FALSE },
                    { "tile/0/003", 1100, FALSE },
                    { "tile/0/005.p", 1300, TRUE } };
  Fixture *fixture = *state;

  write_events (fixture, 200);
  check_published (fixture, 200);
  for (guint i = 0; i < G_N_ELEMENTS (obstacles); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *path = path_of (fixture, obstacles[i].name);
      gint64 before = rp_tlog_size (fixture->tlog);

      if (obstacles[i].file)
        assert_true (g_file_set_contents (path, "x", 1, NULL));
      else
        check_ok (rp_dir_make (path, 0755, &error));
      write_events (fixture, obstacles[i].until);
      assert_false (rp_tlog_publish (fixture->tlog, &error));
      g_clear_error (&error);
      if (i % 2 == 0)
        open_again (fixture);
      assert_false (rp_tlog_publish (fixture->tlog, NULL));
      assert_int_equal (rp_tlog_size (fixture->tlog), before);
      if (obstacles[i].file)
        assert_int_equal (unlink (path), 0);
      else
        check_ok (rp_dir_remove (path, &error));
      check_published (fixture, fixture->seq);
    }
}

static void
tamper (Fixture *fixture, const char *sql)
{
  g_autofree char *path = g_build_filename (fixture->dir, "repoint.db", NULL);

  intrude (path, sql);
}

static void
a_ledger_that_was_changed_gets_no_signature (void **state)
{
  static const struct {
    const char *sql;
    const char *text;
  } cases[] = {
    { "UPDATE event SET hash = zeroblob (32) WHERE seq = 300", "event 300 is not the one" },
    { "UPDATE event SET hash = zeroblob (32) WHERE seq = 100; UPDATE event SET prev = zeroblob (32) WHERE seq = 101;"
      "UPDATE event SET hash = randomblob (32) WHERE seq = 300",
      "is not" },
    { "DELETE FROM event WHERE seq > 290", "event 291 is not the one" },
    { "DELETE FROM event", "event 1 is not the one" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (guint lost = 0; lost < 2; lost++)
      {
        void *inner = NULL;
        Fixture *fixture;
        g_autoptr (GError) error = NULL;
        g_autofree char *path = NULL;

        setup (&inner);
        fixture = inner;
        write_events (fixture, 300);
        check_published (fixture, 300);
        path = path_of (fixture, "tile/1");
        if (lost) /* so that the tree is made anew */
          check_ok (rp_dir_remove (path, &error));
        tamper (fixture, cases[i].sql);
        open_again (fixture);
        if (rp_tlog_publish (fixture->tlog, &error))
          fail_msg ("signed: %s", cases[i].sql);
        check_contains (error->message, cases[i].text);
        g_clear_error (&error);
        assert_int_equal (rp_tlog_size (fixture->tlog), 300);
        check_fails (rp_tlog_publish (fixture->tlog, &error), RP_ERROR_CORRUPT);
        teardown (&inner);
      }
}

static void
keys_are_private_and_handed_over (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (fixture->dir, "keys", "ledger.key", NULL);
  g_autofree char *first = rp_tlog_public_key (fixture->tlog), *second = NULL, *again = NULL;
  struct stat info;

  assert_int_equal (stat (path, &info), 0);
  assert_int_equal (info.st_mode & 0777, 0600);
  write_events (fixture, 3);
  second = rp_tlog_rotate (fixture->tlog, "ada@host", "a drill", &error);
  check_ok (second != NULL);
  assert_string_not_equal (first, second);
  check_published (fixture, 4);
  open_again (fixture);
  again = rp_tlog_public_key (fixture->tlog);
  assert_string_equal (again, second);
  assert_int_equal (unlink (path), 0);
  g_clear_pointer (&fixture->tlog, rp_tlog_close);
  check_fails ((fixture->tlog = rp_tlog_open (fixture->ledger, fixture->dir, &error)) != NULL, RP_ERROR_NOT_FOUND);
}

/* ---- what people wrote ---- */

static void
texts_are_sealed_and_go (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) told = NULL, list = NULL;
  json_t *event;
  RpHash before, after;

  write_events (fixture, 2);
  list = rp_ledger_list (fixture->ledger, 0, 10, NULL, &error);
  check_ok (list != NULL);
  event = json_array_get (json_object_get (list, "events"), 0);
  assert_string_equal (rp_json_str (json_object_get (event, "body"), "cause"), "because of Ada");
  assert_int_equal (json_object_size (json_object_get (event, "sealed")), 2);
  check_ok (rp_exported_hash (event, &before, &error));
  json_object_set_new (json_object_get (event, "body"), "cause", json_string ("because of Eve"));
  check_fails (rp_exported_hash (event, &after, &error), RP_ERROR_CORRUPT);

  told = rp_ledger_redact (fixture->ledger, 1, "ada@host", "she asked", &error);
  check_ok (told != NULL);
  assert_int_equal (json_array_size (json_object_get (told, "fields")), 2);
  check_fails (rp_ledger_redact (fixture->ledger, 1, "ada@host", "again", &error) != NULL, RP_ERROR_CONFLICT);
  check_fails (rp_ledger_redact (fixture->ledger, 9, "ada@host", "none", &error) != NULL, RP_ERROR_NOT_FOUND);
  json_decref (list);
  list = rp_ledger_list (fixture->ledger, 0, 10, NULL, &error);
  check_ok (list != NULL);
  event = json_array_get (json_object_get (list, "events"), 0);
  assert_string_equal (rp_json_str (json_object_get (json_object_get (event, "body"), "undo"), "cause"), "(redacted)");
  check_ok (rp_exported_hash (event, &after, &error));
  assert_true (rp_hash_equal (&before, &after));
  fixture->seq = 3;
  check_published (fixture, 3);
}

static void
changed_texts_are_found (void **state)
{
  static const struct {
    const char *sql;
    const char *text;
  } cases[] = {
    { "UPDATE event_text SET text = 'Eve' WHERE seq = 2 AND field = 'cause'", "not the one that the event" },
    { "UPDATE event_text SET salt = zeroblob (16) WHERE seq = 2", "not the one that the event" },
    { "UPDATE event_text SET salt = zeroblob (15) WHERE seq = 2", "not the one that the event" },
    { "DELETE FROM event_text WHERE seq = 2 AND field = 'undo.cause'", "event 2 lacks a text" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      void *inner = NULL;
      Fixture *fixture;
      g_autoptr (GError) error = NULL;
      RpLedgerReport report;

      setup (&inner);
      fixture = inner;
      write_events (fixture, 3);
      tamper (fixture, cases[i].sql);
      assert_false (rp_ledger_verify (fixture->ledger, 0, NULL, &report, &error));
      assert_int_equal (error->code, RP_ERROR_CORRUPT);
      check_contains (error->message, cases[i].text);
      teardown (&inner);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown (test, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH (it_grows_tile_by_tile),
    WITH (what_is_cut_off_goes_on),
    cmocka_unit_test (a_ledger_that_was_changed_gets_no_signature),
    WITH (keys_are_private_and_handed_over),
    WITH (texts_are_sealed_and_go),
    cmocka_unit_test (changed_texts_are_found),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
