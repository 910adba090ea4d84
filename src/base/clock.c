#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "base/error.h"

gint64
rp_clock_now_us (void)
{
  return g_get_real_time ();
}

gint64
rp_clock_monotonic_us (void)
{
  return g_get_monotonic_time ();
}

char *
rp_clock_format (gint64 us)
{
  gint64 ms = us / 1000 - (us % 1000 < 0);
  time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
  int rest = (int)(ms - (gint64)seconds * 1000);
  struct tm tm;
  if (gmtime_r (&seconds, &tm) == NULL)
    return g_strdup ("(time out of range)");
  return g_strdup_printf ("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                          tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, rest);
}

gboolean
rp_clock_parse (const char *text, gint64 *out_us, GError **error)
{
  /* GDateTime also takes week dates and times without a date or zone; RFC 3339 does not. */
  gboolean shaped = text != NULL && strnlen (text, 64) < 64 && strlen (text) >= 20 && text[4] == '-'
                    && text[7] == '-' && (text[10] == 'T' || text[10] == 't') && text[13] == ':'
                    && text[16] == ':';
  g_autoptr (GDateTime) time = shaped ? g_date_time_new_from_iso8601 (text, NULL) : NULL;
  if (time == NULL)
    {
      /* Cut before it is escaped: a cut inside a character is no text. */
      g_autofree char *head = g_strndup (text != NULL ? text : "", 80);
      g_autofree char *shown = g_strescape (head, NULL);
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "\"%s\" is no time: expected RFC 3339, like 2026-11-24T14:05:09.123Z", shown);
      return FALSE;
    }
  *out_us = g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time);
  return TRUE;
}

char *
rp_clock_format_age (gint64 age_us)
{
  static const struct {
    gint64 below_s, unit_s;
    const char *name;
  } steps[] = {
    { 120, 1, "s" },
    { 120 * 60, 60, "min" },
    { 48 * 3600, 3600, "h" },
    { G_MAXINT64, 86400, "d" },
  };
  gint64 age_s = MAX (age_us, 0) / G_USEC_PER_SEC;
  gsize i = 0;
  while (age_s >= steps[i].below_s && i + 1 < G_N_ELEMENTS (steps))
    i++;
  return g_strdup_printf ("%" G_GINT64_FORMAT " %s", age_s / steps[i].unit_s, steps[i].name);
}
