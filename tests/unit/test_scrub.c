/* Reading all bytes again: what is found, in what order, and who heals it. */
#include "registry_house.h"

#include <glib/gstdio.h>

#include "base/clock.h"
#include "registry/heal.h"
#include "retention/scrubber.h"

#define SOON (rp_clock_now_us () + 3600 * (gint64) G_USEC_PER_SEC)

static RpScrubCount
scrub (Fixture *fixture, gint64 before_us)
{
  static const RpScrubPace pace = { RP_SCRUB_EVERY_MS_DEFAULT, 0 };
  RpScrubber *scrubber = rp_scrubber_new (fixture->registry, NULL, &pace);
  g_autoptr (GError) error = NULL;
  RpScrubCount count;

  check_ok (rp_scrubber_run (scrubber, before_us, &count, &error));
  rp_scrubber_free (scrubber);
  return count;
}

/* Another byte in its place. */
static void
rot (Fixture *fixture, const RpDigest *digest)
{
  g_autofree char *path = blob_path (fixture, digest);
  g_autofree char *data = NULL;
  gsize size;

  assert_true (g_file_get_contents (path, &data, &size, NULL));
  data[size / 2] ^= 1;
  assert_int_equal (g_chmod (path, 0644), 0);
  assert_true (g_file_set_contents (path, data, (gssize) size, NULL));
}

static gboolean
is_served (Fixture *fixture, const RpDigest *digest)
{
  guint64 size;
  rp_autofd int fd = rp_registry_blob_open (fixture->registry, REPO, digest, &size, NULL);

  return fd >= 0;
}

static gboolean
is_ready (Fixture *fixture, const RpDigest *manifest)
{
  g_auto (RpVerifyReport) report = { 0 };
  g_autoptr (GError) error = NULL;

  check_ok (rp_registry_verify (fixture->registry, REPO, manifest, RP_VERIFY_PRESENT, &report,
                                &error));
  return report.problems->len == 0;
}

static void
a_pass_reads_each_blob_once (void **state)
{
  Fixture *fixture = *state;
  gint64 before_us;
  RpScrubCount count;

  push_image (fixture, "1", "layer");
  before_us = rp_clock_now_us () + 1;
  g_usleep (10);
  count = scrub (fixture, before_us);
  assert_int_equal (count.blobs, 3);
  assert_true (count.size_bytes > 7);
  assert_int_equal (count.damaged + count.failed, 0);
  assert_int_equal (scrub (fixture, before_us).blobs, 0); /* where it stands outlives who reads */
  assert_int_equal (scrub (fixture, SOON).blobs, 3);
}

/* As many as two pages, and one more. */
static void
a_pass_reads_page_after_page (void **state)
{
  Fixture *fixture = *state;

  for (int i = 0; i < 128; i++)
    {
      g_autofree char *text = g_strdup_printf ("blob %d", i);
      push_blob (fixture, text);
    }
  g_usleep (10);
  assert_int_equal (scrub (fixture, rp_clock_now_us ()).blobs, 128);
  push_blob (fixture, "one more");
  g_usleep (10);
  assert_int_equal (scrub (fixture, rp_clock_now_us ()).blobs, 129);
}

static void
R08_rot_is_found_and_a_push_heals_it (void **state)
{
  Fixture *fixture = *state;
  RpDigest manifest = push_image (fixture, "1", "layer");
  RpDigest layer = digest_of ("layer");

  rot (fixture, &layer);
  assert_true (is_ready (fixture, &manifest)); /* nobody knows */
  assert_int_equal (scrub (fixture, SOON).damaged, 1);
  assert_int_equal (count_events (fixture, "blob.damaged"), 1);
  assert_false (is_served (fixture, &layer));
  assert_false (is_ready (fixture, &manifest));
  assert_int_equal (scrub (fixture, SOON).damaged, 0); /* it is said once */
  push_blob (fixture, "layer");
  assert_true (is_ready (fixture, &manifest));
  assert_true (is_served (fixture, &layer));
  assert_int_equal (scrub (fixture, SOON).damaged, 0);
}

static void
bytes_that_are_gone_are_damage_where_something_needs_them (void **state)
{
  Fixture *fixture = *state;
  RpDigest manifest = push_image (fixture, "1", "layer");
  RpDigest layer = digest_of ("layer"), loose = push_blob (fixture, "loose");
  g_autofree char *layer_path = blob_path (fixture, &layer);
  g_autofree char *loose_path = blob_path (fixture, &loose);
  RpScrubCount count;

  assert_int_equal (g_unlink (layer_path), 0);
  assert_int_equal (g_unlink (loose_path), 0);
  count = scrub (fixture, SOON);
  assert_int_equal (count.damaged, 1);
  assert_int_equal (count_events (fixture, "blob.damaged"), 1);
  assert_int_equal (scrub (fixture, SOON).blobs, 2); /* the config and the manifest */
  push_blob (fixture, "layer");
  assert_true (is_ready (fixture, &manifest));
}

static void
a_rotten_manifest_is_found_as_well (void **state)
{
  Fixture *fixture = *state;
  RpDigest manifest = push_image (fixture, "1", "layer");

  rot (fixture, &manifest);
  assert_int_equal (scrub (fixture, SOON).damaged, 1);
  assert_false (is_ready (fixture, &manifest));
  push_image (fixture, "1", "layer");
  assert_true (is_ready (fixture, &manifest));
}

/* ---- second copies ---- */

typedef struct {
  const char *bytes; /* what it brings; NULL: it has none */
  gboolean fails;
  guint asked;
  RpPatient last;
} Copy;

static gboolean
bring (const RpPatient *patient, RpStore *into, gboolean *out_brought, gpointer user_data,
       GError **error)
{
  Copy *copy = user_data;

  copy->asked++;
  copy->last = *patient;
  if (copy->fails)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_UNREACHABLE, "nobody answers");
      return FALSE;
    }
  *out_brought = copy->bytes != NULL;
  return !copy->bytes
         || rp_store_put (into, &patient->digest, copy->bytes, strlen (copy->bytes), error);
}

static void
add_copy (Fixture *fixture, const char *name, Copy *copy)
{
  const RpHealer healer = { name, bring, copy };

  rp_registry_add_healer (fixture->registry, &healer);
}

static void
R08_a_second_copy_heals_at_once (void **state)
{
  Fixture *fixture = *state;
  Copy down = { .fails = TRUE }, empty = { 0 }, wrong = { .bytes = "lawyer" }, good = { .bytes = "layer" },
       late = { .bytes = "layer" };
  RpDigest manifest = push_image (fixture, "1", "layer");
  RpDigest layer = digest_of ("layer");
  RpScrubCount count;

  add_copy (fixture, "down", &down);
  add_copy (fixture, "empty", &empty);
  add_copy (fixture, "wrong", &wrong);
  add_copy (fixture, "good", &good);
  add_copy (fixture, "late", &late);
  rot (fixture, &layer);
  count = scrub (fixture, SOON);
  assert_int_equal (count.damaged, 1);
  assert_int_equal (count.healed, 1);
  assert_int_equal (down.asked + empty.asked + wrong.asked + good.asked, 4);
  assert_int_equal (late.asked, 0);
  assert_int_equal (good.last.size_bytes, 5);
  assert_false (good.last.is_manifest);
  assert_true (is_ready (fixture, &manifest));
  assert_true (is_served (fixture, &layer));
  assert_int_equal (count_events (fixture, "blob.healed"), 1);
}

static void
nothing_is_healed_that_is_whole_or_that_nobody_has (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  RpDigest layer = push_blob (fixture, "layer"), other = digest_of ("other");
  Copy good = { .bytes = "layer" };
  const char *by = "nobody";

  add_copy (fixture, "good", &good);
  check_ok (rp_registry_heal (fixture->registry, &layer, &by, &error));
  assert_null (by);
  check_ok (rp_registry_heal (fixture->registry, &other, &by, &error));
  assert_null (by);
  assert_int_equal (good.asked, 0);
}

/* ---- beside pushes ---- */

static gpointer
push_again_and_again (gpointer data)
{
  for (int i = 0; i < 200; i++)
    push_blob (data, "layer");
  return NULL;
}

static void
a_push_and_a_pass_do_not_get_in_each_others_way (void **state)
{
  Fixture *fixture = *state;
  RpDigest manifest = push_image (fixture, "1", "layer");
  GThread *thread = g_thread_new ("push", push_again_and_again, fixture);

  for (int i = 0; i < 50; i++)
    {
      RpScrubCount count = scrub (fixture, SOON);
      assert_int_equal (count.damaged + count.failed, 0);
    }
  g_thread_join (thread);
  assert_true (is_ready (fixture, &manifest));
  assert_int_equal (count_events (fixture, "blob.damaged"), 0);
}

#define WITH(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH (a_pass_reads_each_blob_once),
    WITH (a_pass_reads_page_after_page),
    WITH (R08_rot_is_found_and_a_push_heals_it),
    WITH (bytes_that_are_gone_are_damage_where_something_needs_them),
    WITH (a_rotten_manifest_is_found_as_well),
    WITH (R08_a_second_copy_heals_at_once),
    WITH (nothing_is_healed_that_is_whole_or_that_nobody_has),
    WITH (a_push_and_a_pass_do_not_get_in_each_others_way),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
