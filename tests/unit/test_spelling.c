#include "check.h"

#include "base/spelling.h"

static void
slips_find_the_word (void **state)
{
  static const char *const known[] = { "window", "targets", "trial", "on_failure", NULL };
  static const struct {
    const char *word, *nearest;
  } rows[] = {
    { "windwo", "window" },     { "window", "window" }, { "target", "targets" },
    { "trail", "trial" },       { "onfailure", "on_failure" },
    { "environments", NULL },   { "x", NULL },          { "", NULL },
    { "wondering-window", NULL },
    { "a-word-longer-than-anything-that-anybody-would-ever-use-as-a-key-in-a-file", NULL },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const char *nearest = rp_spelling_nearest (rows[i].word, known);
      if (g_strcmp0 (nearest, rows[i].nearest) != 0)
        fail_msg ("%s: got %s", rows[i].word, nearest != NULL ? nearest : "nothing");
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (slips_find_the_word) };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
