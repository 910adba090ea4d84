#include "check.h"

#include <errno.h>

static void
names_are_unique_and_return (void **state)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  for (int code = 0; code < RP_ERROR_N_CODES; code++)
    {
      g_autoptr (GError) error = g_error_new_literal (RP_ERROR, code, "x");
      assert_true (g_hash_table_add (seen, (gpointer)rp_error_name (error)));
      assert_int_equal (rp_error_from_name (rp_error_name (error)), code);
      assert_in_range (rp_error_http_status (error), 400, 599);
      assert_in_range (rp_error_exit_status (error), RP_EXIT_FAILED, RP_EXIT_ROLLED_BACK);
      assert_non_null (rp_error_oci_code (error));
    }
}

static void
strangers_count_as_failed (void **state)
{
  g_autoptr (GError) other = g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_IO, "x");
  assert_string_equal (rp_error_name (other), "failed");
  assert_int_equal (rp_error_http_status (other), 500);
  g_autoptr (GError) beyond = g_error_new_literal (RP_ERROR, RP_ERROR_N_CODES, "x");
  assert_string_equal (rp_error_name (beyond), "failed");
  assert_string_equal (rp_error_name (NULL), "failed");
  assert_int_equal (rp_error_from_name ("no-such-name"), RP_ERROR_FAILED);
  assert_int_equal (rp_error_from_name (NULL), RP_ERROR_FAILED);
}

static void
errno_becomes_a_code (void **state)
{
  static const struct {
    int err;
    RpErrorCode code;
  } rows[] = {
    { ENOSPC, RP_ERROR_NO_SPACE }, { EDQUOT, RP_ERROR_NO_SPACE }, { EFBIG, RP_ERROR_NO_SPACE },
    { EACCES, RP_ERROR_FAILED },   { ENOENT, RP_ERROR_FAILED },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      assert_false (rp_error_set_errno (&error, rows[i].err, "writing %s", "here"));
      assert_true (g_error_matches (error, RP_ERROR, (int)rows[i].code));
      g_autofree char *text = g_strdup_printf ("writing here: %s", g_strerror (rows[i].err));
      assert_string_equal (error->message, text);
    }
  assert_false (rp_error_set_errno (NULL, EIO, "nobody listens"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (names_are_unique_and_return),
    cmocka_unit_test (strangers_count_as_failed),
    cmocka_unit_test (errno_becomes_a_code),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
