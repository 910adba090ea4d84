#include "check.h"

#include <jansson.h>

#include "registry/policy.h"

#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16

static void
patterns_match_whole_texts (void **unused)
{
  static const struct
  {
    const char *pattern, *text;
    gboolean matches;
  } cases[] = {
    { "shop/web", "shop/web", TRUE },
    { "shop/web", "shop/web2", FALSE },
    { "shop/web", "shop/we", FALSE },
    { "*", "", TRUE },
    { "*", "a/b/c", TRUE },
    { "", "", TRUE },
    { "", "a", FALSE },
    { "shop/*", "shop/a/b", TRUE },
    { "shop/*", "shop/", TRUE },
    { "shop/*", "shop", FALSE },
    { "*/web", "a/b/web", TRUE },
    { "*/web", "a/webs", FALSE },
    { "a*b*c", "abc", TRUE },
    { "a*b*c", "axxbyybzc", TRUE },
    { "a*b*c", "axxbyyb", FALSE },
    { "**a**", "xax", TRUE },
    { "*ab", "aab", TRUE },
    { "*aab", "aaaab", TRUE },
    { "v?", "v1", FALSE }, /* the star alone is special */
    { "v?", "v?", TRUE },
    { "[ab]", "a", FALSE },
    { "v.1", "vx1", FALSE },
    { "\\*", "\\", TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    if (rp_pattern_match (cases[i].pattern, cases[i].text) != cases[i].matches)
      fail_msg ("%s against %s", cases[i].pattern, cases[i].text);
}

/* What backtracks from every star would not come back from this. */
static void
a_hostile_pattern_is_no_work (void **unused)
{
  g_autofree char *text = g_strnfill (10000, 'a');
  g_autoptr (GString) pattern = g_string_new (NULL);

  for (int i = 0; i < 100; i++)
    g_string_append (pattern, "a*");
  g_string_append_c (pattern, 'b');
  assert_false (rp_pattern_match (pattern->str, text));
}

static void
tags_of_signers_are_known (void **unused)
{
  static const struct
  {
    const char *tag;
    gboolean is;
  } cases[] = {
    { "sha256-" HEX64, TRUE },
    { "sha256-" HEX64 ".sig", TRUE },
    { "sha256-" HEX64 ".att", TRUE },
    { "sha256-" HEX64 ".sbom", TRUE },
    { "sha512-" HEX64, TRUE }, /* cut to what fits into a tag */
    { "sha256-" HEX64 ".sig2", FALSE },
    { "sha256-" HEX64 ".exe", FALSE },
    { "sha256-" HEX64 "0", FALSE },
    { "sha256-" HEX16, FALSE },
    { "sha256-", FALSE },
    { "sha1-" HEX64, FALSE },
    { "latest", FALSE },
    { "", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    if (rp_tag_is_signature (cases[i].tag) != cases[i].is)
      fail_msg ("%s", cases[i].tag);
}

static void
modes_say_which_tags_move (void **unused)
{
  char *filters[] = { (char *) "latest", (char *) "dev-*", NULL };
  static const struct
  {
    RpTagMutability mode;
    gboolean excluded_moves, other_moves;
  } cases[] = {
    { RP_TAGS_IMMUTABLE, FALSE, FALSE },
    { RP_TAGS_MUTABLE, TRUE, TRUE },
    { RP_TAGS_IMMUTABLE_WITH_EXCLUSION, TRUE, FALSE },
    { RP_TAGS_MUTABLE_WITH_EXCLUSION, FALSE, TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const RpPolicy policy = { .mutability = cases[i].mode, .exclusions = filters };

      assert_int_equal (rp_policy_tag_may_move (&policy, "latest"), cases[i].excluded_moves);
      assert_int_equal (rp_policy_tag_may_move (&policy, "dev-1"), cases[i].excluded_moves);
      assert_int_equal (rp_policy_tag_may_move (&policy, "1.0"), cases[i].other_moves);
      assert_true (rp_policy_tag_may_move (&policy, "sha256-" HEX64 ".sig"));
    }
}

static void
a_policy_comes_back_as_it_was_set (void **unused)
{
  g_auto (RpPolicy) policy = { .allow_deletion = TRUE };
  g_auto (RpPolicy) again = { 0 };
  g_autoptr (GError) error = NULL;
  json_t *fields = json_pack ("{s:s, s:[s,s], s:s, s:s, s:i}", "tag_mutability",
                              "MUTABLE_WITH_EXCLUSION", "exclusions", "v*", "final", "sparse",
                              "allow", "burnt_tags", "on", "quota_bytes", 12345);
  json_t *json, *back;

  check_ok (rp_policy_update (&policy, fields, &error));
  json = rp_policy_to_json (&policy);
  check_ok (rp_policy_update (&again, json, &error));
  back = rp_policy_to_json (&again);
  assert_true (json_equal (json, back));
  assert_true (again.allow_sparse && again.allow_deletion && again.burnt_tags);
  assert_int_equal (again.quota_bytes, 12345);
  assert_int_equal (g_strv_length (again.exclusions), 2);
  json_decref (back);
  json_decref (json);
  json_decref (fields);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (patterns_match_whole_texts),
    cmocka_unit_test (a_hostile_pattern_is_no_work),
    cmocka_unit_test (tags_of_signers_are_known),
    cmocka_unit_test (modes_say_which_tags_move),
    cmocka_unit_test (a_policy_comes_back_as_it_was_set),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
