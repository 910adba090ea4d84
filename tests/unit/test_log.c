#include "check.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

/* Standard error is a file while `rp_log` writes; returns what came. g_free(). */
static char *
logged (RpLogLevel level, const char *text)
{
  rp_autofd int file = open (g_get_tmp_dir (), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  rp_autofd int saved = dup (STDERR_FILENO);
  assert_true (file >= 0 && saved >= 0);
  dup2 (file, STDERR_FILENO);
  rp_log (level, "store", "%s", text);
  dup2 (saved, STDERR_FILENO);
  char out[512] = "";
  assert_true (pread (file, out, sizeof out - 1, 0) >= 0);
  return g_strdup (out);
}

static void
level_decides (void **state)
{
  g_autofree char *silent = logged (RP_LOG_DEBUG, "x");
  assert_string_equal (silent, "");
  rp_log_set_level (RP_LOG_DEBUG);
  g_autofree char *spoken = logged (RP_LOG_DEBUG, "x");
  check_contains (spoken, "Z debug store: x\n");
  rp_log_set_level (RP_LOG_INFO);
}

static void
one_message_is_one_line (void **state)
{
  g_autofree char *text = logged (RP_LOG_WARNING, "a\nb\033[31mc");
  check_contains (text, "warning store: a b [31mc\n");
  assert_ptr_equal (strchr (text, '\n'), text + strlen (text) - 1);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (level_decides),
    cmocka_unit_test (one_message_is_one_line),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
