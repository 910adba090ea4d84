/* Readiness, traces. */
#include "shop.h"

#include "release/ready_record.h"
#include "release/credentials.h"
#include "release/trace.h"

static RpReadiness *
look (Shop *shop, RpVerifyMode mode)
{
  GError *error = NULL;
  RpReadiness *readiness = rp_readiness_compute (shop->engine, "shop", "production", mode, &error);
  check_ok (readiness != NULL);
  return readiness;
}

static void
check_reason (const RpReadiness *readiness, const char *says)
{
  assert_false (readiness->ready);
  for (guint i = 0; i < readiness->reasons->len; i++)
    if (strstr (readiness->reasons->pdata[i], says) != NULL)
      return;
  fail_msg ("no reason says \"%s\"", says);
}

static void
ship (Shop *shop, const char *version)
{
  (void) shop_release (shop, version);
  (void) shop_run (shop, "production", version);
}

static void
test_grows_ready (void **unused)
{
  Shop *shop = shop_open ();
  g_autoptr (RpReadiness) nothing = look (shop, RP_VERIFY_PRESENT);
  check_reason (nothing, "nothing was deployed yet");
  ship (shop, "v1");
  g_autoptr (RpReadiness) first = look (shop, RP_VERIFY_PRESENT);
  check_reason (first, "no known good release to go back to");
  ship (shop, "v2");
  ship (shop, "v3");
  ship (shop, "v4");
  g_autoptr (RpReadiness) ready = look (shop, RP_VERIFY_HASH);
  assert_true (ready->ready);
  assert_int_equal (ready->revisions->len, 3); /* the current one and a window of 2 */
  for (guint i = 0; i < 3; i++)
    {
      const RpReadyRevision *revision = ready->revisions->pdata[i];
      assert_int_equal (revision->number, 4 - i);
      assert_int_equal (revision->current, i == 0);
      assert_int_equal (revision->undo_target, i == 1);
      assert_true (revision->ready);
      assert_int_equal (revision->bytes.blobs, 3);
      assert_int_equal (revision->not_local_on->len, 1);
    }
  shop_close (shop);
}

static void
test_damage_turns_it_red (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_open ();
  ship (shop, "v1");
  ship (shop, "v2");
  RpDigest layer = rp_digest_of (RP_DIGEST_SHA256, "v1", 2);
  char text[RP_DIGEST_STRING_SIZE];
  check_ok (rp_store_quarantine (shop->store, &layer, &error));
  g_autoptr (RpReadiness) red = look (shop, RP_VERIFY_PRESENT);
  check_reason (red, rp_digest_format (&layer, text));
  const RpReadyRevision *current = red->revisions->pdata[0];
  const RpReadyRevision *before = red->revisions->pdata[1];
  assert_true (current->ready);
  assert_false (before->ready);
  shop_close (shop);
}

static void
test_local (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_open ();
  ship (shop, "v1");
  ship (shop, "v2");
  g_autoptr (RpRelease) v1 = rp_release_get (shop->engine, "shop", "v1", &error);
  check_ok (v1 != NULL);
  char digest[RP_DIGEST_STRING_SIZE];
  (void) rp_digest_format (&rp_release_component (v1, "web")->digest, digest);
  RpReport report = shop_make_report (shop, "production", 2, RP_PHASE_CONFIRMED);
  g_autoptr (json_t) local = json_pack ("[ss]", digest, digest);
  report.local = local;
  shop_take (shop, &report);
  g_autoptr (RpReadiness) readiness = look (shop, RP_VERIFY_PRESENT);
  const RpReadyRevision *current = readiness->revisions->pdata[0];
  const RpReadyRevision *before = readiness->revisions->pdata[1];
  assert_int_equal (before->local_on->len, 1);
  assert_string_equal (before->local_on->pdata[0], "web-1");
  assert_int_equal (current->local_on->len, 0);
  shop_close (shop);
}

static void
check_trace (Shop *shop, const char *prefix, gboolean is_manifest)
{
  GError *error = NULL;
  g_autoptr (RpTrace) trace = rp_trace (shop->engine, prefix, &error);
  check_ok (trace != NULL);
  assert_int_equal (trace->is_manifest, is_manifest);
  assert_int_equal (json_array_size (trace->where), 1);
  assert_int_equal (trace->releases->len, 1);
  assert_string_equal (((RpRelease *) trace->releases->pdata[0])->version, "v1");
  assert_int_equal (trace->revisions->len, 1);
}

/* By manifest, by a prefix of it, and by a layer. */
static void
test_trace (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_open ();
  ship (shop, "v1");
  ship (shop, "v2");
  g_autoptr (RpRelease) v1 = rp_release_get (shop->engine, "shop", "v1", &error);
  check_ok (v1 != NULL);
  g_autofree char *digest = rp_digest_to_string (&rp_release_component (v1, "web")->digest);
  g_autofree char *prefix = g_strndup (digest, 7 + 16);
  RpDigest layer = rp_digest_of (RP_DIGEST_SHA256, "v1", 2);
  g_autofree char *layer_text = rp_digest_to_string (&layer);
  check_trace (shop, digest, TRUE);
  check_trace (shop, prefix, TRUE);
  check_trace (shop, layer_text, FALSE);
  RpDigest unknown = rp_digest_of (RP_DIGEST_SHA256, "nobody pushed this", 18);
  g_autofree char *unknown_text = rp_digest_to_string (&unknown);
  check_fails (rp_trace (shop->engine, unknown_text, &error) != NULL, RP_ERROR_NOT_FOUND);
  check_fails (rp_trace (shop->engine, "sha256:0000000", &error) != NULL, RP_ERROR_NOT_FOUND);
  shop_close (shop);
}

static void
check_note (Shop *shop, RpReadiness *readiness, const char *reason, const char *state,
            gboolean ready, gboolean changed)
{
  GError *error = NULL;
  gboolean out_ready = !ready, out_changed = !changed;
  g_ptr_array_set_size (readiness->reasons, 0);
  if (reason != NULL)
    g_ptr_array_add (readiness->reasons, g_strdup (reason));
  readiness->ready = reason == NULL;
  json_object_set_new (json_array_get (readiness->credentials, 0), "state", json_string (state));
  check_ok (rp_ready_record_note (shop->engine, readiness, &out_ready, &out_changed, &error));
  assert_int_equal (out_ready, ready);
  assert_int_equal (out_changed, changed);
}

static void
test_only_changes_are_written_down (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_open ();
  RpReadyRecord record;
  ship (shop, "v1");
  g_autoptr (RpReadiness) readiness = look (shop, RP_VERIFY_PRESENT);
  assert_int_equal (json_array_size (readiness->credentials), 1);
  check_note (shop, readiness, "nothing to go back to", "untried", FALSE, FALSE);
  check_ok (rp_ready_record_get (shop->engine, "shop", "production", &record, &error));
  assert_false (record.known);
  check_note (shop, readiness, NULL, "untried", TRUE, TRUE);
  check_note (shop, readiness, NULL, "untried", TRUE, FALSE);
  check_note (shop, readiness, "a byte is gone", "work", FALSE, TRUE);
  check_note (shop, readiness, "another byte is gone", "work", FALSE, FALSE);
  check_note (shop, readiness, NULL, "untried", TRUE, TRUE);
  /* Who was refused is so until it is tried again. */
  check_note (shop, readiness, RP_READY_REFUSED "web-1: no", "refused", FALSE, TRUE);
  check_ok (rp_ready_record_get (shop->engine, "shop", "production", &record, &error));
  assert_true (record.known && !record.ready && record.refused && record.at_us > 0);
  check_note (shop, readiness, NULL, "untried", FALSE, FALSE);
  check_note (shop, readiness, NULL, "work", TRUE, TRUE);
  check_ok (rp_ready_record_get (shop->engine, "shop", "production", &record, &error));
  assert_true (record.ready && !record.refused);
  shop_close (shop);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_grows_ready),
    cmocka_unit_test (test_damage_turns_it_red),
    cmocka_unit_test (test_local),
    cmocka_unit_test (test_only_changes_are_written_down),
    cmocka_unit_test (test_trace),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
