#include "check.h"

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"

/* A document as configuration has them: every kind of field, and a list of mappings. */
typedef struct {
  const char *app, *kind;
  gint64 window, trial_ms;
  gboolean strict;
  char **tags;
} Document;

static gboolean
read_environment (const RpYamlNode *node, GError **error)
{
  static const char *const keys[] = { "name", "window", NULL };
  const char *name;
  gint64 window = 3;
  return rp_yaml_expect_map (node, keys, error)
         && rp_yaml_need_string (node, "name", &name, error)
         && rp_yaml_opt_int (node, "window", 1, 1000, &window, error);
}

static gboolean
read_document (const RpYamlNode *root, Document *out, GError **error)
{
  static const char *const keys[]
      = { "app", "kind", "window", "trial", "strict", "tags", "environments", "limits", NULL };
  static const char *const kinds[] = { "deploy", "promote", NULL };
  if (!rp_yaml_expect_map (root, keys, error)
      || !rp_yaml_need_string (root, "app", &out->app, error)
      || !rp_yaml_opt_enum (root, "kind", kinds, &out->kind, error)
      || !rp_yaml_opt_int (root, "window", 1, 1000, &out->window, error)
      || !rp_yaml_opt_duration_ms (root, "trial", &out->trial_ms, error)
      || !rp_yaml_opt_bool (root, "strict", &out->strict, error)
      || !rp_yaml_opt_strv (root, "tags", &out->tags, error))
    return FALSE;
  const RpYamlNode *environments = rp_yaml_get (root, "environments");
  for (gsize i = 0; environments != NULL && i < rp_yaml_count (environments); i++)
    if (!read_environment (rp_yaml_at (environments, i, NULL), error))
      return FALSE;
  return TRUE;
}

static gboolean
read_bytes (const char *name, GBytes *bytes, GError **error)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);
  g_autoptr (RpYaml) yaml = rp_yaml_parse (data, size, name, error);
  Document document = { 0 };
  gboolean ok = yaml != NULL && read_document (rp_yaml_root (yaml), &document, error);
  g_strfreev (document.tags);
  return ok;
}

static char *
expected_message (const char *yaml_path)
{
  g_autofree char *stem = g_strndup (yaml_path, strlen (yaml_path) - strlen (".yaml"));
  g_autofree char *path = g_strconcat (stem, ".expected", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = rp_file_read (path, 4096, &error);
  if (bytes == NULL)
    fail_msg ("%s", error->message);
  gsize size;
  const char *text = g_bytes_get_data (bytes, &size);
  return g_strchomp (g_strndup (text, size));
}

/* Each should-fail-NAME.yaml is refused with exactly the text in should-fail-NAME.expected. */
static void
bad_files_are_refused_with_their_message (void **state)
{
  g_autoptr (GDir) dir = g_dir_open (TEST_DATA_DIR "/yaml", 0, NULL);
  assert_non_null (dir);
  guint wrong = 0, seen = 0;
  for (const char *name = g_dir_read_name (dir); name != NULL; name = g_dir_read_name (dir))
    {
      if (!g_str_has_suffix (name, ".yaml"))
        continue;
      seen++;
      g_autofree char *path = g_build_filename (TEST_DATA_DIR "/yaml", name, NULL);
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) bytes = rp_file_read (path, 1 << 20, &error);
      assert_non_null (bytes);
      g_autofree char *expected = expected_message (path);
      gboolean ok = read_bytes (name, bytes, &error);
      if (ok || error->domain != RP_ERROR || error->code != RP_ERROR_INVALID
          || strcmp (error->message, expected) != 0)
        {
          wrong++;
          print_message ("%s\n  %s\n", name, ok ? "was accepted" : error->message);
        }
    }
  assert_true (seen >= 40);
  assert_int_equal (wrong, 0);
}

static const char good[] = "# shop\n"
                           "app: shop\n"
                           "kind: 'deploy'\n"
                           "window: 5\n"
                           "trial: 30s\n"
                           "strict: true\n"
                           "tags: [\"1.10\", 1.10, a]\n"
                           "limits:\n"
                           "  deep: {a: 1, b: -2.5, c: ~, d: \"7\", e: 1e3, f: no, g: e, h: -}\n"
                           "environments:\n"
                           "  - name: staging\n"
                           "  - {name: production, window: 9}\n";

static void
good_documents_are_read (void **state)
{
  GError *error = NULL;
  g_autoptr (RpYaml) yaml = rp_yaml_parse (good, strlen (good), "good.yaml", &error);
  check_ok (yaml != NULL);
  Document document = { 0 };
  check_ok (read_document (rp_yaml_root (yaml), &document, &error));
  assert_string_equal (document.app, "shop");
  assert_string_equal (document.kind, "deploy");
  assert_int_equal (document.window, 5);
  assert_int_equal (document.trial_ms, 30000);
  assert_true (document.strict);
  assert_int_equal (g_strv_length (document.tags), 3);
  assert_string_equal (document.tags[1], "1.10"); /* a version stays the text it was */
  g_strfreev (document.tags);

  const RpYamlNode *environments = rp_yaml_get (rp_yaml_root (yaml), "environments");
  assert_true (rp_yaml_is_list (environments));
  const RpYamlNode *second = rp_yaml_at (environments, 1, NULL);
  assert_true (rp_yaml_is_map (second));
  const char *key = NULL;
  const RpYamlNode *window = rp_yaml_at (second, 1, &key);
  assert_string_equal (key, "window");
  assert_string_equal (rp_yaml_scalar (window), "9");
  assert_null (rp_yaml_scalar (second));
  assert_null (rp_yaml_get (window, "x"));
  rp_yaml_error (window, &error, "too %s", "wide");
  assert_string_equal (error->message, "good.yaml:12:32: environments[1].window: too wide");
  check_fails (FALSE, RP_ERROR_INVALID);
}

static void
trees_become_json (void **state)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (RpYaml) yaml = rp_yaml_parse (good, strlen (good), "good.yaml", &error);
  g_autoptr (json_t) value = rp_yaml_to_json (rp_yaml_root (yaml));
  g_autofree char *text = rp_json_print (value);
  assert_string_equal (
      text, "{\"app\":\"shop\",\"kind\":\"deploy\",\"window\":5,\"trial\":\"30s\",\"strict\":true,"
            "\"tags\":[\"1.10\",1.1000000000000001,\"a\"],\"limits\":{\"deep\":{\"a\":1,\"b\":-2.5,"
            "\"c\":null,\"d\":\"7\",\"e\":1000.0,\"f\":\"no\",\"g\":\"e\",\"h\":\"-\"}},"
            "\"environments\":[{\"name\":\"staging\"},{\"name\":\"production\",\"window\":9}]}");
}

static void
durations_have_units (void **state)
{
  static const struct {
    const char *text;
    gint64 ms;
  } rows[] = { { "0s", 0 },         { "500ms", 500 },      { "30s", 30000 },
               { "10m", 600000 },   { "2h", 7200000 },     { "7d", 604800000 } };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      GError *error = NULL;
      g_autofree char *text = g_strdup_printf ("trial: %s\n", rows[i].text);
      g_autoptr (RpYaml) yaml = rp_yaml_parse (text, strlen (text), "x", &error);
      gint64 ms = -1;
      check_ok (rp_yaml_opt_duration_ms (rp_yaml_root (yaml), "trial", &ms, &error));
      assert_int_equal (ms, rows[i].ms);
    }
}

static void
large_files_are_refused (void **state)
{
  GError *error = NULL;
  gsize size = (1 << 20) + 1;
  g_autofree char *spaces = g_strnfill (size, ' ');
  g_autoptr (RpYaml) yaml = rp_yaml_parse (spaces, size, "x", &error);
  check_fails (yaml != NULL, RP_ERROR_TOO_LARGE);
}

/* Any prefix and any one changed byte is either a document or an error, never a crash. */
static void
damaged_documents_do_not_crash (void **state)
{
  gsize size = strlen (good);
  for (gsize i = 0; i < size; i++)
    for (int kind = 0; kind < 4; kind++)
      {
        static const char bytes[] = { '\0', '\xff', '{', ':' };
        g_autofree char *text = g_memdup2 (good, size);
        text[i] = bytes[kind];
        g_autoptr (GError) error = NULL;
        g_autoptr (GBytes) whole = g_bytes_new (text, size);
        gboolean ok = read_bytes ("x", whole, &error);
        assert_true (ok == (error == NULL));
        g_clear_error (&error);
        g_autoptr (GBytes) prefix = g_bytes_new (good, i);
        ok = read_bytes ("x", prefix, &error);
        assert_true (ok == (error == NULL));
      }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (bad_files_are_refused_with_their_message),
    cmocka_unit_test (good_documents_are_read),
    cmocka_unit_test (trees_become_json),
    cmocka_unit_test (durations_have_units),
    cmocka_unit_test (large_files_are_refused),
    cmocka_unit_test (damaged_documents_do_not_crash),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
