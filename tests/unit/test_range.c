#include "check.h"

#include "server/range.h"

static void
test_range (void **state)
{
  static const struct {
    const char *header;
    guint64 size;
    RpRangeKind kind;
    guint64 first, last;
  } cases[] = {
    { NULL, 2048, RP_RANGE_WHOLE },
    { "", 2048, RP_RANGE_WHOLE },
    { "bytes=500-1499", 2048, RP_RANGE_PART, 500, 1499 },
    { "Bytes=0-0", 2048, RP_RANGE_PART, 0, 0 },
    { "bytes= 500-", 2048, RP_RANGE_PART, 500, 2047 },
    { "bytes=-500", 2048, RP_RANGE_PART, 1548, 2047 },
    { "bytes=-5000", 2048, RP_RANGE_PART, 0, 2047 },
    { "bytes=2000-5000", 2048, RP_RANGE_PART, 2000, 2047 },
    { "bytes=2047-2047", 2048, RP_RANGE_PART, 2047, 2047 },
    { "bytes=0-99999999999999999999999999", 2048, RP_RANGE_PART, 0, 2047 },
    { "bytes=500-0", 2048, RP_RANGE_UNSATISFIABLE },
    { "bytes=2048-", 2048, RP_RANGE_UNSATISFIABLE },
    { "bytes=5000-10000", 2048, RP_RANGE_UNSATISFIABLE },
    { "bytes=-0", 2048, RP_RANGE_UNSATISFIABLE },
    { "bytes=99999999999999999999999999-", 2048, RP_RANGE_UNSATISFIABLE },
    { "bytes=0-", 0, RP_RANGE_UNSATISFIABLE },
    { "bytes=-1", 0, RP_RANGE_UNSATISFIABLE },
    { "bytes=0-1,4-5", 2048, RP_RANGE_WHOLE },
    { "bytes=abc", 2048, RP_RANGE_WHOLE },
    { "bytes=1", 2048, RP_RANGE_WHOLE },
    { "bytes=-", 2048, RP_RANGE_WHOLE },
    { "bytes=1-2x", 2048, RP_RANGE_WHOLE },
    { "items=1-2", 2048, RP_RANGE_WHOLE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      RpByteRange range = { 0 };
      RpRangeKind kind = rp_range_parse (cases[i].header, cases[i].size, &range);
      if (kind != cases[i].kind
          || (kind == RP_RANGE_PART
              && (range.first != cases[i].first || range.last != cases[i].last)))
        fail_msg ("%s: kind %d, %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, cases[i].header, kind,
                  range.first, range.last);
    }
}

static void
test_content_range (void **state)
{
  static const struct {
    const char *header;
    guint64 first, last;
  } good[] = {
    { "0-0", 0, 0 },
    { "0-1048575", 0, 1048575 },
    { " 5-9 ", 5, 9 },
    { "bytes 5-9/10", 5, 9 },
    { "bytes=5-9/*", 5, 9 },
  };
  static const char *const bad[]
      = { "", "0", "-5", "5-", "9-5", "a-b", "0-1 x", "0 - 1", "bytes", "0-9223372036854775807",
          "99999999999999999999-99999999999999999999", "1-2-3" };

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      RpByteRange range = { 0 };
      check_ok (rp_content_range_parse (good[i].header, &range, &error));
      assert_int_equal (range.first, good[i].first);
      assert_int_equal (range.last, good[i].last);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      RpByteRange range = { 0 };
      check_fails (rp_content_range_parse (bad[i], &range, &error), RP_ERROR_UPLOAD_INVALID);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_range),
    cmocka_unit_test (test_content_range),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
