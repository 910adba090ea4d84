#include "retention/collector.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "registry/collect.h"

/* Bytes of pushes that were cut off are looked for in the whole store, so seldom. */
#define FIND_EVERY_US (24 * 3600 * (gint64) G_USEC_PER_SEC)

struct RpCollector {
  RpRegistry *registry;
  GMutex run_lock; /* of one run, and of what follows */
  gint64 found_at_us; /* monotonic; 0: never */
  RpByteCount condemned, unlinked; /* since the start */
  guint64 runs, failures;

  GMutex lock; /* of what follows */
  GCond cond;
  RpCollectorTimes times;
  gboolean stop;
  GThread *thread;
};

typedef struct {
  RpCollector *collector;
  RpCollectorTimes times;
  gboolean dry;
  guint64 until_free_bytes;
  gint64 now_us;
  RpCollectPass condemned, unlinked;
  RpByteCount found, swept;
  guint64 rescued;
} Run;

RpCollector *
rp_collector_new (RpRegistry *registry, const RpCollectorTimes *times)
{
  RpCollector *collector = g_new0 (RpCollector, 1);

  collector->registry = registry;
  collector->times = *times;
  g_mutex_init (&collector->run_lock);
  g_mutex_init (&collector->lock);
  g_cond_init (&collector->cond);
  return collector;
}

void
rp_collector_set_times (RpCollector *collector, const RpCollectorTimes *times)
{
  g_mutex_lock (&collector->lock);
  collector->times = *times;
  g_cond_signal (&collector->cond);
  g_mutex_unlock (&collector->lock);
}

static gboolean
is_stopping (RpCollector *collector, GError **error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&collector->lock);

  if (collector->stop)
    g_set_error_literal (error, RP_ERROR, RP_ERROR_BUSY, "the server is stopping");
  return collector->stop;
}

/* ---- the steps ---- */

static gint64
before_grace (const Run *run)
{
  return run->now_us - run->times.grace_ms * 1000;
}

static gboolean
condemn_more (Run *run, GError **error)
{
  return !is_stopping (run->collector, error)
         && rp_collect_condemn (run->collector->registry, &run->condemned, before_grace (run),
                                run->dry, error);
}

static gboolean
move_away (Run *run, GError **error)
{
  guint64 rescued = 0;

  if (run->dry)
    return TRUE;
  if (!rp_collect_move (run->collector->registry, before_grace (run), &rescued, error))
    return FALSE;
  run->rescued += rescued;
  return TRUE;
}

static gboolean
sweep (Run *run, GError **error)
{
  RpByteCount swept = { 0 };

  if (run->dry)
    return TRUE;
  if (!rp_collect_sweep (run->collector->registry, &swept, error))
    return FALSE;
  run->swept.blobs += swept.blobs;
  run->swept.size_bytes += swept.size_bytes;
  return TRUE;
}

static gboolean
condemn_all (Run *run, GError **error)
{
  while (!run->condemned.done)
    if (!condemn_more (run, error))
      return FALSE;
  return move_away (run, error);
}

static gboolean
unlink_old (Run *run, GError **error)
{
  gint64 before_us = run->now_us - run->times.keep_ms * 1000;

  while (!run->unlinked.done)
    if (is_stopping (run->collector, error)
        || !rp_collect_unlink (run->collector->registry, &run->unlinked, before_us,
                               "it was condemned and not missed", run->dry, error))
      return FALSE;
  return sweep (run, error);
}

static gboolean
find_lost (Run *run, GError **error)
{
  RpCollector *collector = run->collector;
  gint64 monotonic_us = rp_clock_monotonic_us ();

  if (run->dry
      || (collector->found_at_us > 0 && monotonic_us - collector->found_at_us < FIND_EVERY_US))
    return TRUE;
  if (!rp_collect_find (collector->registry, before_grace (run), &run->found, error))
    return FALSE;
  collector->found_at_us = monotonic_us;
  return TRUE;
}

/* ---- until so much is free ---- */

static gboolean
is_enough (Run *run, gboolean *out, GError **error)
{
  guint64 available, total;

  if (!rp_store_space (rp_registry_store (run->collector->registry), &available, &total, error))
    return FALSE;
  *out = available >= run->until_free_bytes;
  return TRUE;
}

/* What lies condemned goes first, oldest first; then what is loose is condemned and goes at once. */
static gboolean
free_space (Run *run, GError **error)
{
  gboolean enough = FALSE;

  run->unlinked = (RpCollectPass){ .taken = run->unlinked.taken, .held = run->unlinked.held };
  while (is_enough (run, &enough, error))
    {
      if (enough || (run->unlinked.done && run->condemned.done))
        return TRUE;
      if (run->unlinked.done
          && (!condemn_more (run, error) || !move_away (run, error)))
        return FALSE;
      if (is_stopping (run->collector, error)
          || !rp_collect_unlink (run->collector->registry, &run->unlinked, G_MAXINT64,
                                 "its room was needed", FALSE, error)
          || !sweep (run, error))
        return FALSE;
    }
  return FALSE;
}

static gboolean
run_steps (Run *run, GError **error)
{
  RpRegistry *registry = run->collector->registry;

  if (!run->dry && !rp_collect_read (registry, NULL, error))
    return FALSE;
  if (run->until_free_bytes == 0)
    return find_lost (run, error) && condemn_all (run, error) && unlink_old (run, error);
  return find_lost (run, error) && unlink_old (run, error) && free_space (run, error);
}

/* ---- what it says ---- */

static void
set_count (json_t *json, const char *key, const RpByteCount *count)
{
  json_t *value = json_object ();

  json_object_set_new (value, "blobs", json_integer ((json_int_t) count->blobs));
  json_object_set_new (value, "bytes", json_integer ((json_int_t) count->size_bytes));
  json_object_set_new (json, key, value);
}

static json_t *
report (Run *run, GError **error)
{
  RpRegistry *registry = run->collector->registry;
  guint64 available, total;
  RpCollectState state;
  json_t *json;

  if (!rp_collect_state (registry, &state, error)
      || !rp_store_space (rp_registry_store (registry), &available, &total, error))
    return NULL;
  json = json_object ();
  json_object_set_new (json, "dry", json_boolean (run->dry));
  set_count (json, "condemned", &run->condemned.taken);
  set_count (json, "unlinked", &run->unlinked.taken);
  set_count (json, "in_use", &run->condemned.in_use);
  set_count (json, "held", &run->condemned.held);
  set_count (json, "found", &run->found);
  set_count (json, "waiting", &state.condemned);
  json_object_set_new (json, "rescued", json_integer ((json_int_t) run->rescued));
  json_object_set_new (json, "free_bytes", json_integer ((json_int_t) available));
  return json;
}

static void
note (RpCollector *collector, const Run *run, gboolean ok)
{
  collector->runs += !run->dry;
  collector->failures += !run->dry && !ok;
  if (run->dry)
    return;
  collector->condemned.blobs += run->condemned.taken.blobs;
  collector->condemned.size_bytes += run->condemned.taken.size_bytes;
  collector->unlinked.blobs += run->unlinked.taken.blobs;
  collector->unlinked.size_bytes += run->unlinked.taken.size_bytes;
  if (run->condemned.taken.blobs + run->unlinked.taken.blobs > 0)
    rp_log_info ("collector",
                 "condemned %" G_GUINT64_FORMAT " blobs that nothing needs, unlinked "
                 "%" G_GUINT64_FORMAT,
                 run->condemned.taken.blobs, run->unlinked.taken.blobs);
}

json_t *
rp_collector_run (RpCollector *collector, gboolean dry, guint64 until_free_bytes, GError **error)
{
  Run run = { .collector = collector, .dry = dry, .until_free_bytes = until_free_bytes };
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&collector->run_lock);
  gboolean ok;

  g_mutex_lock (&collector->lock);
  run.times = collector->times;
  g_mutex_unlock (&collector->lock);
  run.now_us = rp_clock_now_us ();
  ok = run_steps (&run, error);
  note (collector, &run, ok);
  return ok ? report (&run, error) : NULL;
}

/* ---- the thread ---- */

static void
run_once (RpCollector *collector)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) done = rp_collector_run (collector, FALSE, 0, &error);

  if (!done && !is_stopping (collector, NULL))
    rp_log_error ("collector", "the collection stopped, and kept what it had not looked at: %s",
                  error->message);
}

static gpointer
collector_thread (gpointer data)
{
  RpCollector *collector = data;

  g_mutex_lock (&collector->lock);
  while (!collector->stop)
    {
      gint64 since_us = rp_clock_monotonic_us ();

      while (!collector->stop
             && rp_clock_monotonic_us () < since_us + collector->times.every_ms * 1000)
        g_cond_wait_until (&collector->cond, &collector->lock,
                           since_us + collector->times.every_ms * 1000);
      if (collector->stop)
        break;
      g_mutex_unlock (&collector->lock);
      run_once (collector);
      g_mutex_lock (&collector->lock);
    }
  g_mutex_unlock (&collector->lock);
  return NULL;
}

void
rp_collector_start (RpCollector *collector)
{
  collector->thread = g_thread_new ("collector", collector_thread, collector);
}

void
rp_collector_stop (RpCollector *collector)
{
  if (!collector)
    return;
  g_mutex_lock (&collector->lock);
  collector->stop = TRUE;
  g_cond_signal (&collector->cond);
  g_mutex_unlock (&collector->lock);
  if (collector->thread)
    g_thread_join (g_steal_pointer (&collector->thread));
}

void
rp_collector_free (RpCollector *collector)
{
  if (!collector)
    return;
  rp_collector_stop (collector);
  g_mutex_clear (&collector->run_lock);
  g_mutex_clear (&collector->lock);
  g_cond_clear (&collector->cond);
  g_free (collector);
}

/* ---- metrics ---- */

static void
print_metric (GString *out, const char *name, const char *kind, const char *help, guint64 value)
{
  g_string_append_printf (out, "# HELP %s %s\n# TYPE %s %s\n%s %" G_GUINT64_FORMAT "\n", name, help,
                          name, kind, name, value);
}

gboolean
rp_collector_print (RpCollector *collector, GString *out, GError **error)
{
  RpCollectState state;

  if (!rp_collect_state (collector->registry, &state, error))
    return FALSE;
  print_metric (out, "repoint_blobs_loose", "gauge", "Blobs that no manifest names.",
                state.loose.blobs);
  print_metric (out, "repoint_blobs_condemned", "gauge", "Blobs that wait to be unlinked.",
                state.condemned.blobs);
  print_metric (out, "repoint_blobs_condemned_bytes", "gauge", "Their bytes.",
                state.condemned.size_bytes);
  /* A run takes its time, and a scrape must not wait for it. */
  if (!g_mutex_trylock (&collector->run_lock))
    return TRUE;
  print_metric (out, "repoint_collector_runs_total", "counter", "Collections since the start.",
                collector->runs);
  print_metric (out, "repoint_collector_failures_total", "counter",
                "Those that stopped on an error.", collector->failures);
  print_metric (out, "repoint_collector_unlinked_bytes_total", "counter",
                "Bytes unlinked since the start.", collector->unlinked.size_bytes);
  g_mutex_unlock (&collector->run_lock);
  return TRUE;
}
