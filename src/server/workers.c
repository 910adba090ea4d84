#include "server/workers.h"

struct RpWorkers {
  GThreadPool *pool;
  void (*run) (gpointer item);
  GMutex lock;
  gboolean stopped; /* under lock */
};

static void
run_item (gpointer item, gpointer user_data)
{
  ((RpWorkers *) user_data)->run (item);
}

RpWorkers *
rp_workers_new (guint threads, void (*run) (gpointer item))
{
  RpWorkers *workers = g_new0 (RpWorkers, 1);

  workers->run = run;
  g_mutex_init (&workers->lock);
  workers->pool = g_thread_pool_new (run_item, workers, (gint) threads, FALSE, NULL);
  return workers;
}

gboolean
rp_workers_push (RpWorkers *workers, gpointer item)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&workers->lock);

  if (workers->stopped)
    return FALSE;
  /* An error here means that no new thread could be started; the item is queued all the same. */
  g_thread_pool_push (workers->pool, item, NULL);
  return TRUE;
}

void
rp_workers_stop (RpWorkers *workers)
{
  GThreadPool *pool;

  g_mutex_lock (&workers->lock);
  workers->stopped = TRUE;
  pool = g_steal_pointer (&workers->pool);
  g_mutex_unlock (&workers->lock);
  if (pool != NULL)
    g_thread_pool_free (pool, FALSE, TRUE);
}

void
rp_workers_free (RpWorkers *workers)
{
  if (workers == NULL)
    return;
  rp_workers_stop (workers);
  g_mutex_clear (&workers->lock);
  g_free (workers);
}
