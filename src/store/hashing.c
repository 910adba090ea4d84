#include "store/hashing.h"

struct RpHashing {
  GMutex lock;
  GCond called; /* there is a job, or an end */
  /* all under lock */
  GPtrArray *threads; /* GThread */
  GQueue jobs;        /* RpHashJob, at most as many as threads are idle */
  guint idle;
  gboolean quit;
};

static gpointer
hashing_thread (gpointer data)
{
  RpHashing *hashing = data;

  g_mutex_lock (&hashing->lock);
  while (TRUE)
    {
      RpHashJob *job = g_queue_pop_head (&hashing->jobs);
      if (job != NULL)
        {
          g_mutex_unlock (&hashing->lock);
          rp_hasher_update (job->hasher, job->data, job->size);
          g_mutex_lock (&hashing->lock);
          job->done = TRUE;
          hashing->idle++;
          g_cond_signal (&job->finished);
        }
      else if (hashing->quit)
        break;
      else
        g_cond_wait (&hashing->called, &hashing->lock);
    }
  g_mutex_unlock (&hashing->lock);
  return NULL;
}

RpHashing *
rp_hashing_new (void)
{
  RpHashing *hashing = g_new0 (RpHashing, 1);

  g_mutex_init (&hashing->lock);
  g_cond_init (&hashing->called);
  hashing->threads = g_ptr_array_new ();
  g_queue_init (&hashing->jobs);
  return hashing;
}

void
rp_hashing_free (RpHashing *hashing)
{
  if (hashing == NULL)
    return;
  g_mutex_lock (&hashing->lock);
  hashing->quit = TRUE;
  g_cond_broadcast (&hashing->called);
  g_mutex_unlock (&hashing->lock);
  for (guint i = 0; i < hashing->threads->len; i++)
    g_thread_join (hashing->threads->pdata[i]);
  g_ptr_array_unref (hashing->threads);
  g_mutex_clear (&hashing->lock);
  g_cond_clear (&hashing->called);
  g_free (hashing);
}

/* Called with the lock held. */
static gboolean
have_idle_thread (RpHashing *hashing)
{
  if (hashing->idle == 0 && hashing->threads->len < g_get_num_processors ())
    {
      g_ptr_array_add (hashing->threads, g_thread_new ("hashing", hashing_thread, hashing));
      hashing->idle++;
    }
  return hashing->idle > 0;
}

gboolean
rp_hashing_start (RpHashing *hashing, RpHashJob *job)
{
  gboolean taken;

  g_mutex_lock (&hashing->lock);
  taken = have_idle_thread (hashing);
  if (taken)
    {
      hashing->idle--;
      job->done = FALSE;
      g_cond_init (&job->finished);
      g_queue_push_tail (&hashing->jobs, job);
      g_cond_signal (&hashing->called);
    }
  g_mutex_unlock (&hashing->lock);
  return taken;
}

void
rp_hashing_wait (RpHashing *hashing, RpHashJob *job)
{
  gboolean ours;

  g_mutex_lock (&hashing->lock);
  ours = g_queue_remove (&hashing->jobs, job);
  if (ours)
    hashing->idle++;
  while (!ours && !job->done)
    g_cond_wait (&job->finished, &hashing->lock);
  g_mutex_unlock (&hashing->lock);
  g_cond_clear (&job->finished);
  if (ours)
    rp_hasher_update (job->hasher, job->data, job->size);
}
