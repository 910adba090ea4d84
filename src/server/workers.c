/* Plain threads and a queue: started once, so that a busy moment finds them there. */
#include "server/workers.h"

struct RpWorkers {
  void (*run) (gpointer item);
  GPtrArray *threads; /* GThread; the stopper's */
  GMutex lock;
  GCond cond;
  /* under lock */
  GQueue items;
  gboolean stopped;
};

static gpointer
worker_thread (gpointer data)
{
  RpWorkers *workers = data;

  g_mutex_lock (&workers->lock);
  while (TRUE)
    {
      gpointer item = g_queue_pop_head (&workers->items);
      if (item != NULL)
        {
          g_mutex_unlock (&workers->lock);
          workers->run (item);
          g_mutex_lock (&workers->lock);
        }
      else if (workers->stopped)
        break;
      else
        g_cond_wait (&workers->cond, &workers->lock);
    }
  g_mutex_unlock (&workers->lock);
  return NULL;
}

RpWorkers *
rp_workers_new (const char *name, guint threads, void (*run) (gpointer item))
{
  RpWorkers *workers = g_new0 (RpWorkers, 1);

  workers->run = run;
  workers->threads = g_ptr_array_new ();
  g_queue_init (&workers->items);
  g_mutex_init (&workers->lock);
  g_cond_init (&workers->cond);
  for (guint i = 0; i < threads; i++)
    g_ptr_array_add (workers->threads, g_thread_new (name, worker_thread, workers));
  return workers;
}

gboolean
rp_workers_push (RpWorkers *workers, gpointer item)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&workers->lock);

  if (workers->stopped)
    return FALSE;
  g_queue_push_tail (&workers->items, item);
  g_cond_signal (&workers->cond);
  return TRUE;
}

void
rp_workers_stop (RpWorkers *workers)
{
  g_mutex_lock (&workers->lock);
  workers->stopped = TRUE;
  g_cond_broadcast (&workers->cond);
  g_mutex_unlock (&workers->lock);
  for (guint i = 0; i < workers->threads->len; i++)
    g_thread_join (workers->threads->pdata[i]);
  g_ptr_array_set_size (workers->threads, 0);
}

void
rp_workers_free (RpWorkers *workers)
{
  if (workers == NULL)
    return;
  rp_workers_stop (workers);
  g_ptr_array_unref (workers->threads);
  g_mutex_clear (&workers->lock);
  g_cond_clear (&workers->cond);
  g_free (workers);
}
