#include "cli/output.h"

#include <string.h>

#include "base/error.h"
#include "cli/jsonpath.h"
#include "cli/yaml_out.h"

#define JSONPATH_PREFIX "jsonpath="

gboolean
rp_output_parse (const char *text, RpOutput *out, GError **error)
{
  static const char *const names[] = { [RP_OUTPUT_TABLE] = "table",
                                       [RP_OUTPUT_JSON] = "json",
                                       [RP_OUTPUT_YAML] = "yaml",
                                       [RP_OUTPUT_NAME] = "name" };
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (text, names[i]))
      {
        out->format = (RpOutputFormat) i;
        return TRUE;
      }
  if (!g_str_has_prefix (text, JSONPATH_PREFIX))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "-o: expected `table`, `json`, `yaml`, `name` or `jsonpath=TEMPLATE`, found `%s`", text);
      return FALSE;
    }
  out->format = RP_OUTPUT_JSONPATH;
  out->template = text + strlen (JSONPATH_PREFIX);
  return rp_jsonpath_check (out->template, error);
}

/* ---- names ---- */

/* As other verbs take it: `shop/production:7`, `shop/production`, `shop@1.2`, or what the thing is called. g_free();
 * NULL: it has none. */
static char *
name_of (const json_t *value)
{
  static const char *const keys[] = { "name", "account", "group", "identity", "token", "digest", "repository", "pattern" };
  const char *app = rp_json_str (value, "app");
  const char *environment = rp_json_str (value, "environment");
  const char *version = rp_json_str (value, "version");
  gint64 number = rp_json_int (value, "number");
  if (app != NULL && environment != NULL && number > 0)
    return g_strdup_printf ("%s/%s:%" G_GINT64_FORMAT, app, environment, number);
  if (app != NULL && environment != NULL)
    return g_strdup_printf ("%s/%s", app, environment);
  if (app != NULL && version != NULL)
    return g_strdup_printf ("%s@%s", app, version);
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (rp_json_str (value, keys[i]) != NULL)
      return g_strdup (rp_json_str (value, keys[i]));
  return NULL;
}

/* The list that an answer consists of: itself, or its only member that is one. NULL: there is none. */
static const json_t *
list_of (const json_t *value)
{
  const json_t *found = NULL;
  const char *key;
  json_t *member;
  if (json_is_array (value))
    return value;
  json_object_foreach ((json_t *) value, key, member)
  {
    if (json_is_array (member) && found != NULL)
      return NULL;
    if (json_is_array (member))
      found = member;
  }
  return found;
}

static gboolean
print_name (FILE *stream, const json_t *value, GError **error)
{
  g_autofree char *name = name_of (value);
  if (name == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                           "-o name: nothing in this answer has a name; use `-o json`");
      return FALSE;
    }
  fprintf (stream, "%s\n", name);
  return TRUE;
}

static gboolean
print_names (FILE *stream, const json_t *value, GError **error)
{
  g_autofree char *own = name_of (value);
  const json_t *list = own == NULL ? list_of (value) : NULL;
  gsize i;
  json_t *one;
  if (list == NULL)
    return print_name (stream, value, error);
  json_array_foreach (list, i, one)
  if (!print_name (stream, one, error))
    return FALSE;
  return TRUE;
}

/* ---- all ---- */

gboolean
rp_output_print (const RpOutput *output, FILE *stream, const json_t *value, GError **error)
{
  switch (output->format)
    {
    case RP_OUTPUT_YAML:
      return rp_yaml_print (stream, value, error);
    case RP_OUTPUT_NAME:
      return print_names (stream, value, error);
    case RP_OUTPUT_JSONPATH:
      return rp_jsonpath_print (output->template, stream, value, error);
    case RP_OUTPUT_TABLE:
    case RP_OUTPUT_JSON:
      break;
    }
  json_dumpf (value, stream, output->indent ? JSON_INDENT (2) : JSON_COMPACT);
  fputc ('\n', stream);
  return TRUE;
}
