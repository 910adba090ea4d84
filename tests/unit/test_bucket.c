#include "check.h"

#include "base/bucket.h"

#define SECOND ((gint64) G_USEC_PER_SEC)

static const struct {
  const char *text;
  gint64 tokens, per_s; /* tokens -1: refused */
} rates[] = {
  { "off", 0, 0 },         { "1/s", 1, 1 },        { "600/m", 600, 60 },  { "10000/h", 10000, 3600 },
  { "1000000/s", 1000000, 1 }, { "1000001/s", -1, 0 }, { "0/s", -1, 0 },  { "-1/s", -1, 0 },
  { "1", -1, 0 },          { "1/", -1, 0 },        { "/s", -1, 0 },       { "1/d", -1, 0 },
  { "1/ss", -1, 0 },       { "1 /s", -1, 0 },      { "1/s ", -1, 0 },     { "OFF", -1, 0 },
  { "", -1, 0 },           { "1/s/s", -1, 0 },     { "99999999999999999999/s", -1, 0 },
};

static void
rates_are_read (void **state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rates); i++)
    {
      RpRate rate = { .tokens = 77, .per_us = 77 };
      gboolean good = rp_rate_parse (rates[i].text, &rate);
      if (good != (rates[i].tokens >= 0))
        fail_msg ("\"%s\": %d", rates[i].text, good);
      assert_int_equal (rate.tokens, good ? rates[i].tokens : 77);
      assert_int_equal (rate.per_us, good ? rates[i].per_s * SECOND : 77);
    }
}

static RpBuckets *
make (const char *text)
{
  RpBuckets *buckets = rp_buckets_new ();
  RpRate rate;

  assert_true (rp_rate_parse (text, &rate));
  rp_buckets_set_rate (buckets, &rate);
  return buckets;
}

/* How many get through at this moment. */
static guint
drain (RpBuckets *buckets, const char *name, gint64 now_us)
{
  guint taken = 0;

  while (rp_buckets_take (buckets, name, now_us) == 0)
    if (++taken > 2000000)
      fail_msg ("no end");
  return taken;
}

static void
a_bucket_holds_a_period_and_fills_evenly (void **state)
{
  RpBuckets *buckets = make ("60/m");
  gint64 now = 1000 * SECOND;

  assert_int_equal (drain (buckets, "a", now), 60);
  assert_int_equal (rp_buckets_take (buckets, "a", now), SECOND);
  assert_int_equal (rp_buckets_take (buckets, "a", now + SECOND - 1), 1);
  assert_int_equal (drain (buckets, "a", now + SECOND), 1);
  assert_int_equal (drain (buckets, "a", now + 11 * SECOND), 10);
  assert_int_equal (drain (buckets, "a", now + 3600 * SECOND), 60); /* it holds no more */
  rp_buckets_free (buckets);
}

static void
who_keeps_to_the_rate_is_never_refused (void **state)
{
  RpBuckets *buckets = make ("7/s"); /* which a microsecond does not divide */
  gint64 now = 0;

  assert_int_equal (drain (buckets, "a", now), 7);
  for (guint i = 1; i <= 7000; i++)
    assert_int_equal (rp_buckets_take (buckets, "a", (i * SECOND + 6) / 7), 0);
  assert_int_equal (drain (buckets, "a", 1000 * SECOND), 0);
  rp_buckets_free (buckets);
}

static void
refusals_cost_nothing_and_names_are_apart (void **state)
{
  RpBuckets *buckets = make ("2/h");
  gint64 now = 5 * SECOND;

  assert_int_equal (drain (buckets, "a", now), 2);
  for (guint i = 0; i < 100; i++)
    assert_int_equal (rp_buckets_take (buckets, "a", now), 1800 * SECOND);
  assert_int_equal (drain (buckets, "b", now), 2);
  rp_buckets_free (buckets);
}

static void
another_rate_begins_anew_and_the_same_does_not (void **state)
{
  RpBuckets *buckets = make ("2/h");
  RpRate same = rp_buckets_rate (buckets), off = { 0 }, other = { .tokens = 3, .per_us = SECOND };

  assert_int_equal (drain (buckets, "a", 0), 2);
  rp_buckets_set_rate (buckets, &same);
  assert_int_equal (drain (buckets, "a", 0), 0);
  rp_buckets_set_rate (buckets, &other);
  assert_int_equal (drain (buckets, "a", 0), 3);
  assert_true (rp_buckets_is_on (buckets));
  rp_buckets_set_rate (buckets, &off);
  assert_false (rp_buckets_is_on (buckets));
  for (guint i = 0; i < 1000; i++)
    assert_int_equal (rp_buckets_take (buckets, "a", 0), 0);
  assert_int_equal (rp_buckets_count (buckets), 0);
  rp_buckets_free (buckets);
}

static void
memory_is_bounded (void **state)
{
  RpBuckets *buckets = make ("1/h");
  guint most = 0;

  for (guint i = 0; i < 300000; i++)
    {
      char name[16];
      g_snprintf (name, sizeof name, "%u", i);
      assert_int_equal (rp_buckets_take (buckets, name, i), 0);
      most = MAX (most, rp_buckets_count (buckets));
    }
  assert_in_range (most, 1000, 70000);
  rp_buckets_free (buckets);
}

/* Those whose bucket is not full again are remembered where forgetting the others makes room. */
static void
the_idle_are_forgotten_first (void **state)
{
  RpBuckets *buckets = make ("1/s");
  gint64 later = 10 * SECOND;

  for (guint i = 0; i < 65535; i++)
    {
      char name[16];
      g_snprintf (name, sizeof name, "%u", i);
      assert_int_equal (rp_buckets_take (buckets, name, 0), 0);
    }
  assert_int_equal (rp_buckets_take (buckets, "busy", later), 0);
  assert_int_equal (rp_buckets_take (buckets, "new", later), 0);
  assert_int_equal (rp_buckets_count (buckets), 2);
  assert_int_equal (drain (buckets, "busy", later), 0);
  rp_buckets_free (buckets);
}

static gpointer
taker (gpointer data)
{
  return GUINT_TO_POINTER (drain (data, "a", 0));
}

static void
threads_share_what_there_is (void **state)
{
  RpBuckets *buckets = make ("5000/h");
  GThread *threads[4];
  guint taken = 0;

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("taker", taker, buckets);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    taken += GPOINTER_TO_UINT (g_thread_join (threads[i]));
  assert_int_equal (taken, 5000);
  rp_buckets_free (buckets);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (rates_are_read),
    cmocka_unit_test (a_bucket_holds_a_period_and_fills_evenly),
    cmocka_unit_test (who_keeps_to_the_rate_is_never_refused),
    cmocka_unit_test (refusals_cost_nothing_and_names_are_apart),
    cmocka_unit_test (another_rate_begins_anew_and_the_same_does_not),
    cmocka_unit_test (memory_is_bounded),
    cmocka_unit_test (the_idle_are_forgotten_first),
    cmocka_unit_test (threads_share_what_there_is),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
