#include "release/json_out.h"

#include "base/clock.h"

json_t *
rp_json_text_or_null (const char *text)
{
  return text == NULL ? json_null () : json_string (text);
}

json_t *
rp_json_number_or_null (gint64 number)
{
  return number == 0 ? json_null () : json_integer (number);
}

json_t *
rp_json_time_or_null (gint64 us)
{
  if (us == 0)
    return json_null ();
  g_autofree char *text = rp_clock_format (us);
  return json_string (text);
}

json_t *
rp_json_digest (const RpDigest *digest)
{
  char text[RP_DIGEST_STRING_SIZE];
  return json_string (rp_digest_format (digest, text));
}

char *
rp_text_one_line (const char *text, gsize max)
{
  g_autofree char *head = g_strndup (text, max);
  char *line = g_utf8_make_valid (head, -1);
  for (char *p = line; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      *p = ' ';
  return line;
}

json_t *
rp_json_texts (const GPtrArray *texts)
{
  json_t *array = json_array ();
  for (guint i = 0; i < texts->len; i++)
    json_array_append_new (array, json_string (texts->pdata[i]));
  return array;
}
