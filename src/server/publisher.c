#include "server/publisher.h"

#include "base/clock.h"
#include "base/log.h"

#define PAUSE_US G_USEC_PER_SEC /* between two checkpoints: each is a sync */

struct RpPublisher {
  RpTlog *tlog;
  char *complaint; /* the thread's own: what went wrong last, said once */
  GThread *thread;
  GMutex lock;
  GCond cond;
  gboolean pending; /* under lock */
  gboolean stop;    /* under lock */
};

static void
publish (RpPublisher *publisher)
{
  g_autoptr (GError) error = NULL;

  if (rp_tlog_publish (publisher->tlog, &error))
    {
      g_clear_pointer (&publisher->complaint, g_free);
      return;
    }
  if (g_strcmp0 (publisher->complaint, error->message) == 0)
    return;
  rp_log_error ("ledger", "it is not published: %s", error->message);
  g_free (publisher->complaint);
  publisher->complaint = g_strdup (error->message);
}

/* Called with the lock, which it lets go meanwhile. */
static void
rest (RpPublisher *publisher)
{
  gint64 until_us = rp_clock_monotonic_us () + PAUSE_US;

  while (!publisher->stop && g_cond_wait_until (&publisher->cond, &publisher->lock, until_us))
    ;
}

static gpointer
publisher_thread (gpointer data)
{
  RpPublisher *publisher = data;

  g_mutex_lock (&publisher->lock);
  while (TRUE)
    {
      while (!publisher->pending && !publisher->stop)
        g_cond_wait (&publisher->cond, &publisher->lock);
      if (!publisher->pending)
        break;
      publisher->pending = FALSE;
      g_mutex_unlock (&publisher->lock);
      publish (publisher);
      g_mutex_lock (&publisher->lock);
      rest (publisher);
    }
  g_mutex_unlock (&publisher->lock);
  return NULL;
}

RpPublisher *
rp_publisher_start (RpTlog *tlog)
{
  RpPublisher *publisher = g_new0 (RpPublisher, 1);

  publisher->tlog = tlog;
  publisher->pending = TRUE;
  g_mutex_init (&publisher->lock);
  g_cond_init (&publisher->cond);
  publisher->thread = g_thread_new ("publisher", publisher_thread, publisher);
  return publisher;
}

void
rp_publisher_notify (RpPublisher *publisher)
{
  if (publisher == NULL)
    return;
  g_mutex_lock (&publisher->lock);
  if (!publisher->pending)
    g_cond_signal (&publisher->cond);
  publisher->pending = TRUE;
  g_mutex_unlock (&publisher->lock);
}

void
rp_publisher_stop (RpPublisher *publisher)
{
  if (publisher == NULL)
    return;
  g_mutex_lock (&publisher->lock);
  publisher->stop = TRUE;
  g_cond_signal (&publisher->cond);
  g_mutex_unlock (&publisher->lock);
  g_thread_join (publisher->thread);
  g_mutex_clear (&publisher->lock);
  g_cond_clear (&publisher->cond);
  g_free (publisher->complaint);
  g_free (publisher);
}
