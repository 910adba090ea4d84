#include "server/waiters.h"

#include "base/clock.h"

typedef struct {
  gpointer item;
  guint64 generation;
  gint64 deadline_us;
  gboolean expired;
} Waiter;

struct RpWaiters {
  void (*wake) (gpointer item, gboolean expired);
  GThread *thread;
  GMutex lock;
  GCond cond;
  /* all under lock */
  GArray *waiting; /* Waiter */
  guint64 generation;
  gboolean ending;
  gboolean quit;
};

/* Moves what is due to `due`; returns when the next one will be. */
static gint64
take_due (RpWaiters *waiters, GArray *due)
{
  gint64 now = rp_clock_monotonic_us ();
  gint64 next = G_MAXINT64;

  for (guint i = 0; i < waiters->waiting->len;)
    {
      Waiter *waiter = &g_array_index (waiters->waiting, Waiter, i);
      waiter->expired = waiters->ending || waiter->deadline_us <= now;
      if (waiter->expired || waiter->generation != waiters->generation)
        {
          g_array_append_val (due, *waiter);
          g_array_remove_index_fast (waiters->waiting, i);
          continue;
        }
      next = MIN (next, waiter->deadline_us);
      i++;
    }
  return next;
}

static gpointer
waiters_thread (gpointer data)
{
  RpWaiters *waiters = data;
  g_autoptr (GArray) due = g_array_new (FALSE, FALSE, sizeof (Waiter));

  g_mutex_lock (&waiters->lock);
  while (!waiters->quit)
    {
      gint64 next = take_due (waiters, due);
      if (due->len == 0)
        {
          if (next == G_MAXINT64)
            g_cond_wait (&waiters->cond, &waiters->lock);
          else
            g_cond_wait_until (&waiters->cond, &waiters->lock, next);
          continue;
        }
      g_mutex_unlock (&waiters->lock);
      for (guint i = 0; i < due->len; i++)
        {
          Waiter *waiter = &g_array_index (due, Waiter, i);
          waiters->wake (waiter->item, waiter->expired);
        }
      g_array_set_size (due, 0);
      g_mutex_lock (&waiters->lock);
    }
  g_mutex_unlock (&waiters->lock);
  return NULL;
}

RpWaiters *
rp_waiters_new (void (*wake) (gpointer item, gboolean expired))
{
  RpWaiters *waiters = g_new0 (RpWaiters, 1);

  waiters->wake = wake;
  waiters->waiting = g_array_new (FALSE, FALSE, sizeof (Waiter));
  g_mutex_init (&waiters->lock);
  g_cond_init (&waiters->cond);
  waiters->thread = g_thread_new ("waiters", waiters_thread, waiters);
  return waiters;
}

guint64
rp_waiters_generation (RpWaiters *waiters)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&waiters->lock);
  return waiters->generation;
}

void
rp_waiters_add (RpWaiters *waiters, gpointer item, guint64 generation, gint64 deadline_us)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&waiters->lock);
  Waiter waiter = { .item = item, .generation = generation, .deadline_us = deadline_us };

  g_array_append_val (waiters->waiting, waiter);
  g_cond_signal (&waiters->cond);
}

void
rp_waiters_notify (RpWaiters *waiters)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&waiters->lock);

  waiters->generation++;
  if (waiters->waiting->len > 0)
    g_cond_signal (&waiters->cond);
}

guint
rp_waiters_count (RpWaiters *waiters)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&waiters->lock);
  return waiters->waiting->len;
}

void
rp_waiters_expire_all (RpWaiters *waiters)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&waiters->lock);

  waiters->ending = TRUE;
  g_cond_signal (&waiters->cond);
}

void
rp_waiters_free (RpWaiters *waiters)
{
  if (waiters == NULL)
    return;
  g_mutex_lock (&waiters->lock);
  waiters->quit = TRUE;
  g_cond_signal (&waiters->cond);
  g_mutex_unlock (&waiters->lock);
  g_thread_join (waiters->thread);
  g_assert (waiters->waiting->len == 0);
  g_array_unref (waiters->waiting);
  g_mutex_clear (&waiters->lock);
  g_cond_clear (&waiters->cond);
  g_free (waiters);
}
