#include "oci/challenge.h"

#include <string.h>

void
rp_challenge_clear (RpChallenge *challenge)
{
  g_clear_pointer (&challenge->realm, g_free);
  g_clear_pointer (&challenge->service, g_free);
}

/* `"a \"b\""` or `token`; *at is left behind it. */
static char *
read_value (const char **at)
{
  GString *value = g_string_new (NULL);
  const char *p = *at;
  if (*p != '"')
    {
      gsize size = strcspn (p, ", \t");
      g_string_append_len (value, p, (gssize) size);
      p += size;
    }
  else
    for (p++; *p != '\0' && *p != '"'; p++)
      {
        if (*p == '\\' && p[1] != '\0')
          p++;
        g_string_append_c (value, *p);
      }
  *at = *p == '"' ? p + 1 : p;
  return g_string_free (value, FALSE);
}

void
rp_challenge_parse (const char *text, RpChallenge *out)
{
  *out = (RpChallenge){ 0 };
  if (text == NULL || g_ascii_strncasecmp (text, "Bearer", 6) != 0)
    return;
  for (const char *p = text + 6; *p != '\0';)
    {
      p += strspn (p, ", \t");
      gsize size = strcspn (p, "=, \t");
      g_autofree char *name = g_ascii_strdown (p, (gssize) size);
      p += size;
      if (*p != '=')
        continue;
      p++;
      g_autofree char *value = read_value (&p);
      char **place = g_str_equal (name, "realm")     ? &out->realm
                     : g_str_equal (name, "service") ? &out->service
                                                     : NULL;
      if (place != NULL && *place == NULL)
        *place = g_steal_pointer (&value);
    }
}
