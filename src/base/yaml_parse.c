/* Bytes to nodes: a recursive descent over libyaml's events. */
#include "base/yaml_node.h"

#include <string.h>
#include <yaml.h>

#include "base/error.h"

enum { SIZE_LIMIT_BYTES = 1 << 20, DEPTH_LIMIT = 32 };

typedef struct {
  yaml_parser_t parser;
  const char *data; /* what is parsed, to quote from */
  gsize size;
  const RpYaml *yaml;
} Source;

/* What libyaml says when it gives up, and what would have been right there. */
static const struct {
  const char *problem, *expected;
} expectations[] = {
  { "did not find expected key",
    "expected a key and a colon, like `name: value`, in the column of the keys above it" },
  { "did not find expected '-' indicator",
    "expected another entry, `- value`, in the column of the entries above it" },
  { "mapping values are not allowed in this context",
    "expected the end of the value: a nested key needs a line of its own, and a value with a colon "
    "in it needs quotes" },
  { "could not find expected ':'", "expected a colon after the key, like `name: value`" },
  { "did not find expected ',' or '}'", "expected a comma or the closing brace `}`" },
  { "did not find expected ',' or ']'", "expected a comma or the closing bracket `]`" },
  { "found unexpected end of stream", "expected the closing quote" },
  { "found character that cannot start any token",
    "expected a key or a value: indent with spaces, not tabs, and quote a value that begins with "
    "one of @ ` %" },
  { "did not find expected <document start>", "expected the end of the file" },
};

static const char *
expectation (const char *problem)
{
  for (gsize i = 0; i < G_N_ELEMENTS (expectations); i++)
    if (strcmp (expectations[i].problem, problem) == 0)
      return expectations[i].expected;
  return "expected a mapping, a list or a value";
}

/* The rest of the line at `line`, `column` (0-based, in characters), short and quoted. g_free(). */
static char *
found_at (const Source *source, gsize line, gsize column)
{
  const char *p = source->data, *end = source->data + source->size;
  for (; line > 0 && p < end; line--)
    {
      const char *newline = memchr (p, '\n', (gsize)(end - p));
      p = newline != NULL ? newline + 1 : end;
    }
  for (; column > 0 && p < end && *p != '\n'; column--)
    do
      p++;
    while (p < end && ((guchar)*p & 0xc0) == 0x80);
  if (p == end)
    return g_strdup ("the end of the file");
  if (*p == '\t')
    return g_strdup ("a tab");
  const char *newline = memchr (p, '\n', (gsize)(end - p));
  gsize length = newline != NULL ? (gsize)(newline - p) : (gsize)(end - p);
  if (length == 0)
    return g_strdup ("the end of the line");
  g_autofree char *rest = g_utf8_make_valid (p, (gssize)MIN (length, 40));
  return g_strdup_printf ("\"%s\"", rest);
}

/* Bytes that are no text: libyaml knows the offset only. */
static gboolean
refuse_bytes (const Source *source, GError **error)
{
  const yaml_parser_t *parser = &source->parser;
  gsize line = 1, column = 1;
  gsize end = MIN (parser->problem_offset, source->size);
  for (gsize i = 0; i < end; i++)
    {
      gboolean newline = source->data[i] == '\n';
      line += newline;
      column = newline ? 1 : column + (((guchar)source->data[i] & 0xc0) != 0x80);
    }
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "%s:%" G_GSIZE_FORMAT ":%" G_GSIZE_FORMAT
               ": not valid YAML: expected UTF-8 text, found the byte 0x%02x (%s)",
               source->yaml->file_name, line, column,
               end < source->size ? (guchar)source->data[end] : 0u, parser->problem);
  return FALSE;
}

static gboolean
refuse_syntax (const Source *source, GError **error)
{
  const yaml_parser_t *parser = &source->parser;
  if (parser->error == YAML_READER_ERROR)
    return refuse_bytes (source, error);
  const char *problem = parser->problem != NULL ? parser->problem : "out of memory";
  yaml_mark_t mark = parser->problem_mark;
  g_autofree char *found = found_at (source, mark.line, mark.column);
  g_autoptr (GString) text = g_string_new (NULL);
  g_string_printf (text, "%s:%zu:%zu: not valid YAML: %s, found %s", source->yaml->file_name,
                   mark.line + 1, mark.column + 1, expectation (problem), found);
  if (parser->context != NULL)
    g_string_append_printf (text, " (%s that began at line %zu, column %zu: %s)", parser->context,
                            parser->context_mark.line + 1, parser->context_mark.column + 1,
                            problem);
  else
    g_string_append_printf (text, " (%s)", problem);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID, text->str);
  return FALSE;
}

static gboolean
next (Source *source, yaml_event_t *event, GError **error)
{
  return yaml_parser_parse (&source->parser, event) == 1 || refuse_syntax (source, error);
}

static RpYamlNode *
node_new (const Source *source, const yaml_event_t *event, const RpYamlNode *parent)
{
  RpYamlNode *node = g_new0 (RpYamlNode, 1);
  node->yaml = source->yaml;
  node->parent = parent;
  node->line = (int)event->start_mark.line + 1;
  node->column = (int)event->start_mark.column + 1;
  return node;
}

/* `node` is at the place of the event, and known to its parent: errors say where. */
static gboolean
refuse_features (const RpYamlNode *node, const yaml_event_t *event, GError **error)
{
  const yaml_char_t *anchor = NULL, *tag = NULL;
  if (event->type == YAML_ALIAS_EVENT)
    return rp_yaml_error (node, error, "expected a value, found the alias *%s: write the value out",
                          (const char *)event->data.alias.anchor);
  if (event->type == YAML_SCALAR_EVENT)
    anchor = event->data.scalar.anchor, tag = event->data.scalar.tag;
  else if (event->type == YAML_MAPPING_START_EVENT)
    anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
  else if (event->type == YAML_SEQUENCE_START_EVENT)
    anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
  if (anchor != NULL)
    return rp_yaml_error (node, error, "expected a value, found the anchor &%s: leave it out",
                          (const char *)anchor);
  if (tag != NULL)
    return rp_yaml_error (node, error, "expected a value, found the tag %s: leave it out",
                          (const char *)tag);
  return TRUE;
}

static gboolean fill (Source *source, RpYamlNode *node, yaml_event_t *event, int depth,
                      GError **error);

static gboolean
fill_list (Source *source, RpYamlNode *list, int depth, GError **error)
{
  for (;;)
    {
      yaml_event_t event;
      if (!next (source, &event, error))
        return FALSE;
      if (event.type == YAML_SEQUENCE_END_EVENT)
        {
          yaml_event_delete (&event);
          return TRUE;
        }
      RpYamlNode *item = node_new (source, &event, list);
      g_ptr_array_add (list->items, item);
      if (!fill (source, item, &event, depth, error))
        return FALSE;
    }
}

/* Reads the key that `event` carries into `item`; the event stays the caller's. */
static gboolean
take_key (const RpYamlNode *map, RpYamlNode *item, const yaml_event_t *event, GError **error)
{
  if (event->type != YAML_SCALAR_EVENT && event->type != YAML_ALIAS_EVENT)
    return rp_yaml_error (item, error, "expected a key that is text, found a list or a mapping");
  if (!refuse_features (item, event, error))
    return FALSE;
  const char *key = (const char *)event->data.scalar.value;
  if (strlen (key) != event->data.scalar.length)
    return rp_yaml_error (item, error, "expected a key without NUL characters");
  const RpYamlNode *first = rp_yaml_get (map, key);
  if (first != NULL)
    return rp_yaml_error (item, error,
                          "expected each key once, found \"%s\" again (see line %d)", key,
                          first->line);
  item->key = g_strdup (key);
  return TRUE;
}

static gboolean
fill_map (Source *source, RpYamlNode *map, int depth, GError **error)
{
  for (;;)
    {
      yaml_event_t event;
      if (!next (source, &event, error))
        return FALSE;
      if (event.type == YAML_MAPPING_END_EVENT)
        {
          yaml_event_delete (&event);
          return TRUE;
        }
      RpYamlNode *item = node_new (source, &event, map);
      gboolean ok = take_key (map, item, &event, error);
      yaml_event_delete (&event);
      g_ptr_array_add (map->items, item);
      if (!ok || !next (source, &event, error))
        return FALSE;
      item->key_line = item->line;
      item->key_column = item->column;
      item->line = (int)event.start_mark.line + 1;
      item->column = (int)event.start_mark.column + 1;
      if (!fill (source, item, &event, depth, error))
        return FALSE;
    }
}

static gboolean
fill_scalar (RpYamlNode *node, const yaml_event_t *event, GError **error)
{
  const char *text = (const char *)event->data.scalar.value;
  if (strlen (text) != event->data.scalar.length)
    return rp_yaml_error (node, error, "expected text without NUL characters");
  node->kind = RP_YAML_SCALAR;
  node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  node->text = g_strdup (text);
  return TRUE;
}

/* Takes the event over. `node` is in the tree already, so a failure is cleaned up with the tree. */
static gboolean
fill (Source *source, RpYamlNode *node, yaml_event_t *event, int depth, GError **error)
{
  yaml_event_type_t type = event->type;
  gboolean ok = refuse_features (node, event, error);
  if (ok && type == YAML_SCALAR_EVENT)
    ok = fill_scalar (node, event, error);
  yaml_event_delete (event);
  if (!ok || type == YAML_SCALAR_EVENT)
    return ok;
  if (depth >= DEPTH_LIMIT)
    return rp_yaml_error (node, error, "expected at most %d levels of nesting", DEPTH_LIMIT);
  node->kind = type == YAML_MAPPING_START_EVENT ? RP_YAML_MAP : RP_YAML_LIST;
  node->items = g_ptr_array_new_with_free_func ((GDestroyNotify)rp_yaml_node_free);
  return node->kind == RP_YAML_MAP ? fill_map (source, node, depth + 1, error)
                                   : fill_list (source, node, depth + 1, error);
}

/* Skips events that carry nothing: what comes is a node, or the end of the stream. */
static gboolean
next_content (Source *source, yaml_event_t *event, GError **error)
{
  for (;;)
    {
      if (!next (source, event, error))
        return FALSE;
      if (event->type != YAML_STREAM_START_EVENT && event->type != YAML_DOCUMENT_START_EVENT
          && event->type != YAML_DOCUMENT_END_EVENT)
        return TRUE;
      yaml_event_delete (event);
    }
}

static gboolean
parse_document (Source *source, RpYaml *yaml, GError **error)
{
  yaml_event_t event;
  if (!next_content (source, &event, error))
    return FALSE;
  if (event.type == YAML_STREAM_END_EVENT)
    {
      yaml_event_delete (&event);
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "%s:1:1: expected a document, found nothing but white space and comments",
                   yaml->file_name);
      return FALSE;
    }
  yaml->root = node_new (source, &event, NULL);
  if (!fill (source, yaml->root, &event, 0, error) || !next_content (source, &event, error))
    return FALSE;
  gboolean ended = event.type == YAML_STREAM_END_EVENT;
  g_autofree RpYamlNode *second = ended ? NULL : node_new (source, &event, NULL);
  yaml_event_delete (&event);
  return ended
         || rp_yaml_error (second, error, "expected one document, found another after `---`");
}

RpYaml *
rp_yaml_parse (const void *data, gsize size, const char *file_name, GError **error)
{
  if (size > SIZE_LIMIT_BYTES)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "%s: %" G_GSIZE_FORMAT " bytes of YAML are more than the %d that are read",
                   file_name, size, SIZE_LIMIT_BYTES);
      return NULL;
    }
  g_autoptr (RpYaml) yaml = g_new0 (RpYaml, 1);
  yaml->file_name = g_strdup (file_name);
  Source source = { .data = data != NULL ? data : "", .size = size, .yaml = yaml };
  if (yaml_parser_initialize (&source.parser) != 1)
    g_error ("libyaml: out of memory");
  yaml_parser_set_encoding (&source.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string (&source.parser, (const yaml_char_t *)source.data, size);
  gboolean ok = parse_document (&source, yaml, error);
  yaml_parser_delete (&source.parser);
  return ok ? g_steal_pointer (&yaml) : NULL;
}
