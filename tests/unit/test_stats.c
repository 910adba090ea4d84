/* The measures, from histories that were made up for each edge of their definitions. */
#include "check.h"

#include "release/stats.h"

#define MIN_US  G_TIME_SPAN_MINUTE
#define D       RP_KIND_DEPLOY
#define P       RP_KIND_PROMOTE
#define R       RP_KIND_ROLLBACK
#define A       RP_KIND_AUTO_ROLLBACK
#define HEALTHY RP_OUTCOME_HEALTHY
#define FAILED  RP_OUTCOME_FAILED

/* Each revision at a minute, with its outcome some minutes later; releases were recorded an hour before minute 0. */
typedef struct
{
  RpRevisionKind kind;
  gint64 release;
  gint64 minute;
  RpOutcome outcome;
  gint64 took;
  gint64 rolled_back_by;
} Line;

static void
compute (const Line *lines, gsize n, gint64 from_minute, RpStats *out)
{
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (RpStatsRow));
  for (gsize i = 0; i < n; i++)
    {
      RpStatsRow row = { .number = (gint64) i + 1,
                         .kind = lines[i].kind,
                         .release = lines[i].release,
                         .release_at_us = 1000 * MIN_US,
                         .at_us = (1060 + lines[i].minute) * MIN_US,
                         .outcome = lines[i].outcome,
                         .outcome_at_us = lines[i].outcome == RP_OUTCOME_PROGRESSING
                                              ? 0
                                              : (1060 + lines[i].minute + lines[i].took) * MIN_US,
                         .rolled_back_by = lines[i].rolled_back_by };
      g_array_append_val (rows, row);
    }
  rp_stats_compute (rows, (1060 + from_minute) * MIN_US, out);
}

#define COMPUTE(lines, from, out) compute (lines, G_N_ELEMENTS (lines), from, out)

static void
test_nothing (void **unused)
{
  g_auto (RpStats) stats = { 0 };
  compute (NULL, 0, 0, &stats);
  assert_int_equal (stats.deployments + stats.decided + stats.leads + stats.recoveries + stats.open, 0);
  assert_int_equal (stats.restorations->len, 0);
}

/* v1 and v2 are good, v3 is rolled back after ten minutes, v4 fails and goes back by itself. */
static const Line month[] = {
  { D, 1, 0, HEALTHY, 1, 0 },   { P, 2, 100, HEALTHY, 3, 0 },  { D, 3, 200, HEALTHY, 2, 4 },
  { R, 2, 210, HEALTHY, 1, 0 }, { D, 4, 300, FAILED, 5, 6 },   { A, 2, 306, HEALTHY, 2, 0 },
  { D, 2, 400, HEALTHY, 1, 0 },
};

static void
test_a_month (void **unused)
{
  g_auto (RpStats) stats = { 0 };
  COMPUTE (month, 0, &stats);
  assert_int_equal (stats.deployments, 3);
  assert_int_equal (stats.restarts, 1); /* the last: v2 was current */
  assert_int_equal (stats.rollbacks, 2);
  assert_int_equal (stats.decided, 4);
  assert_int_equal (stats.failed, 2);
  assert_int_equal (stats.leads, 3);
  assert_int_equal (stats.lead_us, (60 + 103) * MIN_US);
  assert_int_equal (stats.recoveries, 2);
  assert_int_equal (stats.recovery_us, (11 + 8) * MIN_US / 2);
  assert_int_equal (stats.open, 0);
}

static void
test_each_rollback (void **unused)
{
  g_auto (RpStats) stats = { 0 };
  COMPUTE (month, 0, &stats);
  assert_int_equal (stats.restorations->len, 2);
  const RpRestoration *newest = &g_array_index (stats.restorations, RpRestoration, 0);
  const RpRestoration *first = &g_array_index (stats.restorations, RpRestoration, 1);
  assert_int_equal (newest->number, 6);
  assert_int_equal (newest->kind, A);
  assert_int_equal (newest->left, 5);
  assert_int_equal (newest->took_us, 2 * MIN_US);
  assert_int_equal (newest->bad_for_us, 8 * MIN_US);
  assert_int_equal (first->left, 3);
  assert_int_equal (first->bad_for_us, 11 * MIN_US);
}

/* What was before the window counts for nothing but what it says of what is in it. */
static void
test_the_window (void **unused)
{
  g_auto (RpStats) stats = { 0 };
  COMPUTE (month, 205, &stats);
  assert_int_equal (stats.deployments, 0);
  assert_int_equal (stats.decided, 1);
  assert_int_equal (stats.failed, 1);
  assert_int_equal (stats.leads, 0);
  assert_int_equal (stats.rollbacks, 2);
  assert_int_equal (g_array_index (stats.restorations, RpRestoration, 1).left, 3);
}

static void
test_what_is_not_over (void **unused)
{
  static const Line lines[] = {
    { D, 1, 0, HEALTHY, 1, 0 },
    { D, 2, 10, RP_OUTCOME_SUPERSEDED, 1, 0 }, /* nobody knows whether it was good */
    { D, 3, 11, RP_OUTCOME_SUPERSEDED, 1, 4 }, /* it was left before its outcome was known */
    { R, 1, 12, FAILED, 1, 0 },
    { D, 4, 20, RP_OUTCOME_PROGRESSING, 0, 0 },
  };
  g_auto (RpStats) stats = { 0 };
  COMPUTE (lines, 0, &stats);
  assert_int_equal (stats.decided, 2);
  assert_int_equal (stats.failed, 1);
  assert_int_equal (stats.open, 1);
  assert_int_equal (stats.recoveries, 0);
  const RpRestoration *rollback = &g_array_index (stats.restorations, RpRestoration, 0);
  assert_int_equal (rollback->left, 3);
  assert_int_equal (rollback->took_us, -1);
  assert_int_equal (rollback->bad_for_us, -1);
}

/* A release that was healthy here before has its lead time behind it. */
static void
test_lead_time_counts_once (void **unused)
{
  static const Line lines[]
      = { { D, 1, 0, HEALTHY, 1, 0 }, { D, 2, 10, HEALTHY, 1, 0 }, { D, 1, 20, HEALTHY, 1, 0 } };
  g_auto (RpStats) stats = { 0 };
  COMPUTE (lines, 0, &stats);
  assert_int_equal (stats.deployments, 3);
  assert_int_equal (stats.leads, 2);
  assert_int_equal (stats.lead_us, (61 + 71) * MIN_US / 2);
}

/* A clock that was set back makes no negative time. */
static void
test_clocks_that_disagree (void **unused)
{
  static const Line lines[] = { { D, 1, -500, HEALTHY, 1, 2 }, { R, 1, -600, HEALTHY, -5, 0 } };
  g_auto (RpStats) stats = { 0 };
  COMPUTE (lines, -1000, &stats);
  assert_int_equal (stats.leads, 0);
  assert_int_equal (stats.recoveries, 0);
  assert_int_equal (g_array_index (stats.restorations, RpRestoration, 0).took_us, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_nothing),
    cmocka_unit_test (test_a_month),
    cmocka_unit_test (test_each_rollback),
    cmocka_unit_test (test_the_window),
    cmocka_unit_test (test_what_is_not_over),
    cmocka_unit_test (test_lead_time_counts_once),
    cmocka_unit_test (test_clocks_that_disagree),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
