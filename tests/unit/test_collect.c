/* How bytes go.  `SOON` is a time at which all that a test did is old. */
#include "registry_house.h"

#include "base/clock.h"
#include "registry/collect.h"
#include "store/fault.h"

#define SOON (rp_clock_now_us () + 3600 * (gint64) G_USEC_PER_SEC)

static gboolean
in_place (Fixture *fixture, const RpDigest *digest)
{
  g_autofree char *path = blob_path (fixture, digest);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static gboolean
condemn_all (Fixture *fixture, gint64 before_us, RpCollectPass *out, GError **error)
{
  RpCollectPass pass = { 0 };

  while (!pass.done)
    if (!rp_collect_condemn (fixture->registry, &pass, before_us, FALSE, error))
      return FALSE;
  *out = pass;
  return TRUE;
}

static gboolean
unlink_all (Fixture *fixture, RpCollectPass *out, GError **error)
{
  RpCollectPass pass = { 0 };
  RpByteCount swept;

  while (!pass.done)
    if (!rp_collect_unlink (fixture->registry, &pass, SOON, "for a test", FALSE, error))
      return FALSE;
  *out = pass;
  return rp_collect_sweep (fixture->registry, &swept, error);
}

static guint64
move_all (Fixture *fixture, gint64 before_us)
{
  g_autoptr (GError) error = NULL;
  guint64 rescued = 0;

  check_ok (rp_collect_move (fixture->registry, before_us, &rescued, &error));
  return rescued;
}

/* Condemns all that is loose and moves it; how many that were. */
static guint64
put_away (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  RpCollectPass pass = { 0 };

  check_ok (condemn_all (fixture, SOON, &pass, &error));
  move_all (fixture, SOON);
  return pass.taken.blobs;
}

static guint64
unlink_now (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  RpCollectPass pass = { 0 };

  check_ok (unlink_all (fixture, &pass, &error));
  return pass.taken.blobs;
}

static void
delete_manifest (Fixture *fixture, const RpDigest *digest)
{
  g_autoptr (GError) error = NULL;
  json_t *detail = NULL;

  check_ok (rp_registry_manifest_delete (fixture->registry, REPO, digest, ACTOR, &detail, &error));
}

static gboolean
head (Fixture *fixture, const RpDigest *digest)
{
  guint64 size;

  return rp_registry_blob_stat (fixture->registry, REPO, digest, &size, NULL);
}

/* ---- what is garbage ---- */

static void
what_a_manifest_names_stays (void **state)
{
  Fixture *fixture = *state;
  RpDigest manifest = push_image (fixture, "1", "layer one");
  RpDigest layer = digest_of ("layer one"), config = digest_of ("{}");

  push_image (fixture, "2", "layer two");
  assert_int_equal (put_away (fixture), 0);
  delete_manifest (fixture, &manifest);
  assert_int_equal (put_away (fixture), 2); /* the config is the other image's as well */
  assert_false (in_place (fixture, &manifest));
  assert_false (in_place (fixture, &layer));
  assert_true (in_place (fixture, &config));
  assert_int_equal (unlink_now (fixture), 2);
  assert_int_equal (count_events (fixture, "blob.unlinked"), 2);
  assert_false (head (fixture, &layer));
  assert_int_equal (put_away (fixture), 0);
}

static void
an_image_of_two_repositories_stays_for_the_other (void **state)
{
  Fixture *fixture = *state;
  RpDigest manifest = push_image (fixture, "1", "layer");
  RpDigest layer = digest_of ("layer");
  g_autofree char *text = image_text ("layer");
  g_autoptr (GError) error = NULL;

  check_ok (push_blob_to (fixture, OTHER, "{}", &error));
  check_ok (push_blob_to (fixture, OTHER, "layer", &error));
  check_ok (put_to (fixture, OTHER, "1", NULL, text, &error));
  delete_manifest (fixture, &manifest);
  assert_int_equal (put_away (fixture), 0);
  assert_true (in_place (fixture, &layer));
}

static void
R05_a_child_stays_with_its_index_and_all_that_it_names (void **state)
{
  Fixture *fixture = *state;
  RpDigest child = push_image (fixture, "child", "layer");
  g_autofree char *child_text = image_text ("layer");
  g_autoptr (json_t) index
      = json_pack ("{s:i, s:s, s:[o]}", "schemaVersion", 2, "mediaType", RP_MEDIA_OCI_INDEX,
                   "manifests", descriptor (RP_MEDIA_OCI_MANIFEST, child_text));
  g_autofree char *index_text = rp_json_print (index);
  RpDigest whole = put (fixture, "index", index_text);
  RpDigest layer = digest_of ("layer");

  delete_manifest (fixture, &child);
  assert_int_equal (put_away (fixture), 0);
  assert_true (in_place (fixture, &child));
  assert_true (in_place (fixture, &layer));
  delete_manifest (fixture, &whole);
  put_away (fixture);
  assert_false (in_place (fixture, &child));
  assert_false (in_place (fixture, &whole));
  assert_false (in_place (fixture, &layer));
}

static void
what_was_used_lately_stays (void **state)
{
  Fixture *fixture = *state;
  RpDigest blob = push_blob (fixture, "alone");
  gint64 hour_ago = rp_clock_now_us () - 3600 * (gint64) G_USEC_PER_SEC;
  g_autoptr (GError) error = NULL;
  RpCollectPass pass;

  check_ok (condemn_all (fixture, hour_ago, &pass, &error));
  assert_int_equal (pass.taken.blobs, 0);
  /* The record is old; the bytes were touched. */
  check_ok (rp_store_touch (fixture->store, &blob, SOON, &error));
  check_ok (condemn_all (fixture, SOON - G_USEC_PER_SEC, &pass, &error));
  assert_int_equal (pass.taken.blobs, 0);
  assert_int_equal (pass.in_use.blobs, 1);
}

/* ---- rescue ---- */

typedef gboolean (*Naming) (Fixture *fixture, const RpDigest *digest);

static gboolean
by_push (Fixture *fixture, const RpDigest *digest)
{
  return push_blob_to (fixture, REPO, "precious", NULL);
}

static gboolean
by_mount (Fixture *fixture, const RpDigest *digest)
{
  gboolean mounted = FALSE;

  return rp_registry_blob_mount (fixture->registry, OTHER, REPO, digest, ACTOR, &mounted, NULL)
         && mounted;
}

static gboolean
by_get (Fixture *fixture, const RpDigest *digest)
{
  guint64 size;
  rp_autofd int fd = rp_registry_blob_open (fixture->registry, REPO, digest, &size, NULL);

  return fd >= 0;
}

static gboolean
by_manifest (Fixture *fixture, const RpDigest *digest)
{
  g_autofree char *text = image_text ("precious");

  return push_blob_to (fixture, REPO, "{}", NULL)
         && put_to (fixture, REPO, "1", NULL, text, NULL);
}

static gboolean
by_hand (Fixture *fixture, const RpDigest *digest)
{
  gboolean rescued = FALSE;

  return rp_registry_rescue (fixture->registry, digest, ACTOR, &rescued, NULL) && rescued;
}

/* Condemned and in its place, or out of sight: whoever names it finds it, and keeps it. */
static void
whoever_names_it_rescues_it (void **state)
{
  static const Naming namings[] = { head, by_push, by_mount, by_get, by_hand, by_manifest };
  Fixture *fixture = *state;
  RpDigest blob = push_blob (fixture, "precious");
  g_autoptr (GError) error = NULL;
  RpCollectPass pass;

  for (gsize i = 0; i < G_N_ELEMENTS (namings); i++)
    for (int moved = 0; moved < 2; moved++)
      {
        gint64 before_us;
        check_ok (condemn_all (fixture, SOON, &pass, &error));
        assert_int_equal (pass.taken.blobs, 1);
        g_usleep (1000);
        before_us = rp_clock_now_us ();
        if (moved)
          move_all (fixture, SOON);
        else
          check_ok (rp_store_touch (fixture->store, &blob, before_us - 10 * (gint64) G_USEC_PER_SEC, &error));
        assert_int_equal (in_place (fixture, &blob), !moved);
        assert_true (namings[i](fixture, &blob));
        assert_true (in_place (fixture, &blob));
        move_all (fixture, before_us); /* of what was not touched since */
        if (namings[i] != by_get || moved)
          assert_true (in_place (fixture, &blob));
        by_hand (fixture, &blob);
        if (namings[i] == by_manifest)
          break; /* needed from now on */
      }
  assert_int_equal (unlink_now (fixture), 0);
  assert_true (in_place (fixture, &blob));
}

static void
a_push_of_unlinked_bytes_starts_afresh (void **state)
{
  Fixture *fixture = *state;
  RpDigest blob = push_blob (fixture, "again");

  put_away (fixture);
  assert_int_equal (unlink_now (fixture), 1);
  assert_false (head (fixture, &blob));
  push_blob (fixture, "again");
  assert_true (head (fixture, &blob));
  assert_int_equal (unlink_now (fixture), 0);
}

/* ---- the guard, and what goes wrong ---- */

typedef struct {
  RpDigest held;
  gboolean fails;
} Guard;

static gboolean
guard_check (RpTxn *txn, const RpDigest *digest, gboolean *out_fresh, json_t **out_holder,
             gpointer user_data, GError **error)
{
  Guard *guard = user_data;

  if (guard->fails)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_FAILED, "the guard does not know");
      return FALSE;
    }
  *out_fresh = TRUE;
  *out_holder = rp_digest_equal (digest, &guard->held) ? json_pack ("{s:s}", "text", "a release")
                                                       : NULL;
  return TRUE;
}

static void
R05_what_the_guard_needs_stays_whatever_the_tables_say (void **state)
{
  Fixture *fixture = *state;
  RpDigest manifest = push_image (fixture, "1", "layer");
  Guard guard = { .held = digest_of ("layer") };
  const RpRegistryGuard asked = { .check = guard_check, .user_data = &guard };
  g_autoptr (GError) error = NULL;
  RpCollectPass pass;

  delete_manifest (fixture, &manifest); /* the tables say now that nothing needs the layer */
  rp_registry_set_guard (fixture->registry, &asked);
  check_ok (condemn_all (fixture, SOON, &pass, &error));
  assert_int_equal (pass.held.blobs, 1);
  assert_int_equal (pass.taken.blobs, 2);
  move_all (fixture, SOON);
  assert_true (in_place (fixture, &guard.held));
  /* And once more before it goes for good. */
  guard.held = digest_of ("{}");
  check_ok (unlink_all (fixture, &pass, &error));
  assert_int_equal (pass.held.blobs, 1);
  assert_int_equal (pass.taken.blobs, 1);
  assert_true (head (fixture, &guard.held));
}

static void
a_guard_that_fails_stops_the_deletion (void **state)
{
  Fixture *fixture = *state;
  RpDigest blob = push_blob (fixture, "kept");
  Guard guard = { .fails = TRUE };
  const RpRegistryGuard asked = { .check = guard_check, .user_data = &guard };
  g_autoptr (GError) error = NULL;
  RpCollectPass pass;

  rp_registry_set_guard (fixture->registry, &asked);
  check_fails (condemn_all (fixture, SOON, &pass, &error), RP_ERROR_FAILED);
  assert_int_equal (count_events (fixture, "blob.condemned"), 0);
  assert_true (head (fixture, &blob));
}

/* Events of before events said what a manifest names. */
static gboolean
forget_references (RpTxn *txn, gpointer user_data, GError **error)
{
  Fixture *fixture = user_data;
  g_autofree char *text = image_text ("old layer");
  RpDigest digest = digest_of (text);
  g_autoptr (json_t) body
      = json_pack ("{s:s, s:s, s:I, s:s}", "repository", REPO, "digest",
                   rp_digest_format (&digest, (char[RP_DIGEST_STRING_SIZE]){ 0 }), "size",
                   (json_int_t) strlen (text), "media_type", RP_MEDIA_OCI_MANIFEST);

  return rp_store_put (fixture->store, &digest, text, strlen (text), error)
         && rp_ledger_append (fixture->ledger, txn, ACTOR, "manifest.added", body, NULL, error);
}

static void
an_unread_manifest_stops_the_deletion_until_it_is_read (void **state)
{
  Fixture *fixture = *state;
  RpDigest layer = push_blob (fixture, "old layer"), alone = push_blob (fixture, "alone");
  g_autoptr (GError) error = NULL;
  RpCollectPass pass;
  guint read = 0;

  push_blob (fixture, "{}");
  check_ok (rp_db_write (fixture->db, forget_references, fixture, &error));
  check_fails (condemn_all (fixture, SOON, &pass, &error), RP_ERROR_BUSY);
  check_ok (rp_collect_read (fixture->registry, &read, &error));
  assert_int_equal (read, 1);
  assert_int_equal (put_away (fixture), 1);
  assert_true (in_place (fixture, &layer));
  assert_false (in_place (fixture, &alone));
}

static void
what_cannot_be_read_stops_the_deletion (void **state)
{
  Fixture *fixture = *state;
  g_autofree char *text = image_text ("old layer");
  RpDigest manifest = digest_of (text);
  g_autofree char *path = blob_path (fixture, &manifest);
  g_autoptr (GError) error = NULL;
  RpCollectPass pass;

  push_blob (fixture, "alone");
  check_ok (rp_db_write (fixture->db, forget_references, fixture, &error));
  assert_int_equal (remove (path), 0);
  check_fails (rp_collect_read (fixture->registry, NULL, &error), RP_ERROR_BLOB_UNKNOWN);
  check_fails (condemn_all (fixture, SOON, &pass, &error), RP_ERROR_BUSY);
}

/* The n-th operation of the store fails, for every n: nothing needed is lost, and it goes on. */
static void
no_failure_loses_what_is_needed (void **state)
{
  Fixture *fixture = *state;
  RpDigest needed, garbage;
  gboolean fired = TRUE;

  close_all (fixture);
  fixture->faulty = TRUE;
  open_all (fixture);
  push_image (fixture, "1", "needed");
  needed = digest_of ("needed");
  for (guint n = 1; fired && n < 100; n++)
    {
      g_autofree char *name = g_strdup_printf ("garbage %u", n);
      g_autoptr (GError) error = NULL;
      RpCollectPass pass;
      guint64 rescued;
      gboolean ok;

      garbage = push_blob (fixture, name);
      rp_store_fault_arm (fixture->store, n, RP_ERROR_FAILED);
      ok = condemn_all (fixture, SOON, &pass, &error)
           && rp_collect_move (fixture->registry, SOON, &rescued, &error)
           && unlink_all (fixture, &pass, &error);
      fired = rp_store_fault_fired (fixture->store);
      assert_int_equal (ok, !fired);
      rp_store_fault_arm (fixture->store, 0, RP_ERROR_FAILED);
      assert_true (head (fixture, &needed));
      put_away (fixture);
      unlink_now (fixture);
      assert_false (in_place (fixture, &garbage));
    }
  assert_false (fired);
}

/* ---- who else writes ---- */

typedef struct {
  RpDb *db;
  GThread *other;
  guint asked;
} Busy;

static gboolean
write_nothing (RpTxn *txn, gpointer user_data, GError **error)
{
  return TRUE;
}

static gpointer
write_as_a_push_does (gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  check_ok (rp_db_write (user_data, write_nothing, NULL, &error));
  return NULL;
}

/* Somebody comes to write while the first is looked at. */
static gboolean
check_while_somebody_waits (RpTxn *txn, const RpDigest *digest, gboolean *out_fresh, json_t **out_holder,
                            gpointer user_data, GError **error)
{
  Busy *busy = user_data;

  if (busy->asked++ == 0)
    {
      assert_false (rp_db_is_waited_for (busy->db));
      busy->other = g_thread_new ("other", write_as_a_push_does, busy->db);
      while (!rp_db_is_waited_for (busy->db))
        g_thread_yield ();
    }
  *out_fresh = TRUE;
  return TRUE;
}

static void
a_step_is_short_while_somebody_waits_to_write (void **state)
{
  Fixture *fixture = *state;
  Busy busy = { .db = fixture->db };
  const RpRegistryGuard asked = { .check = check_while_somebody_waits, .user_data = &busy };
  g_autoptr (GError) error = NULL;
  RpCollectPass pass = { 0 };

  for (int i = 0; i < 100; i++)
    {
      g_autofree char *name = g_strdup_printf ("garbage %d", i);
      push_blob (fixture, name);
    }
  rp_registry_set_guard (fixture->registry, &asked);
  check_ok (rp_collect_condemn (fixture->registry, &pass, SOON, FALSE, &error));
  g_thread_join (busy.other);
  assert_int_equal (pass.taken.blobs, 8);
  assert_false (pass.done);
  check_ok (rp_collect_condemn (fixture->registry, &pass, SOON, FALSE, &error));
  assert_int_equal (pass.taken.blobs, 8 + 64);
  check_ok (rp_collect_condemn (fixture->registry, &pass, SOON, FALSE, &error));
  assert_int_equal (pass.taken.blobs, 100);
  assert_true (pass.done);
}

/* ---- bytes without a record ---- */

static void
bytes_of_a_push_that_was_cut_off_are_found (void **state)
{
  Fixture *fixture = *state;
  RpDigest stray = digest_of ("stray"), known = push_blob (fixture, "known");
  g_autoptr (GError) error = NULL;
  RpByteCount found;

  check_ok (rp_store_put (fixture->store, &stray, "stray", 5, &error));
  check_ok (rp_collect_find (fixture->registry, SOON - 7200 * (gint64) G_USEC_PER_SEC, &found,
                             &error));
  assert_int_equal (found.blobs, 0); /* it may be a push that is just coming in */
  check_ok (rp_collect_find (fixture->registry, SOON, &found, &error));
  assert_int_equal (found.blobs, 1);
  assert_int_equal (put_away (fixture), 2);
  assert_false (in_place (fixture, &stray));
  assert_false (in_place (fixture, &known));
}

/* A rescue that was recorded, and a crash before its bytes were back. */
static void
a_sweep_brings_back_what_is_known (void **state)
{
  Fixture *fixture = *state;
  RpDigest layer;
  g_autoptr (GError) error = NULL;
  RpByteCount swept;

  push_image (fixture, "1", "layer");
  layer = digest_of ("layer");
  check_ok (rp_store_condemn (fixture->store, &layer, &error));
  check_ok (rp_collect_sweep (fixture->registry, &swept, &error));
  assert_int_equal (swept.blobs, 0);
  assert_true (head (fixture, &layer));
}

/* ---- beside pushes ---- */

enum { PUSHERS = 3, ROUNDS = 60 };

typedef struct {
  Fixture *fixture;
  guint number;
  gint *running;
} Pusher;

/* As clients do: asks for each blob, sends what is not there, names them all, takes the name back. */
static gpointer
push_again_and_again (gpointer data)
{
  Pusher *pusher = data;
  Fixture *fixture = pusher->fixture;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autofree char *layer = g_strdup_printf ("layer %u", round % 7);
      g_autofree char *text = image_text (layer);
      g_autofree char *tag = g_strdup_printf ("t%u-%u", pusher->number, round);
      g_autoptr (GError) error = NULL;
      RpDigest blob = digest_of (layer), config = digest_of ("{}"), manifest = digest_of (text);
      json_t *detail = NULL;

      if (!head (fixture, &config))
        check_ok (push_blob_to (fixture, REPO, "{}", &error));
      if (!head (fixture, &blob))
        check_ok (push_blob_to (fixture, REPO, layer, &error));
      /* It was said that they are there: so they are. */
      check_ok (put_to (fixture, REPO, tag, NULL, text, &error));
      if (!rp_registry_manifest_delete (fixture->registry, REPO, &manifest, ACTOR, &detail, &error))
        g_clear_error (&error); /* another one was faster */
    }
  g_atomic_int_add (pusher->running, -1);
  return NULL;
}

static void
R06_a_push_never_sees_a_gap (void **state)
{
  Fixture *fixture = *state;
  gint running = PUSHERS;
  Pusher pushers[PUSHERS];
  GThread *threads[PUSHERS];
  guint64 rounds = 0, rescued;
  /* Two seconds: what was loose, and not asked for, for so long. Time is no judge here: a shorter one
   * would only make collisions of a client that was told so long ago. */
  for (guint i = 0; i < PUSHERS; i++)
    {
      pushers[i] = (Pusher){ fixture, i, &running };
      threads[i] = g_thread_new ("pusher", push_again_and_again, &pushers[i]);
    }
  while (g_atomic_int_get (&running) > 0)
    {
      gint64 before_us = rp_clock_now_us () - 2 * (gint64) G_USEC_PER_SEC;
      g_autoptr (GError) error = NULL;
      RpCollectPass pass;

      check_ok (condemn_all (fixture, before_us, &pass, &error));
      check_ok (rp_collect_move (fixture->registry, before_us, &rescued, &error));
      check_ok (unlink_all (fixture, &pass, &error));
      rounds++;
    }
  for (guint i = 0; i < PUSHERS; i++)
    g_thread_join (threads[i]);
  assert_true (rounds > 0);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, setup, teardown)
  const struct CMUnitTest tests[] = {
    TEST (what_a_manifest_names_stays),
    TEST (an_image_of_two_repositories_stays_for_the_other),
    TEST (R05_a_child_stays_with_its_index_and_all_that_it_names),
    TEST (what_was_used_lately_stays),
    TEST (whoever_names_it_rescues_it),
    TEST (a_push_of_unlinked_bytes_starts_afresh),
    TEST (R05_what_the_guard_needs_stays_whatever_the_tables_say),
    TEST (a_guard_that_fails_stops_the_deletion),
    TEST (an_unread_manifest_stops_the_deletion_until_it_is_read),
    TEST (what_cannot_be_read_stops_the_deletion),
    TEST (no_failure_loses_what_is_needed),
    TEST (a_step_is_short_while_somebody_waits_to_write),
    TEST (bytes_of_a_push_that_was_cut_off_are_found),
    TEST (a_sweep_brings_back_what_is_known),
    TEST (R06_a_push_never_sees_a_gap),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
