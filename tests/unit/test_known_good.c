/* What `undo` goes to and what a window keeps: R11, R12, R38. */
#include "check.h"

#include "release/known_good.h"

#define P RP_OUTCOME_PROGRESSING
#define H RP_OUTCOME_HEALTHY
#define F RP_OUTCOME_FAILED
#define S RP_OUTCOME_SUPERSEDED

typedef struct
{
  const char *name;
  gsize n_rows;
  RpHistoryRow rows[10]; /* oldest first here: as it happened */
  gint64 window;
  gint64 undo;     /* 0: none */
  gint64 keeps[6]; /* revisions in the window, ended by 0 */
  gint64 skips[6];
} Case;

static const Case cases[] = {
  { "nothing ever", 0, { { 0 } }, 3, 0, { 0 }, { 0 } },
  { "the first has nothing behind it", 1, { { 1, 1, H, 0 } }, 3, 0, { 1 }, { 0 } },
  { "two good ones", 2, { { 1, 1, H, 0 }, { 2, 2, H, 0 } }, 3, 1, { 2, 1 }, { 0 } },
  { "the current one failed", 2, { { 1, 1, H, 0 }, { 2, 2, F, 0 } }, 3, 1, { 2, 1 }, { 0 } },
  { "failed attempts are passed over",
    4,
    { { 1, 1, H, 0 }, { 2, 2, F, 0 }, { 3, 3, F, 0 }, { 4, 4, P, 0 } },
    3,
    1,
    { 4, 1 },
    { 3, 2 } },
  { "R11: undo twice does not come back to the bad one",
    4,
    { { 1, 1, H, 0 }, { 2, 2, H, 0 }, { 3, 3, H, 4 }, { 4, 2, H, 0 } },
    3,
    1,
    { 4, 1 },
    { 3, 2 } },
  { "R12: the one before is bad too, undo again goes further back",
    5,
    { { 1, 1, H, 0 }, { 2, 2, H, 0 }, { 3, 3, H, 4 }, { 4, 2, F, 5 }, { 5, 1, H, 0 } },
    3,
    0,
    { 5 },
    { 4, 3, 2, 1 } },
  { "healthy, but its signals failed: no target, and it takes no place in the window",
    4,
    { { 1, 1, H, 0 }, { 2, 2, H, 0 }, { 3, 3, H, 0, 0, TRUE }, { 4, 4, H, 0 } },
    2,
    2,
    { 4, 2, 1 },
    { 3 } },
  { "the signals of a release that was good before failed",
    4,
    { { 1, 1, H, 0 }, { 2, 2, H, 0 }, { 3, 2, H, 0, 0, TRUE }, { 4, 3, H, 0 } },
    3,
    1,
    { 4, 1 },
    { 3, 2 } },
  { "deployed again on purpose, and its signals did not fail",
    4,
    { { 1, 1, H, 0 }, { 2, 2, H, 0, 0, TRUE }, { 3, 2, H, 0 }, { 4, 3, H, 0 } },
    3,
    3,
    { 4, 3, 1 },
    { 0 } },
  { "superseded before it was healthy is no target",
    3,
    { { 1, 1, H, 0 }, { 2, 2, S, 0 }, { 3, 3, H, 0 } },
    3,
    1,
    { 3, 1 },
    { 2 } },
  { "superseded says nothing about a release that was good",
    4,
    { { 1, 1, H, 0 }, { 2, 2, H, 0 }, { 3, 1, S, 0 }, { 4, 3, H, 0 } },
    3,
    2,
    { 4, 2, 1 },
    { 3 } },
  { "deployed again on purpose and healthy: good again",
    5,
    { { 1, 1, H, 0 }, { 2, 2, H, 3 }, { 3, 1, H, 0 }, { 4, 2, H, 0 }, { 5, 3, H, 0 } },
    3,
    4,
    { 5, 4, 3 },
    { 0 } },
  { "a release that failed later is no target, however healthy it was",
    4,
    { { 1, 1, H, 0 }, { 2, 2, H, 0 }, { 3, 2, F, 0 }, { 4, 3, H, 0 } },
    3,
    1,
    { 4, 1 },
    { 3, 2 } },
  { "the same release twice fills one place",
    5,
    { { 1, 1, H, 0 }, { 2, 2, H, 0 }, { 3, 3, H, 0 }, { 4, 2, H, 0 }, { 5, 4, H, 0 } },
    2,
    4,
    { 5, 4, 3 },
    { 0 } },
  { "R38: failed attempts push nothing out of the window",
    6,
    { { 1, 1, H, 0 },
      { 2, 2, H, 0 },
      { 3, 3, F, 0 },
      { 4, 4, F, 0 },
      { 5, 5, F, 0 },
      { 6, 6, F, 0 } },
    2,
    2,
    { 6, 2, 1 },
    { 5, 4, 3 } },
  { "redeployed current is no target of its own",
    3,
    { { 1, 1, H, 0 }, { 2, 2, H, 0 }, { 3, 2, P, 0 } },
    3,
    1,
    { 3, 1 },
    { 2 } },
};

static void
select_case (const Case *one, RpKnownGood *out)
{
  RpHistoryRow newest_first[10];
  for (gsize i = 0; i < one->n_rows; i++)
    newest_first[i] = one->rows[one->n_rows - 1 - i];
  rp_known_good_select (newest_first, one->n_rows, one->window, out);
}

static void
test_table (void **state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const Case *one = &cases[i];
      g_auto (RpKnownGood) known = { 0 };
      select_case (one, &known);
      print_message ("%s\n", one->name);
      assert_int_equal (known.undo_revision, one->undo);
      for (guint j = 0; j < 6; j++)
        {
          gint64 keeps
              = j < known.window->len ? g_array_index (known.window, RpWindowEntry, j).revision : 0;
          gint64 skips
              = j < known.skipped->len ? g_array_index (known.skipped, RpSkipped, j).revision : 0;
          assert_int_equal (keeps, one->keeps[j]);
          assert_int_equal (skips, one->skips[j]);
        }
    }
}

/* Why what was passed over was passed over. */
static void
test_reasons (void **state)
{
  static const RpHistoryRow rows[] = {
    { 8, 6, P, 0 }, { 7, 6, H, 0 }, { 6, 5, S, 0 }, { 5, 4, H, 6 },
    { 4, 3, F, 0 }, { 3, 3, H, 0 }, { 2, 4, H, 0 }, { 1, 1, H, 0 },
  };
  static const RpSkipped expected[] = {
    { 7, 6, RP_SKIP_SAME_RELEASE, 0 },         { 6, 5, RP_SKIP_NEVER_HEALTHY, 0 },
    { 5, 4, RP_SKIP_ROLLED_BACK, 6 },          { 4, 3, RP_SKIP_FAILED, 0 },
    { 3, 3, RP_SKIP_RELEASE_FAILED_LATER, 4 }, { 2, 4, RP_SKIP_RELEASE_ROLLED_BACK_LATER, 5 },
  };
  g_auto (RpKnownGood) known = { 0 };
  rp_known_good_select (rows, G_N_ELEMENTS (rows), 3, &known);
  assert_int_equal (known.undo_revision, 1);
  assert_int_equal (known.skipped->len, G_N_ELEMENTS (expected));
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      const RpSkipped *skipped = &g_array_index (known.skipped, RpSkipped, i);
      assert_int_equal (skipped->revision, expected[i].revision);
      assert_int_equal (skipped->why, expected[i].why);
      assert_int_equal (skipped->other, expected[i].other);
    }
}

/* Until when something ran counts, not when it was deployed; and what is not good does not. */
static void
test_since (void **state)
{
  static const RpHistoryRow rows[] = {
    { 6, 5, H, 0, 600 }, { 5, 4, F, 0, 500 }, { 4, 3, H, 0, 400 },
    { 3, 2, H, 0, 300 }, { 2, 3, H, 0, 200 }, { 1, 1, H, 0, 100 },
  };
  static const struct
  {
    gint64 since, expected;
  } times[] = { { 601, 0 }, { 500, 1 }, { 401, 1 }, { 400, 2 }, { 201, 2 }, { 200, 3 }, { 0, 3 } };
  for (gsize i = 0; i < G_N_ELEMENTS (times); i++)
    assert_int_equal (rp_known_good_since (rows, G_N_ELEMENTS (rows), times[i].since),
                      times[i].expected);
  assert_int_equal (rp_known_good_since (rows, 1, 0), 0);
  assert_int_equal (rp_known_good_since (rows, 0, 0), 0);
}

static void
test_current_in_window (void **state)
{
  static const struct
  {
    RpHistoryRow rows[2];
    gboolean good;
  } table[] = {
    { { { 2, 2, H, 0 }, { 1, 1, H, 0 } }, TRUE },
    { { { 2, 2, P, 0 }, { 1, 1, H, 0 } }, FALSE },
    { { { 2, 2, F, 0 }, { 1, 1, H, 0 } }, FALSE },
    { { { 2, 1, P, 0 }, { 1, 1, H, 0 } },
      TRUE }, /* the same as before: good until it shows otherwise */
  };
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_auto (RpKnownGood) known = { 0 };
      rp_known_good_select (table[i].rows, 2, 3, &known);
      assert_int_equal (g_array_index (known.window, RpWindowEntry, 0).good, table[i].good);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_table),
    cmocka_unit_test (test_reasons),
    cmocka_unit_test (test_since), cmocka_unit_test (test_current_in_window),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
