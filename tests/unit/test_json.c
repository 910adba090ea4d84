#include "check.h"

#include "base/json.h"

static void
bad_json_is_refused_with_its_place (void **state)
{
  static const struct {
    const char *text;
    gsize size; /* 0: strlen */
    const char *message;
  } rows[] = {
    { "", 0, "line 1, column 0" },
    { "{\n  \"a\": ,\n}", 0, "line 2, column 8" },
    { "{\"a\":1,\"a\":2}", 0, "duplicate" },
    { "{} {}", 0, "line 1, column 4" },
    { "\"a\\u0000b\"", 0, "\\u0000" },
    { "\"a\0b\"", 5, "line 1" },
    { "{\"a\":\"\xff\"}", 0, "line 1" },
    { "123456789012345678901234567890", 0, "too big" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      gsize size = rows[i].size != 0 ? rows[i].size : strlen (rows[i].text);
      g_autoptr (json_t) value = rp_json_parse (rows[i].text, size, "report", &error);
      assert_null (value);
      assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_INVALID));
      check_contains (error->message, "report: ");
      check_contains (error->message, rows[i].message);
    }
}

static void
deep_nesting_is_refused (void **state)
{
  g_autofree char *deep = g_strnfill (100 * 1000, '[');
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) value = rp_json_parse (deep, strlen (deep), "report", &error);
  assert_null (value);
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_INVALID));
}

static void
canonical_is_sorted_and_compact (void **state)
{
  static const char text[] = "{ \"b\": [1, true], \"a\": { \"z\": null, \"y\": \"\xc3\xa9\\n\" } }";
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) value = rp_json_parse (text, strlen (text), "x", &error);
  assert_non_null (value);
  g_autofree char *canonical = rp_json_canonical (value);
  assert_string_equal (canonical, "{\"a\":{\"y\":\"\xc3\xa9\\n\",\"z\":null},\"b\":[1,true]}");
  g_autofree char *printed = rp_json_print (value);
  assert_string_equal (printed, "{\"b\":[1,true],\"a\":{\"z\":null,\"y\":\"\xc3\xa9\\n\"}}");
}

static void
fields_say_what_is_wrong (void **state)
{
  static const char text[]
      = "{\"s\":\"x\",\"i\":7,\"o\":{},\"l\":[],\"b\":true,\"n\":null,\"r\":1.5}";
  GError *error = NULL;
  g_autoptr (json_t) object = rp_json_parse (text, strlen (text), "release", &error);
  const char *s = "default";
  gint64 i = 42;
  gboolean b = FALSE;
  json_t *child = NULL;

  check_ok (rp_json_need_string (object, "s", "release", &s, &error));
  assert_string_equal (s, "x");
  check_ok (rp_json_need_int (object, "i", "release", &i, &error));
  assert_int_equal (i, 7);
  check_ok (rp_json_need_object (object, "o", "release", &child, &error));
  check_ok (rp_json_need_array (object, "l", "release", &child, &error));
  check_ok (rp_json_opt_bool (object, "b", "release", &b, &error));
  assert_true (b);

  s = "default";
  check_ok (rp_json_opt_string (object, "absent", "release", &s, &error));
  check_ok (rp_json_opt_string (object, "n", "release", &s, &error));
  check_ok (rp_json_opt_int (object, "n", "release", &i, &error));
  assert_string_equal (s, "default");
  assert_int_equal (i, 7);

  assert_false (rp_json_need_string (object, "i", "release", &s, &error));
  assert_string_equal (error->message, "release.i: expected a string, found a number");
  check_fails (FALSE, RP_ERROR_INVALID);
  assert_false (rp_json_need_string (object, "absent", "release", &s, &error));
  assert_string_equal (error->message,
                       "release.absent: expected a string, but the field is missing");
  check_fails (FALSE, RP_ERROR_INVALID);
  check_fails (rp_json_need_string (object, "n", "release", &s, &error), RP_ERROR_INVALID);
  check_fails (rp_json_need_int (object, "r", "release", &i, &error), RP_ERROR_INVALID);
  check_fails (rp_json_need_object (object, "l", "release", &child, &error), RP_ERROR_INVALID);
  check_fails (rp_json_need_array (object, "o", "release", &child, &error), RP_ERROR_INVALID);
  check_fails (rp_json_opt_string (object, "i", "release", &s, &error), RP_ERROR_INVALID);
  check_fails (rp_json_opt_int (object, "s", "release", &i, &error), RP_ERROR_INVALID);
  check_fails (rp_json_opt_bool (object, "i", "release", &b, &error), RP_ERROR_INVALID);
  check_fails (rp_json_opt_bool (child, "i", "release", &b, &error), RP_ERROR_INVALID);
  assert_string_equal (s, "default");

  assert_string_equal (rp_json_str (object, "s"), "x");
  assert_null (rp_json_str (object, "i"));
  assert_int_equal (rp_json_int (object, "i"), 7);
  assert_int_equal (rp_json_int (object, "absent"), 0);
  assert_true (rp_json_bool (object, "b"));
  assert_false (rp_json_bool (object, "s"));
}

static void
unknown_fields_are_refused (void **state)
{
  static const char *const keys[] = { "label", "expires_in_s", NULL };
  static const char text[] = "{\"label\":\"x\",\"expires_in\":60}";
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) object = rp_json_parse (text, strlen (text), "token", &error);
  g_autoptr (json_t) none = json_object ();

  assert_true (rp_json_only (none, keys, "token", &error));
  assert_false (rp_json_only (object, keys, "token", &error));
  assert_string_equal (error->message,
                       "token.expires_in: unknown field; did you mean \"expires_in_s\"? Known here: label, expires_in_s");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (bad_json_is_refused_with_its_place),
    cmocka_unit_test (deep_nesting_is_refused),
    cmocka_unit_test (canonical_is_sorted_and_compact),
    cmocka_unit_test (fields_say_what_is_wrong),
    cmocka_unit_test (unknown_fields_are_refused),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
