/* WWW-Authenticate of registries, as they are met. */
#include "check.h"

#include "oci/challenge.h"

static const struct {
  const char *text;
  const char *realm;
  const char *service;
} rows[] = {
  { NULL, NULL, NULL },
  { "", NULL, NULL },
  { "Basic realm=\"upstream\"", NULL, NULL },
  { "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"",
    "https://auth.docker.io/token", "registry.docker.io" },
  { "bearer service=s , realm=\"http://a/t?x=1,2\",scope=\"repository:a/b:pull\"", "http://a/t?x=1,2",
    "s" },
  { "Bearer realm=\"a\\\"b\"", "a\"b", NULL },
  { "Bearer realm=\"unterminated", "unterminated", NULL },
  { "Bearer realm=\"first\",realm=\"second\"", "first", NULL },
  { "Bearer ,,,= =x realm", NULL, NULL },
  { "Bearer", NULL, NULL },
};

static void
test_challenges (void **state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (RpChallenge) challenge = { 0 };
      rp_challenge_parse (rows[i].text, &challenge);
      assert_true (g_strcmp0 (challenge.realm, rows[i].realm) == 0);
      assert_true (g_strcmp0 (challenge.service, rows[i].service) == 0);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (test_challenges) };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
