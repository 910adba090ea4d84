#include "check.h"

#include "base/flow.h"

#define SECOND ((gint64) G_USEC_PER_SEC)

/* Reads pieces as fast as the flow lets it, each taking `each_us` by itself; the time that all took. */
static gint64
read_all (RpFlow *flow, guint pieces, guint64 piece, gint64 each_us)
{
  gint64 now_us = 1000 * SECOND, started_us = now_us;

  for (guint i = 0; i < pieces; i++)
    {
      gint64 next_us = rp_flow_take (flow, piece, now_us + each_us);
      now_us = MAX (now_us + each_us, next_us);
    }
  return now_us - started_us;
}

static void
it_lets_through_what_the_rate_says (void **state)
{
  static const struct {
    gint64 rate;
    guint pieces;
    guint64 piece;
    gint64 each_us, takes_us;
  } cases[] = {
    { 1000, 10, 1000, 0, 9 * SECOND }, /* the first is not waited for */
    { 1000000, 65, 1 << 20, 0, 64 * 1048576 },
    { 64000000, 1001, 64000, 0, SECOND },
    { 1000, 10, 500, SECOND, 10 * SECOND }, /* reading takes longer than the rate asks for */
    { 1000, 10, 1000, SECOND / 4, 9 * SECOND + SECOND / 4 }, /* and here not */
    { 0, 1000, 1 << 20, 0, 0 },
    { 0, 10, 1 << 20, 7, 70 },
    { 1000, 3, 0, 0, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      RpFlow flow = { .bytes_per_second = cases[i].rate };
      gint64 took_us = read_all (&flow, cases[i].pieces, cases[i].piece, cases[i].each_us);

      if (ABS (took_us - cases[i].takes_us) > cases[i].pieces)
        fail_msg ("case %zu: %" G_GINT64_FORMAT " us", i, took_us);
    }
}

static void
a_pause_is_not_made_up_for (void **state)
{
  RpFlow flow = { .bytes_per_second = 1000 };

  assert_int_equal (rp_flow_take (&flow, 2000, SECOND), 2 * SECOND);
  assert_int_equal (rp_flow_take (&flow, 1000, 3600 * SECOND), 3600 * SECOND);
  assert_int_equal (rp_flow_take (&flow, 1000, 3600 * SECOND), 3601 * SECOND);
  assert_int_equal (rp_flow_take (&flow, 1000, 3600 * SECOND), 3602 * SECOND);
}

static void
another_rate_counts_from_then_on (void **state)
{
  RpFlow flow = { .bytes_per_second = 1000 };

  rp_flow_take (&flow, 1000, SECOND);
  flow.bytes_per_second = 0;
  assert_int_equal (rp_flow_take (&flow, 1000000, 2 * SECOND), 2 * SECOND);
  flow.bytes_per_second = 500;
  assert_int_equal (rp_flow_take (&flow, 500, 3 * SECOND), 3 * SECOND);
  assert_int_equal (rp_flow_take (&flow, 500, 3 * SECOND), 4 * SECOND);
}

static void
numbers_do_not_overflow (void **state)
{
  RpFlow flow = { .bytes_per_second = 1 };

  assert_true (rp_flow_take (&flow, G_MAXUINT64, SECOND) > SECOND);
  assert_true (rp_flow_take (&flow, G_MAXUINT64, SECOND) > SECOND);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (it_lets_through_what_the_rate_says),
    cmocka_unit_test (a_pause_is_not_made_up_for),
    cmocka_unit_test (another_rate_counts_from_then_on),
    cmocka_unit_test (numbers_do_not_overflow),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
