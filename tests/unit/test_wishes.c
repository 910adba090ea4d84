/* Whom the server asks for what is damaged, and how often. */
#include "registry_house.h"

#include <glib/gstdio.h>

#include "base/error.h"
#include "server/wishes.h"

#define SECOND ((gint64) G_USEC_PER_SEC)

static guint woken;

static void
wake (gpointer user_data)
{
  woken++;
}

/* Wishes of a registry in which the image's layer is gone. */
static RpWishes *
wish (Fixture *fixture, RpDigest *out_layer)
{
  RpWishes *wishes = rp_wishes_new (fixture->registry, wake, NULL);
  RpHealer healer = rp_wishes_healer (wishes);
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  gboolean damaged = FALSE;
  const char *by = NULL;

  woken = 0;
  push_image (fixture, "1", "layer");
  *out_layer = rp_digest_of (RP_DIGEST_SHA256, "layer", 5);
  path = blob_path (fixture, out_layer);
  assert_int_equal (g_unlink (path), 0);
  rp_registry_add_healer (fixture->registry, &healer);
  assert_false (rp_wishes_any (wishes));
  check_ok (rp_registry_suspect (fixture->registry, out_layer, &damaged, &error));
  assert_true (damaged);
  check_ok (rp_registry_heal (fixture->registry, out_layer, &by, &error));
  assert_null (by);
  assert_true (rp_wishes_any (wishes) && woken == 1);
  return wishes;
}

static gboolean
is_asked (RpWishes *wishes, const char *target, const char *repository, gint64 now_us)
{
  g_autoptr (GPtrArray) repositories = g_ptr_array_new ();
  g_autoptr (json_t) asked = NULL;

  g_ptr_array_add (repositories, (gpointer) repository);
  asked = rp_wishes_ask (wishes, target, repositories, now_us);
  assert_true (json_array_size (asked) <= 1);
  return asked != NULL;
}

static void
one_host_is_asked_at_a_time (void **state)
{
  Fixture *fixture = *state;
  RpDigest layer;
  RpWishes *wishes = wish (fixture, &layer);
  gint64 now_us = 1000 * SECOND;

  assert_false (is_asked (wishes, "a", OTHER, now_us)); /* it has nothing of that */
  assert_true (is_asked (wishes, "a", REPO, now_us));
  assert_false (is_asked (wishes, "a", REPO, now_us));
  assert_false (is_asked (wishes, "b", REPO, now_us));
  /* Its answer was lost, or it is an agent that knows of no wishes. */
  assert_true (is_asked (wishes, "b", REPO, now_us + 31 * SECOND));
  assert_false (is_asked (wishes, "a", REPO, now_us + 31 * SECOND));
  rp_wishes_free (wishes);
}

static void
who_lacks_it_is_left_alone_and_another_is_asked (void **state)
{
  Fixture *fixture = *state;
  RpDigest layer;
  RpWishes *wishes = wish (fixture, &layer);
  gint64 now_us = 1000 * SECOND;

  assert_true (is_asked (wishes, "a", REPO, now_us));
  rp_wishes_lacking (wishes, "b", &layer, now_us); /* nobody asked it */
  assert_false (is_asked (wishes, "b", REPO, now_us));
  rp_wishes_lacking (wishes, "a", &layer, now_us);
  assert_true (is_asked (wishes, "b", REPO, now_us));
  rp_wishes_lacking (wishes, "b", &layer, now_us);
  assert_false (is_asked (wishes, "a", REPO, now_us + 3599 * SECOND));
  assert_true (is_asked (wishes, "a", REPO, now_us + 3601 * SECOND));
  rp_wishes_free (wishes);
}

static void
only_who_was_asked_may_give (void **state)
{
  Fixture *fixture = *state;
  RpDigest layer;
  RpWishes *wishes = wish (fixture, &layer);
  gint64 now_us = 1000 * SECOND;
  g_autoptr (GError) error = NULL;
  RpPatient patient;

  assert_true (is_asked (wishes, "a", REPO, now_us));
  assert_false (rp_wishes_begin (wishes, "b", &layer, &patient, &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_NOT_FOUND));
  g_clear_error (&error);
  check_ok (rp_wishes_begin (wishes, "a", &layer, &patient, &error));
  assert_int_equal (patient.size_bytes, 5);
  /* While it comes nobody else is asked, however long that takes; then somebody is. */
  assert_false (is_asked (wishes, "b", REPO, now_us + 1000 * SECOND));
  rp_wishes_end (wishes, &layer);
  assert_true (is_asked (wishes, "b", REPO, now_us + 1000 * SECOND));
  check_ok (rp_wishes_begin (wishes, "b", &layer, &patient, &error));
  check_ok (rp_store_put (fixture->store, &layer, "layer", 5, &error));
  check_ok (rp_registry_take_healed (fixture->registry, &patient, "agent:b", &error));
  rp_wishes_fulfil (wishes, &layer);
  rp_wishes_end (wishes, &layer);
  assert_false (rp_wishes_any (wishes));
  assert_false (rp_wishes_begin (wishes, "a", &layer, &patient, &error));
  rp_wishes_free (wishes);
}

/* Given, and then we were killed: the scrubber comes by and finds it there. */
static void
what_came_before_a_kill_counts (void **state)
{
  Fixture *fixture = *state;
  RpDigest layer;
  RpWishes *wishes = wish (fixture, &layer);
  g_autoptr (GError) error = NULL;
  const char *by = NULL;

  check_ok (rp_store_put (fixture->store, &layer, "layer", 5, &error));
  check_ok (rp_registry_heal (fixture->registry, &layer, &by, &error));
  assert_string_equal (by, "scrub"); /* whoever brought it: it lies right in its place */
  rp_wishes_free (wishes);
}

#define WITH(test) cmocka_unit_test_setup_teardown (test, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH (one_host_is_asked_at_a_time),
    WITH (who_lacks_it_is_left_alone_and_another_is_asked),
    WITH (only_who_was_asked_may_give),
    WITH (what_came_before_a_kill_counts),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
