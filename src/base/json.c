#include "base/json.h"

#include <string.h>

#include "base/error.h"
#include "base/spelling.h"

json_t *
rp_json_parse (const void *data, gsize size, const char *where, GError **error)
{
  json_error_t problem;
  json_t *value = json_loadb (data != NULL ? data : "", size,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
  if (value != NULL)
    return value;
  g_autofree char *text = g_utf8_make_valid (problem.text, -1);
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s: line %d, column %d: not valid JSON: %s",
               where, problem.line, problem.column, text);
  return NULL;
}

static char *
dump (const json_t *value, size_t flags)
{
  char *text = json_dumps (value, JSON_COMPACT | JSON_ENCODE_ANY | flags);
  /* Only a value that the parser or our own code could not have made fails to print. */
  g_assert (text != NULL);
  char *copy = g_strdup (text);
  free (text);
  return copy;
}

char *
rp_json_canonical (const json_t *value)
{
  return dump (value, JSON_SORT_KEYS);
}

char *
rp_json_print (const json_t *value)
{
  return dump (value, 0);
}

static const char *
type_name (const json_t *value)
{
  switch (value != NULL ? json_typeof (value) : JSON_NULL)
    {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "a number";
    case JSON_REAL: return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    case JSON_NULL: break;
    }
  return "null";
}

typedef enum { WANT_STRING, WANT_INT, WANT_BOOL, WANT_OBJECT, WANT_ARRAY } Want;

static const char *const want_names[] = {
  [WANT_STRING] = "a string",      [WANT_INT] = "a whole number", [WANT_BOOL] = "true or false",
  [WANT_OBJECT] = "an object",     [WANT_ARRAY] = "an array",
};

static gboolean
matches (const json_t *value, Want want)
{
  switch (want)
    {
    case WANT_STRING: return json_is_string (value);
    case WANT_INT: return json_is_integer (value);
    case WANT_BOOL: return json_is_boolean (value);
    case WANT_OBJECT: return json_is_object (value);
    case WANT_ARRAY: return json_is_array (value);
    }
  g_assert_not_reached ();
}

/* *out is NULL after a success only where the field is optional and absent. */
static gboolean
field (const json_t *object, const char *key, const char *where, Want want, gboolean required,
       json_t **out, GError **error)
{
  if (!json_is_object (object))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s: expected an object, found %s", where,
                   type_name (object));
      return FALSE;
    }
  json_t *value = json_object_get (object, key);
  if (value == NULL || (!required && json_is_null (value)))
    {
      *out = NULL;
      if (!required)
        return TRUE;
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "%s.%s: expected %s, but the field is missing", where, key, want_names[want]);
      return FALSE;
    }
  if (!matches (value, want))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s.%s: expected %s, found %s", where, key,
                   want_names[want], type_name (value));
      return FALSE;
    }
  *out = value;
  return TRUE;
}

/* jansson keeps a NUL inside a string only if asked to, and the parser above does not ask. */
static gboolean
string_field (const json_t *object, const char *key, const char *where, gboolean required,
              const char **out, GError **error)
{
  json_t *value = NULL;
  if (!field (object, key, where, WANT_STRING, required, &value, error))
    return FALSE;
  if (value != NULL)
    *out = json_string_value (value);
  return TRUE;
}

static gboolean
int_field (const json_t *object, const char *key, const char *where, gboolean required, gint64 *out,
           GError **error)
{
  json_t *value = NULL;
  if (!field (object, key, where, WANT_INT, required, &value, error))
    return FALSE;
  if (value != NULL)
    *out = json_integer_value (value);
  return TRUE;
}

gboolean
rp_json_need_string (const json_t *object, const char *key, const char *where, const char **out,
                     GError **error)
{
  return string_field (object, key, where, TRUE, out, error);
}

gboolean
rp_json_need_int (const json_t *object, const char *key, const char *where, gint64 *out,
                  GError **error)
{
  return int_field (object, key, where, TRUE, out, error);
}

gboolean
rp_json_need_object (const json_t *object, const char *key, const char *where, json_t **out,
                     GError **error)
{
  json_t *value = NULL;
  if (!field (object, key, where, WANT_OBJECT, TRUE, &value, error))
    return FALSE;
  *out = value;
  return TRUE;
}

gboolean
rp_json_need_array (const json_t *object, const char *key, const char *where, json_t **out,
                    GError **error)
{
  json_t *value = NULL;
  if (!field (object, key, where, WANT_ARRAY, TRUE, &value, error))
    return FALSE;
  *out = value;
  return TRUE;
}

gboolean
rp_json_opt_string (const json_t *object, const char *key, const char *where, const char **out,
                    GError **error)
{
  return string_field (object, key, where, FALSE, out, error);
}

gboolean
rp_json_opt_int (const json_t *object, const char *key, const char *where, gint64 *out,
                 GError **error)
{
  return int_field (object, key, where, FALSE, out, error);
}

gboolean
rp_json_opt_bool (const json_t *object, const char *key, const char *where, gboolean *out,
                  GError **error)
{
  json_t *value = NULL;
  if (!field (object, key, where, WANT_BOOL, FALSE, &value, error))
    return FALSE;
  if (value != NULL)
    *out = json_is_true (value);
  return TRUE;
}

const char *
rp_json_str (const json_t *object, const char *key)
{
  return json_string_value (json_object_get (object, key));
}

gint64
rp_json_int (const json_t *object, const char *key)
{
  return json_integer_value (json_object_get (object, key));
}

gboolean
rp_json_bool (const json_t *object, const char *key)
{
  return json_is_true (json_object_get (object, key));
}

gboolean
rp_json_only (const json_t *object, const char *const *keys, const char *where, GError **error)
{
  const char *key;
  json_t *value;

  json_object_foreach ((json_t *)object, key, value)
    {
      g_autofree char *hint = NULL;
      if (g_strv_contains (keys, key))
        continue;
      hint = rp_spelling_hint (key, keys);
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s.%s: unknown field; %s", where, key, hint);
      return FALSE;
    }
  return TRUE;
}

char **
rp_json_strv (const json_t *array)
{
  char **texts = g_new0 (char *, json_array_size (array) + 1);
  gsize i, n = 0;
  json_t *text;
  json_array_foreach (array, i, text)
    if (json_is_string (text))
      texts[n++] = g_strdup (json_string_value (text));
  return texts;
}
