#include "server/etag.h"

#include <string.h>

#include "base/error.h"

gboolean
rp_etag_listed (const char *header, const char *etag)
{
  g_auto (GStrv) items = g_strsplit (header, ",", 64);

  for (char **item = items; *item != NULL; item++)
    {
      const char *text = g_strstrip (*item);
      if (g_str_has_prefix (text, "W/"))
        text += 2;
      if (strcmp (text, "*") == 0 || strcmp (text, etag) == 0)
        return TRUE;
    }
  return FALSE;
}

char *
rp_etag_of_revision (gint64 revision)
{
  return g_strdup_printf ("\"%" G_GINT64_FORMAT "\"", revision);
}

gboolean
rp_etag_parse_revision (const char *header, gint64 *out_revision, GError **error)
{
  gsize length = strlen (header);
  gboolean quoted = length > 2 && header[0] == '"' && header[length - 1] == '"';
  g_autofree char *text = quoted ? g_strndup (header + 1, length - 2) : g_strdup ("");
  if (g_ascii_string_to_signed (text, 10, 0, G_MAXINT64, out_revision, NULL))
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                       "If-Match: expected the ETag of the pointer that the change rests on, such as \"7\"");
  return FALSE;
}
