#include "base/yaml_node.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/spelling.h"

/* ---- nodes ---- */

void
rp_yaml_node_free (RpYamlNode *node)
{
  if (node == NULL)
    return;
  g_clear_pointer (&node->items, g_ptr_array_unref);
  g_free (node->text);
  g_free (node->key);
  g_free (node);
}

void
rp_yaml_free (RpYaml *yaml)
{
  if (yaml == NULL)
    return;
  rp_yaml_node_free (yaml->root);
  g_free (yaml->file_name);
  g_free (yaml);
}

const RpYamlNode *
rp_yaml_root (const RpYaml *yaml)
{
  return yaml->root;
}

gboolean
rp_yaml_is_map (const RpYamlNode *node)
{
  return node->kind == RP_YAML_MAP;
}

gboolean
rp_yaml_is_list (const RpYamlNode *node)
{
  return node->kind == RP_YAML_LIST;
}

gboolean
rp_yaml_is_scalar (const RpYamlNode *node)
{
  return node->kind == RP_YAML_SCALAR;
}

const char *
rp_yaml_scalar (const RpYamlNode *node)
{
  return node->kind == RP_YAML_SCALAR ? node->text : NULL;
}

gboolean
rp_yaml_is_nothing (const RpYamlNode *node)
{
  return node->kind == RP_YAML_SCALAR && node->plain
         && (node->text[0] == '\0' || strcmp (node->text, "~") == 0
             || strcmp (node->text, "null") == 0);
}

gsize
rp_yaml_count (const RpYamlNode *node)
{
  return node->items != NULL ? node->items->len : 0;
}

const RpYamlNode *
rp_yaml_at (const RpYamlNode *node, gsize i, const char **key)
{
  g_assert (i < rp_yaml_count (node));
  const RpYamlNode *item = g_ptr_array_index (node->items, i);
  if (key != NULL)
    *key = item->key;
  return item;
}

const RpYamlNode *
rp_yaml_get (const RpYamlNode *map, const char *key)
{
  for (gsize i = 0; map->kind == RP_YAML_MAP && i < map->items->len; i++)
    {
      const RpYamlNode *item = g_ptr_array_index (map->items, i);
      if (item->key != NULL && strcmp (item->key, key) == 0)
        return item;
    }
  return NULL;
}

/* ---- complaints ---- */

static void
append_path (GString *path, const RpYamlNode *node)
{
  if (node->parent == NULL)
    return;
  append_path (path, node->parent);
  guint i = 0;
  if (node->parent->kind == RP_YAML_LIST)
    {
      g_ptr_array_find (node->parent->items, node, &i);
      g_string_append_printf (path, "[%u]", i);
    }
  else if (node->key != NULL) /* a key that could not be taken has none; its mapping is named */
    g_string_append_printf (path, "%s%s", path->len > 0 ? "." : "", node->key);
}

gboolean
rp_yaml_error (const RpYamlNode *node, GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_autoptr (GString) path = g_string_new (NULL);
  append_path (path, node);
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s:%d:%d: %s%s%s", node->yaml->file_name,
               node->line, node->column, path->str, path->len > 0 ? ": " : "", text);
  return FALSE;
}

static char *
found (const RpYamlNode *node)
{
  if (node->kind == RP_YAML_MAP)
    return g_strdup ("a mapping");
  if (node->kind == RP_YAML_LIST)
    return g_strdup ("a list");
  if (rp_yaml_is_nothing (node))
    return g_strdup ("nothing");
  glong length = MIN (g_utf8_strlen (node->text, -1), 60);
  g_autofree char *shown = g_utf8_substring (node->text, 0, length);
  return g_strdup_printf ("\"%s\"", shown);
}

static gboolean
expected (const RpYamlNode *node, GError **error, const char *what)
{
  g_autofree char *it = found (node);
  return rp_yaml_error (node, error, "expected %s, found %s", what, it);
}

static gboolean
refuse_key (const RpYamlNode *item, const char *const *keys, GError **error)
{
  g_autofree char *hint = rp_spelling_hint (item->key, keys);
  RpYamlNode at_key = *item; /* it is the key that is wrong, not its value */
  at_key.line = item->key_line;
  at_key.column = item->key_column;
  return rp_yaml_error (&at_key, error, "unknown key; %s", hint);
}

gboolean
rp_yaml_expect_map (const RpYamlNode *node, const char *const *keys, GError **error)
{
  if (node->kind != RP_YAML_MAP)
    return expected (node, error, "a mapping (`key: value` lines)");
  for (guint i = 0; i < node->items->len; i++)
    {
      const RpYamlNode *item = g_ptr_array_index (node->items, i);
      if (!g_strv_contains (keys, item->key))
        return refuse_key (item, keys, error);
    }
  return TRUE;
}

void
rp_yaml_check_keys (const RpYamlNode *node, const char *const *keys, GPtrArray *problems)
{
  g_autoptr (GError) no_map = NULL;
  if (node->kind != RP_YAML_MAP)
    {
      expected (node, &no_map, "a mapping (`key: value` lines)");
      g_ptr_array_add (problems, g_strdup (no_map->message));
      return;
    }
  for (guint i = 0; i < node->items->len; i++)
    {
      const RpYamlNode *item = g_ptr_array_index (node->items, i);
      g_autoptr (GError) unknown = NULL;
      if (g_strv_contains (keys, item->key))
        continue;
      refuse_key (item, keys, &unknown);
      g_ptr_array_add (problems, g_strdup (unknown->message));
    }
}

/* ---- fields ---- */

static gboolean
is_word (const RpYamlNode *node)
{
  return node->kind == RP_YAML_SCALAR && !rp_yaml_is_nothing (node);
}

gboolean
rp_yaml_opt_string (const RpYamlNode *map, const char *key, const char **out, GError **error)
{
  const RpYamlNode *node = rp_yaml_get (map, key);
  if (node == NULL)
    return TRUE;
  if (!is_word (node))
    return expected (node, error, "text");
  *out = node->text;
  return TRUE;
}

gboolean
rp_yaml_need_string (const RpYamlNode *map, const char *key, const char **out, GError **error)
{
  if (map->kind != RP_YAML_MAP)
    return expected (map, error, "a mapping (`key: value` lines)");
  if (rp_yaml_get (map, key) == NULL)
    return rp_yaml_error (map, error, "expected the key \"%s\", which is missing", key);
  return rp_yaml_opt_string (map, key, out, error);
}

gboolean
rp_yaml_opt_enum (const RpYamlNode *map, const char *key, const char *const *values,
                  const char **out, GError **error)
{
  const RpYamlNode *node = rp_yaml_get (map, key);
  if (node == NULL)
    return TRUE;
  if (is_word (node) && g_strv_contains (values, node->text))
    {
      *out = node->text;
      return TRUE;
    }
  g_autofree char *all = g_strjoinv (", ", (char **)values);
  g_autofree char *what = g_strdup_printf ("one of %s", all);
  return expected (node, error, what);
}

gboolean
rp_yaml_opt_int (const RpYamlNode *map, const char *key, gint64 min, gint64 max, gint64 *out,
                 GError **error)
{
  const RpYamlNode *node = rp_yaml_get (map, key);
  if (node == NULL)
    return TRUE;
  gint64 value;
  if (node->kind == RP_YAML_SCALAR && node->plain
      && g_ascii_string_to_signed (node->text, 10, min, max, &value, NULL))
    {
      *out = value;
      return TRUE;
    }
  g_autofree char *what = g_strdup_printf (
      "a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, min, max);
  return expected (node, error, what);
}

static gboolean
plain_bool (const RpYamlNode *node, gboolean *out)
{
  gboolean yes = node->plain && strcmp (node->text, "true") == 0;
  if (!yes && !(node->plain && strcmp (node->text, "false") == 0))
    return FALSE;
  *out = yes;
  return TRUE;
}

gboolean
rp_yaml_opt_bool (const RpYamlNode *map, const char *key, gboolean *out, GError **error)
{
  const RpYamlNode *node = rp_yaml_get (map, key);
  if (node == NULL || (node->kind == RP_YAML_SCALAR && plain_bool (node, out)))
    return TRUE;
  return expected (node, error, "true or false");
}

gboolean
rp_duration_parse_ms (const char *text, gint64 *out)
{
  static const struct {
    const char *unit;
    gint64 ms;
  } units[] = {
    { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
  };
  gsize digits = strspn (text, "0123456789");
  if (digits == 0 || digits > 12)
    return FALSE;
  gint64 number = g_ascii_strtoll (text, NULL, 10);
  for (gsize i = 0; i < G_N_ELEMENTS (units); i++)
    if (strcmp (text + digits, units[i].unit) == 0 && number <= G_MAXINT64 / units[i].ms)
      {
        *out = number * units[i].ms;
        return TRUE;
      }
  return FALSE;
}

gboolean
rp_yaml_opt_duration_ms (const RpYamlNode *map, const char *key, gint64 *out, GError **error)
{
  const RpYamlNode *node = rp_yaml_get (map, key);
  if (node == NULL || (node->kind == RP_YAML_SCALAR && rp_duration_parse_ms (node->text, out)))
    return TRUE;
  return expected (node, error, "a duration like 500ms, 30s, 10m, 2h or 7d");
}

gboolean
rp_yaml_opt_strv (const RpYamlNode *map, const char *key, char ***out, GError **error)
{
  const RpYamlNode *node = rp_yaml_get (map, key);
  *out = NULL;
  if (node == NULL)
    return TRUE;
  if (node->kind != RP_YAML_LIST)
    return expected (node, error, "a list (`- text` lines or [text, text])");
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  for (guint i = 0; i < node->items->len; i++)
    {
      const RpYamlNode *item = g_ptr_array_index (node->items, i);
      if (!is_word (item))
        return expected (item, error, "text");
      g_strv_builder_add (builder, item->text);
    }
  *out = g_strv_builder_end (builder);
  return TRUE;
}

/* ---- JSON ---- */

static json_t *
scalar_to_json (const RpYamlNode *node)
{
  gboolean truth;
  gint64 whole;
  if (rp_yaml_is_nothing (node))
    return json_null ();
  if (plain_bool (node, &truth))
    return json_boolean (truth);
  if (node->plain
      && g_ascii_string_to_signed (node->text, 10, G_MININT64, G_MAXINT64, &whole, NULL))
    return json_integer (whole);
  char *end = NULL;
  double real = node->plain && strpbrk (node->text, "0123456789") != NULL
                        && strspn (node->text, "+-.0123456789eE") == strlen (node->text)
                    ? g_ascii_strtod (node->text, &end)
                    : 0;
  if (end != NULL && *end == '\0' && isfinite (real))
    return json_real (real);
  return json_string (node->text);
}

json_t *
rp_yaml_to_json (const RpYamlNode *node)
{
  if (node->kind == RP_YAML_SCALAR)
    return scalar_to_json (node);
  json_t *value = node->kind == RP_YAML_MAP ? json_object () : json_array ();
  for (guint i = 0; i < node->items->len; i++)
    {
      const RpYamlNode *item = g_ptr_array_index (node->items, i);
      int failed = node->kind == RP_YAML_MAP
                       ? json_object_set_new (value, item->key, rp_yaml_to_json (item))
                       : json_array_append_new (value, rp_yaml_to_json (item));
      g_assert (failed == 0);
    }
  return value;
}
