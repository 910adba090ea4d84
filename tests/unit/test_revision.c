/* Moving pointers: compare-and-set (R22), idempotency (R30), undo (R11, R12), what agents report,
 * time passing. */
#include "shop.h"

#include "base/clock.h"
#include "release/pointer.h"

#define DEPLOY   RP_KIND_DEPLOY
#define ROLLBACK RP_KIND_ROLLBACK

static void
check_revision (Shop *shop, gint64 number, RpRevisionKind kind, const char *version,
                RpOutcome outcome, gint64 restores, gint64 rolled_back_by)
{
  g_autoptr (RpRevision) revision = shop_revision (shop, "production", number);
  assert_int_equal (revision->kind, kind);
  assert_string_equal (revision->release->version, version);
  assert_int_equal (revision->outcome, outcome);
  assert_int_equal (revision->restores, restores);
  assert_int_equal (revision->rolled_back_by, rolled_back_by);
}

static Shop *
shop_with_releases (guint n)
{
  Shop *shop = shop_open ();
  for (guint i = 1; i <= n; i++)
    {
      g_autofree char *version = g_strdup_printf ("v%u", i);
      assert_int_equal (shop_release (shop, version), i);
    }
  return shop;
}

static void
test_undo_twice (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_with_releases (3);
  (void) shop_run (shop, "production", "v1");
  (void) shop_run (shop, "production", "v2");
  (void) shop_run (shop, "production", "v3");
  assert_int_equal (shop_move (shop, "production", ROLLBACK, NULL), 4);
  check_revision (shop, 4, ROLLBACK, "v2", RP_OUTCOME_PROGRESSING, 2, 0);
  check_revision (shop, 3, DEPLOY, "v3", RP_OUTCOME_HEALTHY, 0, 4);
  shop_report (shop, "production", 4, RP_PHASE_CONFIRMED);
  assert_int_equal (shop_move (shop, "production", ROLLBACK, NULL), 5);
  check_revision (shop, 5, ROLLBACK, "v1", RP_OUTCOME_PROGRESSING, 1, 0);
  assert_null (shop_try_move (shop, "production", ROLLBACK, NULL, 0, RP_ANY_REVISION, &error));
  check_contains (error->message, "no known good release to go back to; looked at: revision 4 "
                                  "(v2): was rolled back from, by revision 5");
  check_contains (error->message, "--to-revision");
  check_fails (FALSE, RP_ERROR_NOT_FOUND);

  /* any earlier revision can be named all the same, and the plan says what it is */
  RpMoveRequest request = { .app = "shop",
                            .environment = "production",
                            .kind = ROLLBACK,
                            .to_revision = 3,
                            .expected_revision = 5,
                            .actor = "tester@host" };
  g_autoptr (RpPlan) plan = rp_plan_compute (shop->engine, &request, RP_VERIFY_HASH, &error);
  check_ok (plan != NULL);
  check_contains (plan->move->caution,
                  "not known good: revision 3 was rolled back from, by revision 4");
  g_autoptr (RpRevision) named = shop_try_move (shop, "production", ROLLBACK, NULL, 3, 5, &error);
  check_ok (named != NULL);
  assert_string_equal (named->release->version, "v3");
  shop_close (shop);
}

static void
test_refusals (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_with_releases (2);
  static const struct
  {
    gint64 deployed; /* revisions there are before */
    const char *environment;
    RpRevisionKind kind;
    const char *release;
    gint64 to_revision;
    gint64 expected;
    int code;
    const char *says;
  } table[] = {
    { 0, "production", ROLLBACK, NULL, 0, RP_ANY_REVISION, RP_ERROR_BLOCKED,
      "nothing was ever deployed" },
    { 0, "production", DEPLOY, NULL, 0, RP_ANY_REVISION, RP_ERROR_INVALID,
      "a deploy needs a release" },
    { 0, "production", DEPLOY, "v9", 0, RP_ANY_REVISION, RP_ERROR_NOT_FOUND, "the latest are: v2" },
    { 0, "production", DEPLOY, "v1", 0, 3, RP_ERROR_MOVED, "is at no revision yet, not at 3" },
    { 0, "prod", DEPLOY, "v1", 0, RP_ANY_REVISION, RP_ERROR_NOT_FOUND,
      "it has: staging, production" },
    { 0, "production", DEPLOY, "v1", 1, RP_ANY_REVISION, RP_ERROR_INVALID,
      "to_revision is for a rollback" },
    { 0, "staging", RP_KIND_PROMOTE, NULL, 0, RP_ANY_REVISION, RP_ERROR_INVALID,
      "staging is the first environment" },
    { 0, "production", RP_KIND_PROMOTE, NULL, 0, RP_ANY_REVISION, RP_ERROR_BLOCKED,
      "nothing was ever deployed to shop/staging" },
    { 1, "production", ROLLBACK, NULL, 0, RP_ANY_REVISION, RP_ERROR_NOT_FOUND,
      "nothing, no other release ever ran here" },
    { 1, "production", ROLLBACK, NULL, 1, RP_ANY_REVISION, RP_ERROR_BLOCKED,
      "v1 is what shop/production is pointed at already" },
    { 1, "production", ROLLBACK, NULL, 7, RP_ANY_REVISION, RP_ERROR_NOT_FOUND, "there are 1 to 1" },
    { 1, "production", ROLLBACK, "v2", 0, RP_ANY_REVISION, RP_ERROR_BLOCKED,
      "v2 never ran in shop/production" },
    { 1, "production", ROLLBACK, "v1", 1, RP_ANY_REVISION, RP_ERROR_INVALID, "not both" },
    { 1, "production", DEPLOY, "v2", 0, 0, RP_ERROR_MOVED, "tester@host moved it at" },
  };
  gint64 deployed = 0;
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      while (deployed < table[i].deployed)
        deployed = shop_run (shop, "production", "v1");
      assert_null (shop_try_move (shop, table[i].environment, table[i].kind, table[i].release,
                                  table[i].to_revision, table[i].expected, &error));
      check_contains (error->message, table[i].says);
      check_fails (FALSE, table[i].code);
    }
  shop_close (shop);
}

static void
test_promote (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_with_releases (2);
  gint64 staged = shop_move (shop, "staging", DEPLOY, "v2");
  assert_null (shop_try_move (shop, "production", RP_KIND_PROMOTE, NULL, 0, 0, &error));
  check_contains (error->message, "v2 is not healthy in staging (revision 1 is progressing)");
  check_fails (FALSE, RP_ERROR_BLOCKED);
  shop_report (shop, "staging", staged, RP_PHASE_CONFIRMED);
  assert_null (shop_try_move (shop, "production", RP_KIND_PROMOTE, "v1", 0, 0, &error));
  check_contains (error->message, "v1 is not what is current in staging");
  check_fails (FALSE, RP_ERROR_BLOCKED);
  g_autoptr (RpRevision) revision
      = shop_try_move (shop, "production", RP_KIND_PROMOTE, NULL, 0, 0, &error);
  check_ok (revision != NULL);
  assert_string_equal (revision->release->version, "v2");
  assert_string_equal (revision->cause, "promote v2 from staging revision 1");
  shop_close (shop);
}

/* ---- R22 ---- */

typedef struct
{
  Shop *shop;
  gint next;
  gint won;
  gint moved;
} Race;

static gpointer
race_thread (gpointer data)
{
  Race *race = data;
  GError *error = NULL;
  const char *release = g_atomic_int_add (&race->next, 1) % 2 == 0 ? "v2" : "v3";
  g_autoptr (RpRevision) revision
      = shop_try_move (race->shop, "production", DEPLOY, release, 0, 1, &error);
  if (revision != NULL)
    g_atomic_int_inc (&race->won);
  else if (g_error_matches (error, RP_ERROR, RP_ERROR_MOVED))
    g_atomic_int_inc (&race->moved);
  g_clear_error (&error);
  return NULL;
}

static void
test_R22_one_winner (void **unused)
{
  GError *error = NULL;
  Race race = { .shop = shop_with_releases (3) };
  GThread *threads[8];
  (void) shop_run (race.shop, "production", "v1");
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("person", race_thread, &race);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  assert_int_equal (race.won, 1);
  assert_int_equal (race.moved, (gint)G_N_ELEMENTS (threads) - 1);
  g_autoptr (GPtrArray) all
      = rp_revision_list (race.shop->engine, "shop", "production", 100, 0, &error);
  check_ok (all != NULL);
  assert_int_equal (all->len, 2);
  assert_null (shop_try_move (race.shop, "production", DEPLOY, "v1", 0, 1, &error));
  check_contains (error->message, "is at revision 2, not at 1: tester@host moved it at");
  check_contains (error->message, "from v1 (revision 1) to v");
  check_contains (error->message, "(deploy: deploy v");
  check_fails (FALSE, RP_ERROR_MOVED);
  shop_close (race.shop);
}

/* Undo without an expected revision, twice at once: never two steps back for two people who saw the
 * same. */
static gpointer
undo_thread (gpointer data)
{
  Race *race = data;
  GError *error = NULL;
  g_autoptr (RpRevision) revision
      = shop_try_move (race->shop, "production", ROLLBACK, NULL, 0, 3, &error);
  g_atomic_int_add (&race->won, revision != NULL);
  g_clear_error (&error);
  return NULL;
}

static void
test_R22_two_undo (void **unused)
{
  Race race = { .shop = shop_with_releases (3) };
  GThread *threads[4];
  for (guint i = 1; i <= 3; i++)
    {
      g_autofree char *version = g_strdup_printf ("v%u", i);
      (void) shop_run (race.shop, "production", version);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("person", undo_thread, &race);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  assert_int_equal (race.won, 1);
  check_revision (race.shop, 4, ROLLBACK, "v2", RP_OUTCOME_PROGRESSING, 2, 0);
  shop_close (race.shop);
}

/* ---- R30 ---- */

static RpRevision *
move_with_key (Shop *shop, const char *hash, gboolean *out_created, GError **error)
{
  RpMoveRequest request = { .app = "shop",
                            .environment = "production",
                            .kind = ROLLBACK,
                            .expected_revision = RP_ANY_REVISION,
                            .actor = "tester@host",
                            .idempotency_key = "key-1",
                            .request_hash = hash };
  return rp_revision_move (shop->engine, &request, out_created, error);
}

static void
test_R30_repeated_key (void **unused)
{
  GError *error = NULL;
  gboolean created;
  Shop *shop = shop_with_releases (3);
  (void) shop_run (shop, "production", "v1");
  (void) shop_run (shop, "production", "v2");
  (void) shop_run (shop, "production", "v3");
  g_autoptr (RpRevision) first = move_with_key (shop, "body", &created, &error);
  check_ok (first != NULL && created);
  for (int i = 0; i < 3; i++)
    {
      g_autoptr (RpRevision) again = move_with_key (shop, "body", &created, &error);
      check_ok (again != NULL && !created);
      assert_int_equal (again->number, first->number);
    }
  check_fails (move_with_key (shop, "another body", &created, &error) != NULL, RP_ERROR_CONFLICT);
  shop_close (shop);
}

/* ---- reports ---- */

static gint64
count_events (Shop *shop, const char *kind)
{
  GError *error = NULL;
  g_autoptr (json_t) list = rp_ledger_list (shop->ledger, 0, 1000, kind, &error);
  check_ok (list != NULL);
  return (gint64) json_array_size (json_object_get (list, "events"));
}

static void
test_reports_once (void **unused)
{
  Shop *shop = shop_with_releases (1);
  (void) shop_move (shop, "production", DEPLOY, "v1");
  RpReport report = shop_make_report (shop, "production", 1, RP_PHASE_PREPARING);
  shop_take (shop, &report);
  shop_take (shop, &report);
  shop_report (shop, "production", 1,
               RP_PHASE_PREPARING); /* another id, nothing new: a heartbeat */
  assert_int_equal (count_events (shop, "target.reported"), 1);
  shop_report (shop, "production", 1, RP_PHASE_CONFIRMED);
  shop_take (shop, &report); /* late, again */
  assert_int_equal (count_events (shop, "target.reported"), 2);
  check_revision (shop, 1, DEPLOY, "v1", RP_OUTCOME_HEALTHY, 0, 0);
  shop_close (shop);
}

static void
test_stale_report (void **unused)
{
  Shop *shop = shop_with_releases (2);
  (void) shop_run (shop, "production", "v1");
  (void) shop_move (shop, "production", DEPLOY, "v2");
  shop_report (shop, "production", 1, RP_PHASE_FAILED);
  check_revision (shop, 1, DEPLOY, "v1", RP_OUTCOME_HEALTHY, 0, 0);
  check_revision (shop, 2, DEPLOY, "v2", RP_OUTCOME_PROGRESSING, 0, 0);
  assert_int_equal (count_events (shop, "target.reported"), 2);
  shop_close (shop);
}

static void
test_bad_reports (void **unused)
{
  GError *error = NULL;
  gint64 seq;
  gint64 pointer;
  Shop *shop = shop_open ();
  RpReport report = shop_make_report (shop, "production", 0, RP_PHASE_UNKNOWN);
  RpReport bad = report;
  bad.target = "web-9";
  check_fails (rp_report_take (shop->engine, &bad, &seq, &pointer, &error), RP_ERROR_NOT_FOUND);
  bad = report;
  bad.observed_digest = "sha256:12";
  check_fails (rp_report_take (shop->engine, &bad, &seq, &pointer, &error),
               RP_ERROR_DIGEST_INVALID);
  bad = report;
  bad.revision = -1;
  check_fails (rp_report_take (shop->engine, &bad, &seq, &pointer, &error), RP_ERROR_INVALID);
  bad = report;
  bad.agent = "";
  check_fails (rp_report_take (shop->engine, &bad, &seq, &pointer, &error), RP_ERROR_INVALID);
  shop_close (shop);
}

static char *
digest_of (Shop *shop, const char *ref)
{
  GError *error = NULL;
  g_autoptr (RpRelease) release = rp_release_get (shop->engine, "shop", ref, &error);
  check_ok (release != NULL);
  return rp_digest_to_string (&rp_release_component (release, "web")->digest);
}

/* R19: somebody went back on the host while the server was away. */
static void
test_undone_on_host (void **unused)
{
  static const struct
  {
    gint64 from; /* revision the host thought was current */
    gint64 to;
    const char *digest_of;
    gint64 revisions; /* there are afterwards */
  } table[] = {
    { 2, 1, "v1", 3 }, /* the pointer follows */
    { 1, 1, "v1", 2 }, /* it was moved since: only recorded */
    { 2, 0, "v1", 3 }, /* the revision is not known, the digest is */
    { 2, 1, "v2", 2 }, /* already there */
    { 2, 1, "v3", 2 }, /* never ran here */
  };
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      GError *error = NULL;
      Shop *shop = shop_with_releases (3);
      (void) shop_run (shop, "production", "v1");
      (void) shop_run (shop, "production", "v2");
      g_autofree char *digest = digest_of (shop, table[i].digest_of);
      RpReport report = shop_make_report (shop, "production", 2, RP_PHASE_UNDONE);
      report.undone = TRUE;
      report.observed_digest = digest;
      report.undo_to_digest = digest;
      report.undo_to_revision = table[i].to;
      report.undo_from_revision = table[i].from;
      report.undo_cause = "it burns";
      report.undo_actor = "ann@host-1";
      shop_take (shop, &report);
      shop_take (shop, &report);
      g_autoptr (GPtrArray) all
          = rp_revision_list (shop->engine, "shop", "production", 10, 0, &error);
      check_ok (all != NULL);
      assert_int_equal (all->len, table[i].revisions);
      if (table[i].revisions == 3)
        {
          check_revision (shop, 3, ROLLBACK, "v1", RP_OUTCOME_PROGRESSING, 1, 0);
          check_revision (shop, 2, DEPLOY, "v2", RP_OUTCOME_HEALTHY, 0, 3);
          const RpRevision *newest = all->pdata[0];
          assert_string_equal (newest->actor, "ann@host-1");
          check_contains (newest->cause, "it burns");
        }
      shop_close (shop);
    }
}

/* ---- by itself ---- */

static void
tick (Shop *shop, gint64 later_us)
{
  GError *error = NULL;
  check_ok (rp_engine_tick (shop->engine, rp_clock_now_us () + later_us, &error));
}

static void
test_rolls_back_by_itself (void **unused)
{
  Shop *shop = shop_with_releases (2);
  (void) shop_run (shop, "production", "v1");
  (void) shop_move (shop, "production", DEPLOY, "v2");
  shop_report (shop, "production", 2, RP_PHASE_REVERTED);
  check_revision (shop, 2, DEPLOY, "v2", RP_OUTCOME_FAILED, 0, 0);
  tick (shop, 0);
  tick (shop, 0);
  check_revision (shop, 2, DEPLOY, "v2", RP_OUTCOME_FAILED, 0, 3);
  check_revision (shop, 3, RP_KIND_AUTO_ROLLBACK, "v1", RP_OUTCOME_PROGRESSING, 1, 0);
  /* R45: the rollback fails as well; that is the end of it */
  shop_report (shop, "production", 3, RP_PHASE_FAILED);
  tick (shop, 0);
  g_autoptr (RpRevision) last = shop_revision (shop, "production", 3);
  assert_int_equal (last->outcome, RP_OUTCOME_FAILED);
  check_contains (last->outcome_reason, "not rolled back by itself: it is a rollback");
  assert_int_equal (last->until_us, 0);
  shop_close (shop);
}

static void
test_at_most_once_a_release (void **unused)
{
  Shop *shop = shop_with_releases (2);
  (void) shop_run (shop, "production", "v1");
  (void) shop_move (shop, "production", DEPLOY, "v2");
  shop_report (shop, "production", 2, RP_PHASE_FAILED);
  tick (shop, 0);
  shop_report (shop, "production", 3, RP_PHASE_CONFIRMED);
  shop_unhold (shop, "production", "v2");
  (void) shop_move (shop, "production", DEPLOY, "v2");
  shop_report (shop, "production", 4, RP_PHASE_FAILED);
  tick (shop, 0);
  g_autoptr (RpRevision) last = shop_revision (shop, "production", 4);
  check_contains (last->outcome_reason, "that was done once for this release");
  assert_int_equal (last->until_us, 0);
  shop_close (shop);
}

static void
test_nothing_to_roll_back_to (void **unused)
{
  Shop *shop = shop_with_releases (1);
  (void) shop_move (shop, "production", DEPLOY, "v1");
  shop_report (shop, "production", 1, RP_PHASE_FAILED);
  tick (shop, 0);
  tick (shop, 0);
  g_autoptr (RpRevision) last = shop_revision (shop, "production", 1);
  check_contains (last->outcome_reason,
                  "not rolled back by itself: shop/production has no known good");
  assert_int_equal (count_events (shop, "revision.stopped"), 1);
  shop_close (shop);
}

/* R18 */
static void
test_deadline (void **unused)
{
  Shop *shop = shop_with_releases (2);
  (void) shop_run (shop, "production", "v1");
  (void) shop_move (shop, "production", DEPLOY, "v2");
  tick (shop, 0);
  check_revision (shop, 2, DEPLOY, "v2", RP_OUTCOME_PROGRESSING, 0, 0);
  tick (shop, 11 * 60 * G_USEC_PER_SEC);
  check_revision (shop, 2, DEPLOY, "v2", RP_OUTCOME_FAILED, 0, 0);
  tick (shop, 0);
  check_revision (shop, 3, RP_KIND_AUTO_ROLLBACK, "v1", RP_OUTCOME_PROGRESSING, 1, 0);
  shop_close (shop);
}

/* ---- what agents get, and when ---- */

static void
test_pointer (void **unused)
{
  GError *error = NULL;
  RpPointerView *pointer = NULL;
  Shop *shop = shop_with_releases (4);
  check_ok (rp_pointer_view_get (shop->engine, "shop", "production", "web-1", -1, FALSE, &pointer,
                                 &error));
  assert_null (pointer->revision);
  gint64 seq = pointer->seq;
  rp_pointer_view_free (pointer);
  shop_report (shop, "production", 0, RP_PHASE_UNKNOWN);
  check_ok (rp_pointer_view_get (shop->engine, "shop", "production", "web-1", seq, FALSE, &pointer,
                                 &error));
  assert_null (pointer); /* a report of an agent is no news for agents */
  for (guint i = 1; i <= 4; i++)
    {
      g_autofree char *version = g_strdup_printf ("v%u", i);
      (void) shop_run (shop, "production", version);
    }
  check_ok (rp_pointer_view_get (shop->engine, "shop", "production", "web-1", seq, FALSE, &pointer,
                                 &error));
  assert_int_equal (pointer->revision->number, 4);
  assert_int_equal (pointer->window->len, 3); /* the current one and a window of 2 */
  for (guint i = 0; i < 3; i++)
    {
      const RpPointerEntry *entry = pointer->window->pdata[i];
      assert_int_equal (entry->number, 4 - i);
      assert_true (entry->good);
    }
  rp_pointer_view_free (pointer);
  check_fails (
      rp_pointer_view_get (shop->engine, "shop", "production", "web-2", 0, TRUE, &pointer, &error),
      RP_ERROR_NOT_FOUND);
  shop_close (shop);
}

static void
test_without_targets (void **unused)
{
  Shop *shop = shop_with_releases (1);
  shop_apply (shop, "app: shop\ncomponents: {web: {repository: shop/web}}\n"
                    "environments: [{name: production}]\n");
  (void) shop_move (shop, "production", DEPLOY, "v1");
  g_autoptr (RpRevision) revision = shop_revision (shop, "production", 1);
  assert_int_equal (revision->outcome, RP_OUTCOME_HEALTHY);
  assert_string_equal (revision->outcome_reason, "no targets declared");
  shop_close (shop);
}

/* The history of what is no longer declared stays, and nothing can be moved there. */
static void
test_removed_environment (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_with_releases (1);
  (void) shop_run (shop, "production", "v1");
  shop_apply (shop, "app: shop\ncomponents: {web: {repository: shop/web}}\n");
  check_revision (shop, 1, DEPLOY, "v1", RP_OUTCOME_HEALTHY, 0, 0);
  assert_null (shop_try_move (shop, "production", DEPLOY, "v1", 0, 1, &error));
  check_contains (error->message, "no longer declared");
  check_fails (FALSE, RP_ERROR_NOT_FOUND);
  shop_close (shop);
}

/* A rebuilt projection is what it was: everything comes from events. */
static void
test_rebuild (void **unused)
{
  GError *error = NULL;
  RpLedgerReport report;
  Shop *shop = shop_with_releases (2);
  (void) shop_run (shop, "production", "v1");
  (void) shop_move (shop, "production", DEPLOY, "v2");
  shop_report (shop, "production", 2, RP_PHASE_FAILED);
  check_ok (rp_ledger_rebuild (shop->ledger, &report, &error));
  check_revision (shop, 1, DEPLOY, "v1", RP_OUTCOME_HEALTHY, 0, 0);
  check_revision (shop, 2, DEPLOY, "v2", RP_OUTCOME_FAILED, 0, 0);
  tick (shop, 0);
  check_revision (shop, 3, RP_KIND_AUTO_ROLLBACK, "v1", RP_OUTCOME_PROGRESSING, 1, 0);
  shop_close (shop);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_undo_twice),
    cmocka_unit_test (test_refusals),
    cmocka_unit_test (test_promote),
    cmocka_unit_test (test_R22_one_winner),
    cmocka_unit_test (test_R22_two_undo),
    cmocka_unit_test (test_R30_repeated_key),
    cmocka_unit_test (test_reports_once),
    cmocka_unit_test (test_stale_report),
    cmocka_unit_test (test_bad_reports),
    cmocka_unit_test (test_undone_on_host),
    cmocka_unit_test (test_rolls_back_by_itself),
    cmocka_unit_test (test_at_most_once_a_release),
    cmocka_unit_test (test_nothing_to_roll_back_to),
    cmocka_unit_test (test_deadline),
    cmocka_unit_test (test_pointer),
    cmocka_unit_test (test_without_targets),
    cmocka_unit_test (test_removed_environment),
    cmocka_unit_test (test_rebuild),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
