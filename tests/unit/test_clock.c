#include "check.h"

#include "base/clock.h"

static void
times_go_there_and_back (void **state)
{
  static const struct {
    const char *text;
    gint64 us;
    const char *canonical;
  } rows[] = {
    { "1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000Z" },
    { "2026-11-24T14:05:09.123Z", 1795529109123000, NULL },
    { "2026-11-24T15:05:09.123+01:00", 1795529109123000, "2026-11-24T14:05:09.123Z" },
    { "1969-12-31T23:59:59.999Z", -1000, NULL },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      GError *error = NULL;
      gint64 us = 1;
      check_ok (rp_clock_parse (rows[i].text, &us, &error));
      assert_true (us == rows[i].us);
      g_autofree char *text = rp_clock_format (us);
      assert_string_equal (text, rows[i].canonical != NULL ? rows[i].canonical : rows[i].text);
    }
}

static void
other_texts_are_refused (void **state)
{
  static const char *const bad[] = { NULL,
                                     "",
                                     "yesterday",
                                     "2026-11-24",
                                     "2026-11-24 14:05:09Z",
                                     "2026-13-24T14:05:09Z",
                                     "2026-11-24T25:05:09Z",
                                     "2026-11-24T14:05:09",
                                     "20261124T140509.000Z",
                                     "2026-11-24T14:05:09.123Zjunk" };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      GError *error = NULL;
      gint64 us = 42;
      check_fails (rp_clock_parse (bad[i], &us, &error), RP_ERROR_INVALID);
      assert_int_equal (us, 42);
    }
}

static void
ages_are_short (void **state)
{
  static const struct {
    gint64 seconds;
    const char *text;
  } rows[] = { { -5, "0 s" },       { 4, "4 s" },      { 119, "119 s" },    { 120, "2 min" },
               { 7199, "119 min" }, { 7200, "2 h" },   { 172799, "47 h" },  { 172800, "2 d" },
               { 8640000, "100 d" } };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *text = rp_clock_format_age (rows[i].seconds * G_USEC_PER_SEC);
      assert_string_equal (text, rows[i].text);
    }
}

static void
now_moves_forward (void **state)
{
  gint64 first = rp_clock_monotonic_us ();
  assert_true (rp_clock_monotonic_us () >= first);
  assert_true (rp_clock_now_us () > 1700000000 * (gint64)G_USEC_PER_SEC);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (times_go_there_and_back),
    cmocka_unit_test (other_texts_are_refused),
    cmocka_unit_test (ages_are_short),
    cmocka_unit_test (now_moves_forward),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
