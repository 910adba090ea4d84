#include "check.h"

#include "base/size.h"

static void
sizes_are_read (void **state)
{
  static const struct {
    const char *text;
    gint64 bytes; /* -1: refused */
  } rows[] = {
    { "0", 0 },
    { "17", 17 },
    { "17B", 17 },
    { "17b", 17 },
    { "1k", 1000 },
    { "1kB", 1000 },
    { "1KB", 1000 },
    { "1KiB", 1024 },
    { "1ki", 1024 },
    { "500MB", 500000000 },
    { "10GB", G_GINT64_CONSTANT (10000000000) },
    { "10gi", G_GINT64_CONSTANT (10) << 30 },
    { "2TiB", G_GINT64_CONSTANT (2) << 40 },
    { "9007199254740992", RP_SIZE_MAX },
    { "8192TiB", RP_SIZE_MAX },
    { "9007199254740993", -1 },
    { "8193TiB", -1 },
    { "99999999999999999999", -1 },
    { "", -1 },
    { "GB", -1 },
    { "-1", -1 },
    { "1.5GB", -1 },
    { "1 GB", -1 },
    { " 1", -1 },
    { "1iB", -1 },
    { "1kk", -1 },
    { "1GBB", -1 },
    { "1PB", -1 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      gint64 bytes = -7;
      gboolean ok = rp_size_parse (rows[i].text, &bytes);
      if (ok != (rows[i].bytes >= 0) || bytes != (ok ? rows[i].bytes : -7))
        fail_msg ("\"%s\": %d, %" G_GINT64_FORMAT, rows[i].text, ok, bytes);
    }
}

static void
sizes_are_written (void **state)
{
  static const struct {
    gint64 bytes;
    const char *text;
  } rows[] = {
    { 0, "0 B" },
    { 999, "999 B" },
    { 1000, "1.0 kB" },
    { 999949, "999.9 kB" },
    { 999951, "1.0 MB" },
    { 12345678, "12.3 MB" },
    { RP_SIZE_MAX, "9.0 PB" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *text = rp_size_format (rows[i].bytes);
      assert_string_equal (text, rows[i].text);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[]
      = { cmocka_unit_test (sizes_are_read), cmocka_unit_test (sizes_are_written) };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
