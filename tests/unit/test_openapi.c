/* docs/openapi.yaml and the route table are two accounts of one thing: they must say the same. */
#include "check.h"

#include "base/file.h"
#include "base/yaml.h"
#include "server/route.h"

static RpYaml *
load_description (void)
{
  GError *error = NULL;
  g_autofree char *path
      = g_build_filename (TEST_DATA_DIR, "..", "..", "..", "docs", "openapi.yaml", NULL);
  g_autoptr (GBytes) bytes = rp_file_read (path, 1 << 20, &error);
  check_ok (bytes != NULL);
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);
  RpYaml *yaml = rp_yaml_parse (data, size, "openapi.yaml", &error);
  check_ok (yaml != NULL);
  return yaml;
}

static const RpYamlNode *
find_operation (const RpYamlNode *paths, const RpRoute *route)
{
  g_autofree char *method = g_ascii_strdown (route->method, -1);
  const RpYamlNode *path = rp_yaml_get (paths, route->template);
  return path == NULL ? NULL : rp_yaml_get (path, method);
}

static void
test_every_route_is_described (void **unused)
{
  g_autoptr (RpYaml) yaml = load_description ();
  const RpYamlNode *paths = rp_yaml_get (rp_yaml_root (yaml), "paths");
  for (const RpRoute *route = rp_api_routes; route->method != NULL; route++)
    {
      const RpYamlNode *operation = find_operation (paths, route);
      if (operation == NULL)
        fail_msg ("%s %s is not described", route->method, route->template);
      assert_string_equal (rp_yaml_scalar (rp_yaml_get (operation, "summary")), route->summary);
    }
}

static gboolean
has_route (const char *method, const char *template)
{
  for (const RpRoute *route = rp_api_routes; route->method != NULL; route++)
    if (g_ascii_strcasecmp (route->method, method) == 0 && g_str_equal (route->template, template))
      return TRUE;
  return FALSE;
}

static void
test_every_description_is_a_route (void **unused)
{
  g_autoptr (RpYaml) yaml = load_description ();
  const RpYamlNode *paths = rp_yaml_get (rp_yaml_root (yaml), "paths");
  gsize found = 0;
  for (gsize i = 0; i < rp_yaml_count (paths); i++)
    {
      const char *template;
      const RpYamlNode *path = rp_yaml_at (paths, i, &template);
      for (gsize j = 0; j < rp_yaml_count (path); j++)
        {
          const char *method;
          (void) rp_yaml_at (path, j, &method);
          if (g_str_equal (method, "parameters"))
            continue;
          if (!has_route (method, template))
            fail_msg ("%s %s is described but no route", method, template);
          found++;
        }
    }
  assert_true (found > 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_every_route_is_described),
    cmocka_unit_test (test_every_description_is_a_route),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
