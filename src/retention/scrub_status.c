/* How far scrubbing is, for people and metrics. */
#include "base/clock.h"
#include "retention/scrubber_priv.h"

#define DAMAGED_SHOWN 1000
/* What was deleted meanwhile nobody waits for. */
#define IS_NEEDED "(EXISTS (SELECT 1 FROM manifest AS m WHERE m.digest = d.digest) " \
                        "OR EXISTS (SELECT 1 FROM edge AS e WHERE e.digest = d.digest))"

typedef struct {
  gint64 before_us;
  gint64 blobs, due, oldest_us, damaged;
  json_t *list; /* or NULL: not wanted */
} State;

static void
add_damaged (json_t *list, const RpRows *rows)
{
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    {
      g_autofree char *at = rp_clock_format (rp_rows_int (rows, row, 2));
      json_t *one = json_object ();

      json_object_set_new (one, "digest", json_string (rp_rows_text (rows, row, 0)));
      json_object_set_new (one, "found", json_string (rp_rows_text (rows, row, 1)));
      json_object_set_new (one, "at", json_string (at));
      json_array_append_new (list, one);
    }
}

static gboolean
read_state (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char passes[] = "SELECT (SELECT COUNT(*) FROM verified WHERE ok = 1), "
                               "(SELECT COUNT(*) FROM verified WHERE at_us < $1 AND ok = 1), "
                               "(SELECT MIN(at_us) FROM verified WHERE ok = 1), "
                               "(SELECT COUNT(*) FROM damaged AS d WHERE " IS_NEEDED ")";
  State *state = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, passes, "i", state->before_us);

  if (!rows)
    return FALSE;
  state->blobs = rp_rows_int (rows, 0, 0);
  state->due = rp_rows_int (rows, 0, 1);
  state->oldest_us = rp_rows_int (rows, 0, 2);
  state->damaged = rp_rows_int (rows, 0, 3);
  if (!state->list)
    return TRUE;
  g_autoptr (RpRows) damaged
      = rp_txn_query (txn, error, "SELECT digest, found, at_us FROM damaged AS d WHERE " IS_NEEDED
                      " ORDER BY at_us LIMIT $1", "i", (gint64) DAMAGED_SHOWN);
  if (damaged)
    add_damaged (state->list, damaged);
  return damaged != NULL;
}

json_t *
rp_scrubber_status (RpScrubber *scrubber, GError **error)
{
  g_autoptr (json_t) list = json_array ();
  State state = { .list = list };
  RpScrubPace pace;
  json_t *json;

  g_mutex_lock (&scrubber->lock);
  pace = scrubber->pace;
  g_mutex_unlock (&scrubber->lock);
  state.before_us = rp_clock_now_us () - pace.every_ms * 1000;
  if (!rp_db_read (rp_registry_db (scrubber->registry), read_state, &state, error))
    return NULL;
  g_autofree char *oldest = state.oldest_us > 0 ? rp_clock_format (state.oldest_us) : NULL;
  json = json_object ();
  json_object_set_new (json, "every_s", json_integer (pace.every_ms / 1000));
  json_object_set_new (json, "bytes_per_second", json_integer (pace.bytes_per_second));
  json_object_set_new (json, "blobs", json_integer (state.blobs));
  json_object_set_new (json, "due", json_integer (state.due));
  json_object_set_new (json, "oldest_verified_at", oldest ? json_string (oldest) : json_null ());
  json_object_set (json, "damaged", list);
  json_object_set_new (json, "damaged_total", json_integer (state.damaged));
  return json;
}

static void
print_metric (GString *out, const char *name, const char *kind, const char *help, guint64 value)
{
  g_string_append_printf (out, "# HELP %s %s\n# TYPE %s %s\n%s %" G_GUINT64_FORMAT "\n", name, help,
                          name, kind, name, value);
}

gboolean
rp_scrubber_print (RpScrubber *scrubber, GString *out, GError **error)
{
  State state = { 0 };
  RpScrubCount total;

  if (!rp_db_read (rp_registry_db (scrubber->registry), read_state, &state, error))
    return FALSE;
  g_mutex_lock (&scrubber->lock);
  total = scrubber->total;
  g_mutex_unlock (&scrubber->lock);
  print_metric (out, "repoint_blobs_damaged", "gauge",
                "Blobs that are damaged or gone and wait for their true bytes.",
                (guint64) state.damaged);
  print_metric (out, "repoint_scrub_oldest_timestamp_seconds", "gauge",
                "When the blob was last read whole for which that is longest ago; 0: one never was.",
                (guint64) (state.oldest_us / G_USEC_PER_SEC));
  print_metric (out, "repoint_scrub_blobs_total", "counter", "Blobs read again since the start.",
                total.blobs);
  print_metric (out, "repoint_scrub_bytes_total", "counter", "Their bytes.", total.size_bytes);
  print_metric (out, "repoint_scrub_damaged_total", "counter", "Those found damaged.",
                total.damaged);
  print_metric (out, "repoint_scrub_healed_total", "counter", "Those that a second copy healed.",
                total.healed);
  print_metric (out, "repoint_scrub_failures_total", "counter", "Those that could not be looked at.",
                total.failed);
  return TRUE;
}
