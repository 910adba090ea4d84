#include "release/freeze.h"

#include <string.h>

#include "base/error.h"

#define DAY_US       (86400 * (gint64) G_USEC_PER_SEC)
#define YEAR_DAYS    366

/* ---- parse ---- */

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
                                           "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekday_names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };

typedef struct
{
  const char *name;
  guint min;
  guint max;
  const char *const *names; /* from `min` on, or NULL */
} Field;

static const Field fields[] = {
  { "minute", 0, 59, NULL },
  { "hour", 0, 23, NULL },
  { "day of the month", 1, 31, NULL },
  { "month", 1, 12, month_names },
  { "day of the week", 0, 7, weekday_names }, /* 7 is Sunday too */
};

static gboolean
parse_value (const Field *field, const char *text, guint *out)
{
  guint64 value;
  for (guint i = 0; field->names != NULL && field->names[i] != NULL; i++)
    if (g_ascii_strcasecmp (text, field->names[i]) == 0)
      {
        *out = field->min + i;
        return TRUE;
      }
  if (!g_ascii_string_to_unsigned (text, 10, field->min, field->max, &value, NULL))
    return FALSE;
  *out = (guint) value;
  return TRUE;
}

/* `*`, `5`, `1-5`, each perhaps with `/2`. */
static gboolean
parse_part (const Field *field, const char *text, guint64 *mask)
{
  g_auto (GStrv) stepped = g_strsplit (text, "/", 2);
  guint64 step = 1;
  guint first = field->min, last = field->max;
  if (stepped[0] == NULL
      || (stepped[1] != NULL && !g_ascii_string_to_unsigned (stepped[1], 10, 1, 59, &step, NULL)))
    return FALSE;
  if (!g_str_equal (stepped[0], "*"))
    {
      g_auto (GStrv) range = g_strsplit (stepped[0], "-", 2);
      if (range[0] == NULL || !parse_value (field, range[0], &first)
          || (range[1] != NULL && !parse_value (field, range[1], &last)))
        return FALSE;
      if (range[1] == NULL && stepped[1] == NULL)
        last = first;
    }
  for (guint value = first; value <= last; value += (guint) step)
    *mask |= G_GUINT64_CONSTANT (1) << value;
  return first <= last;
}

static gboolean
parse_field (const Field *field, const char *text, guint64 *mask, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);
  *mask = 0;
  for (char **part = parts; *part != NULL; part++)
    if (!parse_part (field, *part, mask))
      {
        g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                     "\"%s\" is no %s: expected *, numbers from %u to %u%s, lists, ranges or steps, such"
                     " as 1-5, 0,30 or */10",
                     text, field->name, field->min, field->max,
                     field->names != NULL ? " or names of three letters" : "");
        return FALSE;
      }
  return TRUE;
}

gboolean
rp_cron_parse (const char *text, RpCron *out, GError **error)
{
  g_auto (GStrv) words = g_strsplit_set (text, " \t", -1);
  guint64 masks[G_N_ELEMENTS (fields)];
  const char *texts[G_N_ELEMENTS (fields)];
  gsize n = 0;
  for (char **word = words; *word != NULL; word++)
    {
      if (**word == '\0')
        continue;
      if (n < G_N_ELEMENTS (fields))
        texts[n] = *word;
      n++;
    }
  if (n != G_N_ELEMENTS (fields))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "\"%s\" has %" G_GSIZE_FORMAT " fields: expected minute, hour, day of the month, month"
                   " and day of the week, as in \"0 16 * * fri\"",
                   text, n);
      return FALSE;
    }
  for (gsize i = 0; i < n; i++)
    if (!parse_field (&fields[i], texts[i], &masks[i], error))
      return FALSE;
  *out = (RpCron){ .minutes = masks[0], .hours = masks[1], .days = masks[2], .months = masks[3],
                   .weekdays = masks[4] | ((masks[4] >> 7) & 1),
                   .any_day = g_str_equal (texts[2], "*"),
                   .any_weekday = g_str_equal (texts[4], "*") };
  return TRUE;
}

RpFreeze *
rp_freeze_new (const char *at, const char *zone, gint64 for_ms, const char *because, GError **error)
{
  RpCron cron;
  if (!rp_cron_parse (at, &cron, error))
    return NULL;
  if (for_ms < 60000 || for_ms > RP_FREEZE_MAX_MS)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID, "a freeze lasts for 1m to 366d");
      return NULL;
    }
  GTimeZone *place = g_time_zone_new_identifier (zone != NULL ? zone : "UTC");
  if (place == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "\"%s\" is no time zone of this machine: expected a name such as Europe/Berlin, or UTC",
                   zone);
      return NULL;
    }
  RpFreeze *freeze = g_new0 (RpFreeze, 1);
  freeze->at = g_strdup (at);
  freeze->zone = g_strdup (zone != NULL ? zone : "UTC");
  freeze->for_ms = for_ms;
  freeze->because = g_strdup (because);
  freeze->cron = cron;
  freeze->timezone = place;
  return freeze;
}

void
rp_freeze_free (gpointer data)
{
  RpFreeze *freeze = data;
  if (freeze == NULL)
    return;
  g_free (freeze->at);
  g_free (freeze->zone);
  g_free (freeze->because);
  g_time_zone_unref (freeze->timezone);
  g_free (freeze);
}

/* ---- time ---- */

static gboolean
has (guint64 mask, gint bit)
{
  return ((mask >> bit) & 1) != 0;
}

static gboolean
fits_day (const RpCron *cron, GDateTime *day)
{
  gboolean of_month = has (cron->days, g_date_time_get_day_of_month (day));
  gboolean of_week = has (cron->weekdays, g_date_time_get_day_of_week (day) % 7);
  if (!has (cron->months, g_date_time_get_month (day)))
    return FALSE;
  return cron->any_day || cron->any_weekday ? of_month && of_week : of_month || of_week;
}

static gint64
start_us (const RpFreeze *freeze, GDateTime *day, gint minute_of_day)
{
  g_autoptr (GDateTime) start = g_date_time_new (
      freeze->timezone, g_date_time_get_year (day), g_date_time_get_month (day),
      g_date_time_get_day_of_month (day), minute_of_day / 60, minute_of_day % 60, 0);
  return start == NULL ? 0 : g_date_time_to_unix (start) * G_USEC_PER_SEC;
}

/* The first start on `day` that is after `now_us`, or with `back` the last that is not; 0: none. */
static gint64
find_on_day (const RpFreeze *freeze, GDateTime *day, gint64 now_us, gboolean back)
{
  if (!fits_day (&freeze->cron, day))
    return 0;
  for (gint i = 0; i < 24 * 60; i++)
    {
      gint minute = back ? 24 * 60 - 1 - i : i;
      if (!has (freeze->cron.hours, minute / 60) || !has (freeze->cron.minutes, minute % 60))
        continue;
      gint64 at_us = start_us (freeze, day, minute);
      if (at_us != 0 && (at_us > now_us) == !back)
        return at_us;
    }
  return 0;
}

/* Noon of each day, so that no change of the clocks leads to another day. */
static gint64
find_start (const RpFreeze *freeze, gint64 now_us, gboolean back, gint days)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (now_us / G_USEC_PER_SEC);
  g_autoptr (GDateTime) now = g_date_time_to_timezone (utc, freeze->timezone);
  g_autoptr (GDateTime) noon
      = g_date_time_new (freeze->timezone, g_date_time_get_year (now), g_date_time_get_month (now),
                         g_date_time_get_day_of_month (now), 12, 0, 0);
  for (gint i = 0; i <= days; i++)
    {
      g_autoptr (GDateTime) day = g_date_time_add_days (noon, back ? -i : i);
      gint64 found = find_on_day (freeze, day, now_us, back);
      if (found != 0)
        return found;
    }
  return 0;
}

gint64
rp_freeze_end (const RpFreeze *freeze, gint64 now_us)
{
  gint64 for_us = freeze->for_ms * 1000;
  gint64 start = find_start (freeze, now_us, TRUE, (gint) (for_us / DAY_US) + 2);
  return start != 0 && start + for_us > now_us ? start + for_us : 0;
}

gint64
rp_freeze_next (const RpFreeze *freeze, gint64 now_us)
{
  return find_start (freeze, now_us, FALSE, YEAR_DAYS);
}
