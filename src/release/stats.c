#include "release/stats.h"

void
rp_stats_clear (RpStats *stats)
{
  g_clear_pointer (&stats->restorations, g_array_unref);
}

static const RpStatsRow *
at (const GArray *rows, guint i)
{
  return &g_array_index (rows, RpStatsRow, i);
}

static gint
by_size (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *) a;
  gint64 y = *(const gint64 *) b;
  return (x > y) - (x < y);
}

/* 0 of nothing. Sorts. */
static gint64
median (GArray *values)
{
  if (values->len == 0)
    return 0;
  g_array_sort (values, by_size);
  return (g_array_index (values, gint64, (values->len - 1) / 2)
          + g_array_index (values, gint64, values->len / 2))
         / 2;
}

/* A deploy of what was current already brings nothing. */
static gboolean
is_restart (const GArray *rows, guint i)
{
  return !rp_kind_is_rollback (at (rows, i)->kind) && i > 0
         && at (rows, i)->release == at (rows, i - 1)->release;
}

static gboolean
has_failed (const RpStatsRow *row)
{
  return row->outcome == RP_OUTCOME_FAILED || row->rolled_back_by != 0;
}

/* When the environment was healthy again after row `i`; 0: not yet. */
static gint64
healthy_after (const GArray *rows, guint i)
{
  for (guint j = i + 1; j < rows->len; j++)
    if (at (rows, j)->outcome == RP_OUTCOME_HEALTHY)
      return at (rows, j)->outcome_at_us;
  return 0;
}

static gboolean
was_healthy_before (const GArray *rows, guint i)
{
  for (guint j = 0; j < i; j++)
    if (at (rows, j)->release == at (rows, i)->release && at (rows, j)->outcome == RP_OUTCOME_HEALTHY)
      return TRUE;
  return FALSE;
}

/* Clocks that disagree make no negative times: these are left out. */
static void
add_span (GArray *spans, gint64 from_us, gint64 to_us)
{
  gint64 span_us = to_us - from_us;
  if (span_us >= 0)
    g_array_append_val (spans, span_us);
}

static void
count_change (const GArray *rows, guint i, GArray *leads, GArray *recoveries, RpStats *out)
{
  const RpStatsRow *row = at (rows, i);
  gint64 healthy_us = healthy_after (rows, i);
  if (row->outcome == RP_OUTCOME_HEALTHY)
    out->deployments++;
  if (row->outcome == RP_OUTCOME_HEALTHY && !was_healthy_before (rows, i))
    add_span (leads, row->release_at_us, row->outcome_at_us);
  if (row->outcome == RP_OUTCOME_HEALTHY || has_failed (row))
    out->decided++;
  if (!has_failed (row))
    return;
  out->failed++;
  if (healthy_us == 0)
    out->open++;
  else
    add_span (recoveries, row->at_us, healthy_us);
}

static void
count_rollback (const GArray *rows, guint i, RpStats *out)
{
  const RpStatsRow *row = at (rows, i);
  RpRestoration restoration = { row->number, row->kind, 0, row->at_us, -1, -1 };
  out->rollbacks++;
  if (row->outcome == RP_OUTCOME_HEALTHY)
    restoration.took_us = MAX (0, row->outcome_at_us - row->at_us);
  for (guint j = i; j-- > 0 && restoration.left == 0;)
    if (at (rows, j)->rolled_back_by == row->number)
      {
        restoration.left = at (rows, j)->number;
        if (row->outcome == RP_OUTCOME_HEALTHY)
          restoration.bad_for_us = MAX (0, row->outcome_at_us - at (rows, j)->at_us);
      }
  g_array_prepend_val (out->restorations, restoration);
}

void
rp_stats_compute (const GArray *rows, gint64 from_us, RpStats *out)
{
  g_autoptr (GArray) leads = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_autoptr (GArray) recoveries = g_array_new (FALSE, FALSE, sizeof (gint64));
  *out = (RpStats){ .restorations = g_array_new (FALSE, FALSE, sizeof (RpRestoration)) };
  for (guint i = 0; i < rows->len; i++)
    {
      if (at (rows, i)->at_us < from_us)
        continue;
      if (rp_kind_is_rollback (at (rows, i)->kind))
        count_rollback (rows, i, out);
      else if (is_restart (rows, i))
        out->restarts++;
      else
        count_change (rows, i, leads, recoveries, out);
    }
  out->leads = leads->len;
  out->lead_us = median (leads);
  out->recoveries = recoveries->len;
  out->recovery_us = median (recoveries);
}
