#include "cli/jsonpath.h"

#include <string.h>

#include "base/error.h"

/* One step of a path. */
typedef struct {
  enum { STEP_KEY, STEP_INDEX, STEP_ALL } kind;
  char key[128];
  gint64 index; /* below 0: from the end */
} Step;

static gboolean
wrong (const char *template, const char *at, GError **error)
{
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
               "-o jsonpath=%s: cannot read it from `%s` on; expected text with paths like {.a.b[0].c} or {.list[*].name}",
               template, at);
  return FALSE;
}

static gboolean
take_key (const char *key, gsize length, Step *out)
{
  if (length == 0 || length >= sizeof out->key)
    return FALSE;
  out->kind = length == 1 && *key == '*' ? STEP_ALL : STEP_KEY;
  memcpy (out->key, key, length);
  out->key[length] = '\0';
  return TRUE;
}

/* Of `[0]`, `[*]` or `['key']`, what is inside. */
static gboolean
take_bracket (const char *text, gsize length, Step *out)
{
  g_autofree char *inside = g_strndup (text, length);
  if (length > 2 && (*text == '\'' || *text == '"') && text[length - 1] == *text)
    {
      gboolean ok = take_key (text + 1, length - 2, out);
      out->kind = STEP_KEY;
      return ok;
    }
  out->kind = STEP_INDEX;
  if (!g_str_equal (inside, "*"))
    return g_ascii_string_to_signed (inside, 10, G_MININT32, G_MAXINT32, &out->index, NULL);
  out->kind = STEP_ALL;
  return TRUE;
}

/* Moves *path, which ends at `end`, behind its first step. */
static gboolean
take_step (const char **path, const char *end, Step *out)
{
  const char *text = *path + 1;
  const char *stop;
  if (**path == '.')
    {
      for (stop = text; stop < end && *stop != '.' && *stop != '[';)
        stop++;
      *path = stop;
      return take_key (text, (gsize) (stop - text), out);
    }
  stop = **path == '[' ? memchr (text, ']', (gsize) (end - text)) : NULL;
  if (stop == NULL)
    return FALSE;
  *path = stop + 1;
  return take_bracket (text, (gsize) (stop - text), out);
}

/* What `step` leads to from `value`; borrowed. */
static void
follow (const json_t *value, const Step *step, GPtrArray *out)
{
  gsize i;
  const char *key;
  json_t *one = NULL;
  if (step->kind == STEP_KEY)
    one = json_object_get (value, step->key);
  else if (step->kind == STEP_INDEX)
    one = json_array_get (value, (gsize) (step->index < 0 ? (gint64) json_array_size (value) + step->index : step->index));
  if (one != NULL)
    g_ptr_array_add (out, one);
  if (step->kind != STEP_ALL)
    return;
  json_array_foreach (value, i, one) g_ptr_array_add (out, one);
  json_object_foreach ((json_t *) value, key, one) g_ptr_array_add (out, one);
}

/* The values at a path; NULL if it is none. */
static GPtrArray *
find (const char *path, const char *end, const json_t *value)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  g_ptr_array_add (found, (gpointer) value);
  if (path < end && *path == '$')
    path++;
  if (path < end && end - path == 1 && *path == '.')
    path++;
  while (path < end)
    {
      Step step = { 0 };
      g_autoptr (GPtrArray) next = g_ptr_array_new ();
      if (!take_step (&path, end, &step))
        return NULL;
      for (guint i = 0; i < found->len; i++)
        follow (found->pdata[i], &step, next);
      g_ptr_array_unref (found);
      found = g_steal_pointer (&next);
    }
  return g_steal_pointer (&found);
}

static void
append_values (GString *out, const GPtrArray *values)
{
  for (guint i = 0; i < values->len; i++)
    {
      const json_t *value = values->pdata[i];
      g_autofree char *text = json_is_string (value) ? g_strdup (json_string_value (value)) : rp_json_print (value);
      g_string_append_printf (out, "%s%s", i > 0 ? " " : "", text);
    }
}

/* `{…}` without its braces: a text in quotes, or a path. `value` NULL: only look whether it is one. */
static gboolean
append_expression (GString *out, const char *template, const char *text, const char *end, const json_t *value,
                   GError **error)
{
  g_autoptr (GPtrArray) found = NULL;
  g_autofree char *path = g_strndup (text, (gsize) (end - text));
  gsize length = strlen (path);
  if (length >= 2 && path[0] == '"' && path[length - 1] == '"')
    {
      g_autofree char *quoted = g_strndup (path + 1, length - 2);
      g_autofree char *plain = g_strcompress (quoted);
      g_string_append (out, plain);
      return TRUE;
    }
  found = length > 0 ? find (text, end, value) : NULL;
  if (found == NULL)
    return wrong (template, path, error);
  if (value != NULL && found->len == 0)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "-o jsonpath: the answer has nothing at %s", path);
      return FALSE;
    }
  if (value != NULL)
    append_values (out, found);
  return TRUE;
}

static gboolean
expand (const char *template, const json_t *value, GString *out, GError **error)
{
  const char *rest = template;
  if (strchr (template, '{') == NULL)
    return append_expression (out, template, template, template + strlen (template), value, error);
  for (const char *open; (open = strchr (rest, '{')) != NULL;)
    {
      const char *close = strchr (open, '}');
      g_autofree char *literal = g_strndup (rest, (gsize) (open - rest));
      g_string_append (out, literal);
      if (close == NULL)
        return wrong (template, open, error);
      if (!append_expression (out, template, open + 1, close, value, error))
        return FALSE;
      rest = close + 1;
    }
  g_string_append (out, rest);
  return TRUE;
}

gboolean
rp_jsonpath_check (const char *template, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);
  return expand (template, NULL, out, error);
}

gboolean
rp_jsonpath_print (const char *template, FILE *stream, const json_t *value, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);
  if (!expand (template, value, out, error))
    return FALSE;
  fprintf (stream, "%s\n", out->str);
  return TRUE;
}
