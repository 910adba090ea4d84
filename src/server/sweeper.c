#include "server/sweeper.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#define FLUSH_US (60 * G_USEC_PER_SEC)
#define ACTOR "repoint"

struct RpSweeper {
  RpRetention *retention;
  gint64 every_us;
  GThread *thread;
  GMutex lock;
  GCond cond;
  gboolean stop; /* under lock */
};

static void
flush (RpSweeper *sweeper)
{
  g_autoptr (GError) error = NULL;

  if (!rp_pulls_flush (sweeper->retention, &error))
    rp_log_error ("retention", "what was pulled could not be written down: %s", error->message);
}

static void
run (RpSweeper *sweeper)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) told
      = rp_sweep_run (sweeper->retention, NULL, ACTOR, rp_clock_now_us (), &error);

  if (told == NULL)
    rp_log_error ("retention", "nothing was let go: %s", error->message);
  else if (rp_json_int (told, "images") > 0)
    rp_log_info ("retention", "%" G_GINT64_FORMAT " images went by their policies",
                 rp_json_int (told, "images"));
}

static gpointer
sweeper_thread (gpointer data)
{
  RpSweeper *sweeper = data;
  gint64 run_us = rp_clock_monotonic_us () + sweeper->every_us;

  g_mutex_lock (&sweeper->lock);
  while (!sweeper->stop)
    {
      gint64 wake_us = MIN (run_us, rp_clock_monotonic_us () + FLUSH_US);

      if (g_cond_wait_until (&sweeper->cond, &sweeper->lock, wake_us) || sweeper->stop)
        continue;
      g_mutex_unlock (&sweeper->lock);
      if (rp_clock_monotonic_us () < run_us)
        flush (sweeper);
      else
        {
          run (sweeper);
          run_us = rp_clock_monotonic_us () + sweeper->every_us;
        }
      g_mutex_lock (&sweeper->lock);
    }
  g_mutex_unlock (&sweeper->lock);
  return NULL;
}

RpSweeper *
rp_sweeper_start (RpRetention *retention, gint64 every_ms)
{
  RpSweeper *sweeper = g_new0 (RpSweeper, 1);

  sweeper->retention = retention;
  sweeper->every_us = every_ms * 1000;
  g_mutex_init (&sweeper->lock);
  g_cond_init (&sweeper->cond);
  sweeper->thread = g_thread_new ("sweeper", sweeper_thread, sweeper);
  return sweeper;
}

void
rp_sweeper_stop (RpSweeper *sweeper)
{
  if (sweeper == NULL)
    return;
  g_mutex_lock (&sweeper->lock);
  sweeper->stop = TRUE;
  g_cond_signal (&sweeper->cond);
  g_mutex_unlock (&sweeper->lock);
  g_thread_join (sweeper->thread);
  flush (sweeper);
  g_mutex_clear (&sweeper->lock);
  g_cond_clear (&sweeper->cond);
  g_free (sweeper);
}
