#include "server/range.h"

#include <string.h>

#include "base/error.h"

/* Digits at *text into *out, saturating: a number that does not fit is past the end of anything.
 * FALSE if there is no digit. */
static gboolean
take_number (const char **text, guint64 *out)
{
  const char *at = *text;
  guint64 value = 0;

  if (!g_ascii_isdigit (*at))
    return FALSE;
  for (; g_ascii_isdigit (*at); at++)
    {
      guint64 digit = (guint64) (*at - '0');
      value = value > (G_MAXUINT64 - digit) / 10 ? G_MAXUINT64 : value * 10 + digit;
    }
  *text = at;
  *out = value;
  return TRUE;
}

static const char *
skip_blanks (const char *text)
{
  while (*text == ' ' || *text == '\t')
    text++;
  return text;
}

static gboolean
at_end (const char *text)
{
  return *skip_blanks (text) == '\0';
}

/* `-n`: the last n bytes. */
static RpRangeKind
parse_suffix (const char *text, guint64 size_bytes, RpByteRange *out)
{
  guint64 length;

  text++;
  if (!take_number (&text, &length) || !at_end (text))
    return RP_RANGE_WHOLE;
  if (length == 0 || size_bytes == 0)
    return RP_RANGE_UNSATISFIABLE;
  out->first = length >= size_bytes ? 0 : size_bytes - length;
  out->last = size_bytes - 1;
  return RP_RANGE_PART;
}

RpRangeKind
rp_range_parse (const char *header, guint64 size_bytes, RpByteRange *out)
{
  const char *text;
  guint64 first, last = G_MAXUINT64;

  if (header == NULL || g_ascii_strncasecmp (header, "bytes=", 6) != 0)
    return RP_RANGE_WHOLE;
  text = skip_blanks (header + 6);
  if (*text == '-')
    return parse_suffix (text, size_bytes, out);
  if (!take_number (&text, &first) || *text != '-')
    return RP_RANGE_WHOLE;
  text++;
  if (g_ascii_isdigit (*text))
    (void) take_number (&text, &last);
  if (!at_end (text))
    return RP_RANGE_WHOLE;
  if (first > last || first >= size_bytes)
    return RP_RANGE_UNSATISFIABLE;
  out->first = first;
  out->last = MIN (last, size_bytes - 1);
  return RP_RANGE_PART;
}

gboolean
rp_content_range_parse (const char *header, RpByteRange *out, GError **error)
{
  const char *text = skip_blanks (header);
  RpByteRange range;

  if (g_ascii_strncasecmp (text, "bytes", 5) == 0 && (text[5] == ' ' || text[5] == '='))
    text = skip_blanks (text + 6);
  if (take_number (&text, &range.first) && *text++ == '-' && take_number (&text, &range.last)
      && (*text == '/' || at_end (text)) && range.first <= range.last
      && range.last < G_MAXINT64)
    {
      *out = range;
      return TRUE;
    }
  g_autofree char *head = g_strndup (header, 64);
  g_autofree char *shown = g_strescape (head, NULL);
  g_set_error (error, RP_ERROR, RP_ERROR_UPLOAD_INVALID,
               "Content-Range \"%s\" is no range of bytes; expected \"FIRST-LAST\" with "
               "FIRST not after LAST, as in \"0-1048575\"",
               shown);
  return FALSE;
}
