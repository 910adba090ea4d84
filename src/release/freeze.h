/* A freeze window: it begins whenever a cron expression fits the local time of a zone, and lasts for so long.
 * Pure: a rule and a time in, what is frozen out.
 *
 *   0 16 * * fri      minute, hour, day of the month, month, day of the week: `*`, numbers, names, lists, ranges,
 *                     steps (`1-5`, `mon,wed`, `0-59/10`).  As cron has it, a day fits if one of the day of the month and the
 *                     day of the week does, where both are given.
 */
#pragma once

#include <glib.h>

typedef struct
{
  guint64 minutes; /* a bit each, as the next */
  guint64 hours;
  guint64 days;
  guint64 months;
  guint64 weekdays; /* 0: Sunday */
  gboolean any_day;
  gboolean any_weekday;
} RpCron;
/* RP_ERROR_INVALID says which field is wrong, and what is expected. */
gboolean rp_cron_parse (const char *text, RpCron *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

#define RP_FREEZE_MAX_MS (366 * G_GINT64_CONSTANT (86400000))

typedef struct
{
  char *at;   /* as it was written */
  char *zone; /* IANA name, or UTC */
  gint64 for_ms;
  char *because; /* or NULL */
  RpCron cron;
  GTimeZone *timezone;
} RpFreeze;
/* `zone` NULL: UTC. RP_ERROR_INVALID. */
RpFreeze *rp_freeze_new (const char *at, const char *zone, gint64 for_ms, const char *because,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_freeze_free (gpointer freeze);

/* When the window ends that `now_us` is in; 0: in none. */
gint64 rp_freeze_end (const RpFreeze *freeze, gint64 now_us);
/* When the next one begins, in the year to come; 0: none does. */
gint64 rp_freeze_next (const RpFreeze *freeze, gint64 now_us);
