#include "cli/yaml_out.h"

#include <string.h>
#include <yaml.h>

#include "base/error.h"

#define LETTERS G_CSET_A_2_Z G_CSET_a_2_z

/* What no reader of any version of YAML takes for something other than text. */
static gboolean
is_plain (const char *text)
{
  static const char *const words[] = { "true", "false", "null", "yes", "no", "on", "off", "y", "n" };
  if (*text == '\0' || strchr (LETTERS, *text) == NULL
      || strspn (text, LETTERS G_CSET_DIGITS "_./@-") != strlen (text))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_ascii_strcasecmp (text, words[i]) == 0)
      return FALSE;
  return TRUE;
}

static gboolean
emit_scalar (yaml_emitter_t *emitter, const char *text, gboolean plain)
{
  yaml_event_t event;
  return yaml_scalar_event_initialize (&event, NULL, NULL, (const yaml_char_t *) text, (int) strlen (text), plain,
                                       TRUE, plain ? YAML_PLAIN_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE)
         && yaml_emitter_emit (emitter, &event);
}

static gboolean emit (yaml_emitter_t *emitter, const json_t *value);

static gboolean
emit_list (yaml_emitter_t *emitter, const json_t *list)
{
  yaml_event_t event;
  yaml_sequence_style_t style = json_array_size (list) > 0 ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
  gsize i;
  json_t *item;
  if (!yaml_sequence_start_event_initialize (&event, NULL, NULL, TRUE, style) || !yaml_emitter_emit (emitter, &event))
    return FALSE;
  json_array_foreach (list, i, item)
  if (!emit (emitter, item))
    return FALSE;
  return yaml_sequence_end_event_initialize (&event) && yaml_emitter_emit (emitter, &event);
}

static gboolean
emit_object (yaml_emitter_t *emitter, const json_t *object)
{
  yaml_event_t event;
  yaml_mapping_style_t style = json_object_size (object) > 0 ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
  const char *key;
  json_t *member;
  if (!yaml_mapping_start_event_initialize (&event, NULL, NULL, TRUE, style) || !yaml_emitter_emit (emitter, &event))
    return FALSE;
  json_object_foreach ((json_t *) object, key, member)
  if (!emit_scalar (emitter, key, is_plain (key)) || !emit (emitter, member))
    return FALSE;
  return yaml_mapping_end_event_initialize (&event) && yaml_emitter_emit (emitter, &event);
}

static gboolean
emit (yaml_emitter_t *emitter, const json_t *value)
{
  if (json_is_object (value))
    return emit_object (emitter, value);
  if (json_is_array (value))
    return emit_list (emitter, value);
  if (json_is_string (value))
    return emit_scalar (emitter, json_string_value (value), is_plain (json_string_value (value)));
  g_autofree char *text = rp_json_print (value);
  return emit_scalar (emitter, text, TRUE);
}

static gboolean
emit_document (yaml_emitter_t *emitter, const json_t *value)
{
  yaml_event_t event;
  return yaml_stream_start_event_initialize (&event, YAML_UTF8_ENCODING) && yaml_emitter_emit (emitter, &event)
         && yaml_document_start_event_initialize (&event, NULL, NULL, NULL, TRUE)
         && yaml_emitter_emit (emitter, &event) && emit (emitter, value)
         && yaml_document_end_event_initialize (&event, TRUE) && yaml_emitter_emit (emitter, &event)
         && yaml_stream_end_event_initialize (&event) && yaml_emitter_emit (emitter, &event);
}

gboolean
rp_yaml_print (FILE *stream, const json_t *value, GError **error)
{
  yaml_emitter_t emitter;
  gboolean ok = FALSE;
  if (yaml_emitter_initialize (&emitter))
    {
      yaml_emitter_set_output_file (&emitter, stream);
      yaml_emitter_set_unicode (&emitter, TRUE);
      yaml_emitter_set_width (&emitter, -1);
      ok = emit_document (&emitter, value);
      yaml_emitter_delete (&emitter);
    }
  if (!ok)
    g_set_error_literal (error, RP_ERROR, RP_ERROR_FAILED, "the answer could not be written as YAML");
  return ok;
}
