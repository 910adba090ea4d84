#include "cli/moment.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/yaml.h"

/* `2026-11-24` or `14:05` or `2026-11-24 14:05`, with what it leaves out. */
static char *
complete (const char *text)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *today = g_date_time_format (now, "%Y-%m-%d");
  const char *colon = strchr (text, ':');
  gboolean dated = strlen (text) >= 10 && text[4] == '-' && text[7] == '-';
  const char *clock = !dated ? text : text[10] != '\0' ? text + 11 : "00:00";
  if (!dated && colon == NULL)
    return NULL;
  return g_strdup_printf ("%.10sT%s%s", dated ? text : today, clock, strlen (clock) == 5 ? ":00" : "");
}

static gboolean
parse_local (const char *text, gint64 *out_us)
{
  g_autofree char *whole = complete (text);
  g_autoptr (GTimeZone) zone = g_time_zone_new_local ();
  g_autoptr (GDateTime) time
      = whole == NULL ? NULL : g_date_time_new_from_iso8601 (whole, zone);
  if (time == NULL)
    return FALSE;
  *out_us = g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time);
  return TRUE;
}

gboolean
rp_moment_parse (const char *text, gint64 *out_us, GError **error)
{
  gint64 ms;
  if (rp_duration_parse_ms (text, &ms) && ms <= rp_clock_now_us () / 1000)
    {
      *out_us = rp_clock_now_us () - ms * 1000;
      return TRUE;
    }
  if (rp_clock_parse (text, out_us, NULL) || parse_local (text, out_us))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
               "`%s` is no time: expected one like 2026-11-24T14:05:09Z, 2026-11-24 14:05 or 14:05, or how long"
               " ago, like 90m or 2d",
               text);
  return FALSE;
}
