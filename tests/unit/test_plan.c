/* Plans: what they promise, what they refuse, what they admit not to know. */
#include "shop.h"

static const RpItem *
find_item (const GPtrArray *items, const char *subject)
{
  for (guint i = 0; i < items->len; i++)
    {
      const RpItem *item = items->pdata[i];
      if (g_str_equal (item->subject, subject))
        return item;
    }
  fail_msg ("there is no item %s", subject);
  g_assert_not_reached (); /* so that the compiler knows, too */
}

static void
check_item (const RpPlan *plan, const char *subject, RpItemState state, const char *says)
{
  const RpItem *item = find_item (plan->items, subject);
  assert_int_equal (item->state, state);
  check_contains (item->reason, says);
}

static RpPlan *
make_plan (Shop *shop, RpRevisionKind kind, const char *release, RpVerifyMode mode)
{
  GError *error = NULL;
  RpMoveRequest request = { .app = "shop",
                            .environment = "production",
                            .kind = kind,
                            .release = release,
                            .expected_revision = RP_ANY_REVISION,
                            .actor = "tester@host" };
  RpPlan *plan = rp_plan_compute (shop->engine, &request, mode, &error);
  check_ok (plan != NULL);
  return plan;
}

static Shop *
shop_at_v3 (void)
{
  Shop *shop = shop_open ();
  static const char *const versions[] = { "v1", "v2", "v3" };
  for (gsize i = 0; i < G_N_ELEMENTS (versions); i++)
    {
      (void) shop_release (shop, versions[i]);
      (void) shop_run (shop, "production", versions[i]);
    }
  return shop;
}

static void
test_undo (void **unused)
{
  Shop *shop = shop_at_v3 ();
  g_autoptr (RpPlan) plan = make_plan (shop, RP_KIND_ROLLBACK, NULL, RP_VERIFY_HASH);
  assert_string_equal (plan->move->release->version, "v2");
  assert_int_equal (plan->move->restores, 2);
  assert_int_equal (rp_plan_expected_revision (plan), 3);
  assert_string_equal (plan->move->cause, "roll back from v3 (revision 3) to v2 (revision 2)");
  assert_false (plan->blocked);
  assert_int_equal (plan->bytes.blobs, 3); /* manifest, config, layer */
  assert_true (plan->bytes.verified_at_us > 0);
  check_item (plan, "component web", RP_ITEM_RESTORED, "every byte hashed");
  check_item (plan, "config", RP_ITEM_NOT_RESTORED, "what changed since stays changed");
  check_item (plan, "schema", RP_ITEM_NOT_RESTORED, "what changed since stays changed");
  check_item (plan, "secrets", RP_ITEM_NOT_RESTORED, "what changed since stays changed");
  check_item (plan, "target web-1", RP_ITEM_RESTORED, "must fetch the bytes from here first");
  shop_close (shop);
}

static void
test_deploy_knows_no_config (void **unused)
{
  Shop *shop = shop_at_v3 ();
  g_autoptr (RpPlan) plan = make_plan (shop, RP_KIND_DEPLOY, "v1", RP_VERIFY_PRESENT);
  check_item (plan, "config", RP_ITEM_UNKNOWN, "not known to repoint");
  shop_close (shop);
}

/* R09: one layer is gone; neither plan nor move says otherwise, and the pointer stays. */
static void
test_missing_layer (void **unused)
{
  static const RpVerifyMode modes[] = { RP_VERIFY_PRESENT, RP_VERIFY_HASH };
  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      GError *error = NULL;
      Shop *shop = shop_at_v3 ();
      RpDigest layer = rp_digest_of (RP_DIGEST_SHA256, "v2", 2);
      char text[RP_DIGEST_STRING_SIZE];
      (void) rp_digest_format (&layer, text);
      check_ok (rp_store_quarantine (shop->store, &layer, &error));
      g_autoptr (RpPlan) plan = make_plan (shop, RP_KIND_ROLLBACK, NULL, modes[i]);
      assert_true (plan->blocked);
      check_item (plan, "component web", RP_ITEM_BLOCKED, text);
      assert_non_null (find_item (plan->items, "component web")->way_out);
      assert_null (
          shop_try_move (shop, "production", RP_KIND_ROLLBACK, NULL, 0, RP_ANY_REVISION, &error));
      check_contains (error->message, text);
      check_contains (error->message, "nothing was changed");
      check_fails (FALSE, RP_ERROR_BLOCKED);
      g_autoptr (RpRevision) current = shop_revision (shop, "production", 3);
      assert_int_equal (current->until_us, 0);
      shop_close (shop);
    }
}

static void
test_tells_what_was_rolled_back (void **unused)
{
  Shop *shop = shop_at_v3 ();
  (void) shop_move (shop, "production", RP_KIND_ROLLBACK, NULL);
  g_autoptr (RpPlan) held = make_plan (shop, RP_KIND_DEPLOY, "v3", RP_VERIFY_PRESENT);
  check_item (held, "gate hold", RP_ITEM_BLOCKED,
              "v3 is held in production: rolled back from in revision 4 by tester@host");
  assert_true (held->blocked);
  shop_unhold (shop, "production", "v3");
  g_autoptr (RpPlan) plan = make_plan (shop, RP_KIND_DEPLOY, "v3", RP_VERIFY_PRESENT);
  check_item (plan, "release v3", RP_ITEM_UNKNOWN,
              "was rolled back from in production: revision 3, by tester@host in revision 4");
  assert_false (plan->blocked);
  shop_close (shop);
}

static void
test_targets (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_open ();
  (void) shop_release (shop, "v1");
  (void) shop_release (shop, "v2");
  (void) shop_move (shop, "production", RP_KIND_DEPLOY, "v1");
  g_autoptr (RpPlan) unseen = make_plan (shop, RP_KIND_DEPLOY, "v2", RP_VERIFY_PRESENT);
  check_item (unseen, "target web-1", RP_ITEM_UNKNOWN, "no agent was ever seen");

  g_autoptr (RpRelease) v2 = rp_release_get (shop->engine, "shop", "v2", &error);
  check_ok (v2 != NULL);
  char digest[RP_DIGEST_STRING_SIZE];
  (void) rp_digest_format (&rp_release_component (v2, "web")->digest, digest);
  RpReport report = shop_make_report (shop, "production", 1, RP_PHASE_DRIFTED);
  g_autoptr (json_t) local = json_pack ("[s]", digest);
  report.local = local;
  report.observed_digest = digest; /* v2 runs, v1 is pointed to */
  shop_take (shop, &report);
  g_autoptr (RpPlan) drifted = make_plan (shop, RP_KIND_DEPLOY, "v2", RP_VERIFY_PRESENT);
  check_item (drifted, "target web-1", RP_ITEM_RESTORED, "has the bytes on the host");
  check_item (drifted, "live state of web-1", RP_ITEM_RESTORED, "it runs v2 already");
  g_autoptr (RpPlan) away = make_plan (shop, RP_KIND_DEPLOY, "v1", RP_VERIFY_PRESENT);
  check_item (away, "live state of web-1", RP_ITEM_NOT_RESTORED, "(release v2), not sha256:");
  shop_close (shop);
}

/* A target of a component that the release does not have cannot follow. */
static void
test_component_missing (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_open ();
  (void) shop_release (shop, "v1");
  shop_apply (shop,
              "app: shop\n"
              "components: {web: {repository: shop/web}, api: {repository: shop/api}}\n"
              "environments: [{name: production, targets: [{name: api-1, component: api}]}]\n");
  assert_null (shop_try_move (shop, "production", RP_KIND_DEPLOY, "v1", 0, 0, &error));
  check_contains (error->message, "target api-1: v1 has no component api");
  check_fails (FALSE, RP_ERROR_BLOCKED);
  shop_close (shop);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_undo),          cmocka_unit_test (test_deploy_knows_no_config),
    cmocka_unit_test (test_missing_layer), cmocka_unit_test (test_tells_what_was_rolled_back),
    cmocka_unit_test (test_targets),       cmocka_unit_test (test_component_missing),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
