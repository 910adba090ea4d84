#include "base/size.h"

#include <string.h>

char *
rp_size_format (gint64 bytes)
{
  static const char *const units[] = { "kB", "MB", "GB", "TB", "PB" };

  if (bytes < 1000)
    return g_strdup_printf ("%" G_GINT64_FORMAT " B", bytes);
  double value = (double) bytes / 1000;
  gsize unit = 0;
  while (value >= 999.95 && unit + 1 < G_N_ELEMENTS (units))
    {
      value /= 1000;
      unit++;
    }
  return g_strdup_printf ("%.1f %s", value, units[unit]);
}

/* How many of a thousand or 1024 the unit stands for; -1: it is none. */
static int
power_of (const char *unit, gboolean *out_binary)
{
  static const char letters[] = "kmgt";
  const char *at = *unit == '\0' ? NULL : strchr (letters, g_ascii_tolower (*unit));
  int power = at == NULL ? 0 : (int) (at - letters) + 1;

  unit += power > 0;
  *out_binary = power > 0 && g_ascii_tolower (*unit) == 'i';
  unit += *out_binary;
  unit += g_ascii_tolower (*unit) == 'b';
  return *unit == '\0' ? power : -1;
}

gboolean
rp_size_parse (const char *text, gint64 *out)
{
  gsize digits = strspn (text, "0123456789");
  gboolean binary = FALSE;
  int power = power_of (text + digits, &binary);

  if (digits == 0 || digits > 16 || power < 0)
    return FALSE;
  gint64 number = g_ascii_strtoll (text, NULL, 10), factor = 1;
  while (power-- > 0)
    factor *= binary ? 1024 : 1000;
  if (number > RP_SIZE_MAX / factor)
    return FALSE;
  *out = number * factor;
  return TRUE;
}
