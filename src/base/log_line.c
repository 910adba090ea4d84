#include "base/log_line.h"

#include <jansson.h>
#include <string.h>

#include "base/json.h"

const char *const rp_log_formats[] = { "text", "json", "logfmt", NULL };

/* ---- text and logfmt ---- */

static gboolean
needs_quotes (const char *text)
{
  return *text == '\0' || strpbrk (text, " \"=\\") != NULL;
}

static void
append_quoted (GString *out, const char *text)
{
  g_string_append_c (out, '"');
  for (; *text != '\0'; text++)
    {
      if (*text == '"' || *text == '\\')
        g_string_append_c (out, '\\');
      g_string_append_c (out, *text);
    }
  g_string_append_c (out, '"');
}

static char *
printable (const char *text)
{
  char *valid = g_utf8_make_valid (text, -1);

  for (char *at = valid; *at != '\0'; at++)
    if (g_ascii_iscntrl (*at))
      *at = ' ';
  return valid;
}

static void
append_words (RpLogFormat format, const RpLogField *field, GString *out)
{
  g_autofree char *text = NULL;

  if (format == RP_LOG_LOGFMT)
    g_string_append_printf (out, "%s=", field->key);
  if (field->text == NULL)
    {
      g_string_append_printf (out, "%" G_GINT64_FORMAT, field->number);
      return;
    }
  text = printable (field->text);
  if (format == RP_LOG_TEXT && *text == '\0')
    g_string_append_c (out, '-');
  else if (needs_quotes (text))
    append_quoted (out, text);
  else
    g_string_append (out, text);
}

/* ---- JSON ---- */

static void
append_json (const RpLogField *fields, gsize n_fields, GString *out)
{
  g_autoptr (json_t) line = json_object ();
  g_autofree char *text = NULL;

  for (gsize i = 0; i < n_fields; i++)
    {
      g_autofree char *value = fields[i].text != NULL ? printable (fields[i].text) : NULL;
      json_object_set_new (line, fields[i].key,
                           value != NULL ? json_string (value) : json_integer (fields[i].number));
    }
  text = rp_json_print (line);
  g_string_append (out, text);
}

void
rp_log_line (RpLogFormat format, const RpLogField *fields, gsize n_fields, GString *out)
{
  if (format == RP_LOG_JSON)
    append_json (fields, n_fields, out);
  for (gsize i = 0; format != RP_LOG_JSON && i < n_fields; i++)
    {
      if (i > 0)
        g_string_append_c (out, ' ');
      append_words (format, &fields[i], out);
    }
  g_string_append_c (out, '\n');
}
