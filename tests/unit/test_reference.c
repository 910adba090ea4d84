#include "oci/reference.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
repository_names (void **state)
{
  static const struct {
    const char *name;
    gboolean good;
  } cases[] = {
    { "a", TRUE },           { "shop/web", TRUE },      { "a.b/c_d/e__f/g-h/i---j", TRUE },
    { "0/1", TRUE },         { "foo/blobs/uploads", TRUE }, { "", FALSE },
    { "/", FALSE },          { "a/", FALSE },           { "/a", FALSE },
    { "a//b", FALSE },       { "A", FALSE },            { "a..b", FALSE },
    { "a___b", FALSE },      { "a._b", FALSE },         { "a.", FALSE },
    { "-a", FALSE },         { "a-", FALSE },           { "a/../b", FALSE },
    { "a b", FALSE },        { "a\n", FALSE },          { "ä", FALSE },
    { "a:b", FALSE },        { "a@b", FALSE },          { "a/.b", FALSE },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    if (rp_repository_check (cases[i].name, &error) != cases[i].good)
      fail_msg ("\"%s\": %s", cases[i].name, error ? error->message : "taken");
    if (!cases[i].good)
      assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_NAME_INVALID));
  }
}

static void
repository_length (void **state)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *longest = g_strnfill (RP_REPOSITORY_MAX, 'a');
  g_autofree char *longer = g_strnfill (RP_REPOSITORY_MAX + 1, 'a');
  assert_true (rp_repository_check (longest, NULL));
  assert_false (rp_repository_check (longer, &error));
  assert_non_null (strstr (error->message, "at most 255"));
}

static void
tags (void **state)
{
  static const struct {
    const char *tag;
    gboolean good;
  } cases[] = {
    { "latest", TRUE }, { "1.2.0", TRUE }, { "_x", TRUE },   { "V1-rc.1_b", TRUE }, { "", FALSE },
    { ".a", FALSE },    { "-a", FALSE },   { "a b", FALSE }, { "a/b", FALSE },      { "a:b", FALSE },
    { "ä", FALSE },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    if (rp_tag_check (cases[i].tag, &error) != cases[i].good)
      fail_msg ("\"%s\": %s", cases[i].tag, error ? error->message : "taken");
    if (!cases[i].good)
      assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_MANIFEST_INVALID));
  }
  g_autofree char *longest = g_strnfill (128, 'a');
  g_autofree char *longer = g_strnfill (129, 'a');
  assert_true (rp_tag_check (longest, NULL));
  assert_false (rp_tag_check (longer, NULL));
}

static void
good_references (void **state)
{
  static const struct {
    const char *text, *registry, *repository, *tag;
    gboolean has_digest;
  } cases[] = {
    { "shop/web:1.2", NULL, "shop/web", "1.2", FALSE },
    { "web:1", NULL, "web", "1", FALSE },
    { "shop/web@sha256:" HEX64, NULL, "shop/web", NULL, TRUE },
    { "shop/web:1@sha256:" HEX64, NULL, "shop/web", "1", TRUE },
    { "127.0.0.1:5000/shop/web:1", "127.0.0.1:5000", "shop/web", "1", FALSE },
    { "localhost/web:1", "localhost", "web", "1", FALSE },
    { "host:5000/a@sha256:" HEX64, "host:5000", "a", NULL, TRUE },
    { "registry.example.org/a/b:x", "registry.example.org", "a/b", "x", FALSE },
    { "[::1]:5000/a:x", "[::1]:5000", "a", "x", FALSE },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (RpReference) reference = { 0 };
    g_autoptr (GError) error = NULL;
    if (!rp_reference_parse (cases[i].text, &reference, &error))
      fail_msg ("%s", error->message);
    assert_true (g_strcmp0 (reference.registry, cases[i].registry) == 0);
    assert_string_equal (reference.repository, cases[i].repository);
    assert_true (g_strcmp0 (reference.tag, cases[i].tag) == 0);
    assert_int_equal (reference.has_digest, cases[i].has_digest);
    g_autofree char *text = rp_reference_to_string (&reference);
    assert_string_equal (text, cases[i].text);
  }
}

static void
bad_references (void **state)
{
  static const struct {
    const char *text, *says;
  } cases[] = {
    { "", "repository name" },
    { "shop/web", "neither a tag nor a digest" },
    { "Shop/web:1", "repository name" },
    { "shop/web:", "tag \"\"" },
    { "shop/web:1/2", "repository name" },
    { "shop/web@sha256:abcd", "sha256" },
    { "shop/web@", "digest" },
    { "host:port/web:1", "not a registry address" },
    { "host:99999/web:1", "not a registry address" },
    { "[::1/web:1", "not a registry address" },
    { "ho_st.x/web:1", "not a registry address" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    RpReference reference = { .registry = NULL };
    g_autoptr (GError) error = NULL;
    if (rp_reference_parse (cases[i].text, &reference, &error))
      fail_msg ("\"%s\" was taken", cases[i].text);
    assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_INVALID));
    if (!strstr (error->message, cases[i].says))
      fail_msg ("\"%s\" does not say \"%s\"", error->message, cases[i].says);
    assert_null (reference.repository);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (repository_names), cmocka_unit_test (repository_length),
    cmocka_unit_test (tags),             cmocka_unit_test (good_references),
    cmocka_unit_test (bad_references),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
