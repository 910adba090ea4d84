#include "base/json.h"
#include "base/yaml.h"

#include "fuzz.h"

/* Asks every node for everything, as a careless configuration reader would. */
static void
walk (const RpYamlNode *node)
{
  static const char *const keys[] = { "app", "environments", "name", NULL };
  GError *error = NULL;
  gboolean ok = rp_yaml_expect_map (node, keys, &error);
  fuzz_check (ok, &error);
  g_assert (rp_yaml_is_map (node) + rp_yaml_is_list (node) + rp_yaml_is_scalar (node) == 1);
  g_assert ((rp_yaml_scalar (node) != NULL) == rp_yaml_is_scalar (node));
  if (!rp_yaml_is_map (node) && !rp_yaml_is_list (node))
    return;
  for (gsize i = 0; i < rp_yaml_count (node); i++)
    {
      const char *key = NULL;
      const RpYamlNode *child = rp_yaml_at (node, i, &key);
      g_assert (child != NULL);
      g_assert (!rp_yaml_is_map (node) || (key != NULL && rp_yaml_get (node, key) == child));
      walk (child);
    }
}

static void
read_fields (const RpYamlNode *map)
{
  static const char *const values[] = { "stop", "rollback", NULL };
  for (gsize i = 0; i < rp_yaml_count (map); i++)
    {
      const char *key = NULL, *text = NULL;
      gint64 number = 0;
      gboolean truth = FALSE;
      g_auto (GStrv) list = NULL;
      GError *errors[6] = { NULL };
      rp_yaml_at (map, i, &key);
      fuzz_check (rp_yaml_need_string (map, key, &text, &errors[0]), &errors[0]);
      fuzz_check (rp_yaml_opt_enum (map, key, values, &text, &errors[1]), &errors[1]);
      fuzz_check (rp_yaml_opt_int (map, key, -5, 5, &number, &errors[2]), &errors[2]);
      g_assert (number >= -5 && number <= 5);
      fuzz_check (rp_yaml_opt_bool (map, key, &truth, &errors[3]), &errors[3]);
      fuzz_check (rp_yaml_opt_duration_ms (map, key, &number, &errors[4]), &errors[4]);
      fuzz_check (rp_yaml_opt_strv (map, key, &list, &errors[5]), &errors[5]);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autoptr (RpYaml) yaml = rp_yaml_parse (data, size, "fuzz.yaml", &error);
  fuzz_check (yaml != NULL, &error);
  if (yaml == NULL)
    return 0;
  const RpYamlNode *root = rp_yaml_root (yaml);
  walk (root);
  if (rp_yaml_is_map (root))
    read_fields (root);
  g_autoptr (json_t) json = rp_yaml_to_json (root);
  g_assert (json != NULL);
  return 0;
}
