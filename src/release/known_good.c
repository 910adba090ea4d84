#include "release/known_good.h"

static const char *const outcome_names[] = {
  [RP_OUTCOME_PROGRESSING] = "progressing",
  [RP_OUTCOME_HEALTHY] = "healthy",
  [RP_OUTCOME_FAILED] = "failed",
  [RP_OUTCOME_SUPERSEDED] = "superseded",
};

const char *
rp_outcome_name (RpOutcome outcome)
{
  return outcome_names[outcome];
}

RpOutcome
rp_outcome_parse (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (outcome_names); i++)
    if (g_strcmp0 (name, outcome_names[i]) == 0)
      return (RpOutcome) i;
  return RP_OUTCOME_PROGRESSING;
}

typedef enum
{
  VERDICT_NONE,
  VERDICT_GOOD,
  VERDICT_FAILED,
  VERDICT_SIGNALS_FAILED,
  VERDICT_ROLLED_BACK
} Verdict;

static Verdict
verdict_of (const RpHistoryRow *row)
{
  if (row->outcome == RP_OUTCOME_FAILED)
    return VERDICT_FAILED;
  if (row->rolled_back_by != 0)
    return VERDICT_ROLLED_BACK;
  if (row->signals_failed)
    return VERDICT_SIGNALS_FAILED;
  return row->outcome == RP_OUTCOME_HEALTHY ? VERDICT_GOOD : VERDICT_NONE;
}

/* release → the newest row with a verdict about it; borrowed from `rows`. */
static GHashTable *
newest_verdicts (const RpHistoryRow *rows, gsize n_rows)
{
  GHashTable *newest = g_hash_table_new (g_int64_hash, g_int64_equal);
  for (gsize i = 0; i < n_rows; i++)
    if (verdict_of (&rows[i]) != VERDICT_NONE && !g_hash_table_contains (newest, &rows[i].release))
      g_hash_table_insert (newest, (gpointer)&rows[i].release, (gpointer)&rows[i]);
  return newest;
}

/* TRUE if `row` is good, else *out says why not. */
static gboolean
judge (GHashTable *newest, const RpHistoryRow *row, RpSkipped *out)
{
  *out = (RpSkipped){ .revision = row->number, .release = row->release };
  switch (verdict_of (row))
    {
    case VERDICT_FAILED:
      out->why = RP_SKIP_FAILED;
      return FALSE;
    case VERDICT_SIGNALS_FAILED:
      out->why = RP_SKIP_SIGNALS_FAILED;
      return FALSE;
    case VERDICT_ROLLED_BACK:
      out->why = RP_SKIP_ROLLED_BACK;
      out->other = row->rolled_back_by;
      return FALSE;
    case VERDICT_NONE:
      out->why = RP_SKIP_NEVER_HEALTHY;
      return FALSE;
    case VERDICT_GOOD:
      break;
    }
  const RpHistoryRow *last = g_hash_table_lookup (newest, &row->release);
  Verdict verdict = verdict_of (last);
  if (verdict == VERDICT_GOOD)
    return TRUE;
  out->other = last->number;
  out->why = verdict != VERDICT_ROLLED_BACK ? RP_SKIP_RELEASE_FAILED_LATER
                                            : RP_SKIP_RELEASE_ROLLED_BACK_LATER;
  return FALSE;
}

void
rp_known_good_clear (RpKnownGood *known)
{
  g_clear_pointer (&known->skipped, g_array_unref);
  g_clear_pointer (&known->window, g_array_unref);
}

/* The current row counts as good before its own verdict if its release was good until now. */
static gboolean
current_is_good (GHashTable *newest, const RpHistoryRow *row)
{
  const RpHistoryRow *last = g_hash_table_lookup (newest, &row->release);
  return last != NULL && verdict_of (last) == VERDICT_GOOD;
}

void
rp_known_good_select (const RpHistoryRow *rows, gsize n_rows, gint64 window, RpKnownGood *out)
{
  *out = (RpKnownGood){ .skipped = g_array_new (FALSE, FALSE, sizeof (RpSkipped)),
                        .window = g_array_new (FALSE, FALSE, sizeof (RpWindowEntry)) };
  if (n_rows == 0)
    return;
  g_autoptr (GHashTable) newest = newest_verdicts (rows, n_rows);
  g_autoptr (GHashTable) taken = g_hash_table_new (g_int64_hash, g_int64_equal);
  RpWindowEntry current = { rows[0].number, rows[0].release, current_is_good (newest, &rows[0]) };
  g_array_append_val (out->window, current);
  for (gsize i = 1; i < n_rows; i++)
    {
      const RpHistoryRow *row = &rows[i];
      RpSkipped skipped = { row->number, row->release, RP_SKIP_SAME_RELEASE, 0 };
      gboolean good = row->release != rows[0].release && judge (newest, row, &skipped);
      if (!good && out->undo_revision == 0)
        g_array_append_val (out->skipped, skipped);
      if (!good || !g_hash_table_add (taken, (gpointer)&row->release))
        continue;
      if (out->undo_revision == 0)
        {
          out->undo_revision = row->number;
          out->undo_release = row->release;
        }
      RpWindowEntry entry = { row->number, row->release, TRUE };
      if ((gint64) out->window->len <= window)
        g_array_append_val (out->window, entry);
    }
}

gboolean
rp_known_good_is (const RpHistoryRow *rows, gsize n_rows, gint64 number)
{
  g_autoptr (GHashTable) newest = newest_verdicts (rows, n_rows);
  for (gsize i = 0; i < n_rows; i++)
    if (rows[i].number == number)
      {
        RpSkipped why;
        return judge (newest, &rows[i], &why);
      }
  return FALSE;
}

/* When the revision `number` was left for the next one. */
static gint64
left_us (const RpHistoryRow *rows, gsize n_rows, gint64 number)
{
  for (gsize i = 1; i < n_rows; i++)
    if (rows[i].number == number)
      return rows[i - 1].at_us;
  return G_MAXINT64;
}

gint64
rp_known_good_since (const RpHistoryRow *rows, gsize n_rows, gint64 since_us)
{
  g_auto (RpKnownGood) all = { 0 };
  gint64 count = 0;
  rp_known_good_select (rows, n_rows, G_MAXINT64, &all);
  for (guint i = 1; i < all.window->len; i++)
    if (left_us (rows, n_rows, g_array_index (all.window, RpWindowEntry, i).revision) >= since_us)
      count = i;
  return count;
}
