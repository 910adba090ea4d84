#include "signal/watcher.h"

#include "base/clock.h"
#include "base/log.h"
#include "release/signal_query.h"
#include "signal/judge.h"
#include "signal/probe.h"
#include "signal/prometheus.h"

#define LOOK_EVERY_US (250 * 1000)
#define IDLE_US       G_USEC_PER_SEC /* while nothing is watched */
#define AT_ONCE       8 /* signals that are asked at the same time, so that one that is slow stops few others */

struct RpWatcher
{
  RpEngine *engine;
  RpHttpClient *client;
  GThread *thread;
  GMutex lock;
  GCond cond;
  gboolean stop; /* under lock */
  gint cancelled; /* atomic */
};

/* A measurement, to be taken by one thread of a pool. */
typedef struct
{
  RpWatcher *watcher;
  const RpSignalRule *rule;
  char *query; /* filled; NULL: a probe */
  RpSampleOutcome outcome;
  char *detail;
} Sample;

static void
sample_free (gpointer data)
{
  Sample *sample = data;
  g_free (sample->query);
  g_free (sample->detail);
  g_free (sample);
}

static void
take (gpointer data, gpointer user_data)
{
  Sample *sample = data;
  const RpWatcher *watcher = sample->watcher;
  (void) user_data;
  sample->outcome = sample->query != NULL
                        ? rp_prometheus_measure (watcher->client, sample->rule, sample->query, &watcher->cancelled,
                                                 &sample->detail)
                        : rp_signal_probe (watcher->client, sample->rule, &watcher->cancelled, &sample->detail);
}

/* ---- one revision ---- */

/* What is due of it; *out_samples gets them, in no way taken yet. */
static void
add_due (RpWatcher *watcher, const RpSignalWatch *watch, gint64 now_us, GPtrArray *samples)
{
  const RpSignalQueryFacts facts = { watch->version, watch->number, now_us - watch->began_us };
  for (guint i = 0; i < watch->rules->watch->len; i++)
    {
      const RpSignalRule *rule = watch->rules->watch->pdata[i];
      const RpSignalTally *tally = rp_signal_tally_find (watch->tallies, rule->name);
      if (rp_signal_due_us (rule, tally, watch->began_us) > now_us)
        continue;
      Sample *sample = g_new0 (Sample, 1);
      *sample = (Sample){ .watcher = watcher, .rule = rule };
      if (rule->query != NULL)
        sample->query = rp_signal_query_fill (rule->query, &facts);
      g_ptr_array_add (samples, sample);
    }
}

/* Counts what was taken of this one's rules. Those that are no longer declared are left out. */
static GPtrArray *
count (RpSignalWatch *watch, const GPtrArray *samples, gint64 now_us, gboolean *out_measured)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new ();
  *out_measured = FALSE;
  for (guint i = 0; i < watch->rules->watch->len; i++)
    {
      const RpSignalRule *rule = watch->rules->watch->pdata[i];
      RpSignalTally *tally = rp_signal_tally_find (watch->tallies, rule->name);
      for (guint k = 0; k < samples->len; k++)
        {
          const Sample *sample = samples->pdata[k];
          if (sample->rule != rule)
            continue;
          if (tally == NULL)
            {
              tally = rp_signal_tally_new (rule->name);
              g_ptr_array_add (watch->tallies, tally);
            }
          rp_signal_tally_add (tally, sample->outcome, sample->detail, now_us);
          *out_measured = TRUE;
        }
      if (tally != NULL)
        g_ptr_array_add (all, tally);
    }
  return g_steal_pointer (&all);
}

static void
tell (const RpSignalWatch *watch)
{
  RpLogLevel level = watch->state == RP_SIGNAL_HELD ? RP_LOG_INFO : RP_LOG_WARNING;
  rp_log (level, "signal", "%s/%s revision %" G_GINT64_FORMAT ": %s: %s%s%s%s%s", watch->app, watch->environment,
          watch->number, rp_signal_state_name (watch->state), watch->reason, watch->action != NULL ? "; action: " : "",
          watch->action != NULL ? watch->action : "", watch->but != NULL ? "; " : "",
          watch->but != NULL ? watch->but : "");
}

static void
conclude (RpWatcher *watcher, RpSignalWatch *watch, const GPtrArray *samples, gint64 now_us)
{
  gboolean measured;
  g_autofree char *reason = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (RpSignalWatch) after = NULL;
  g_autoptr (GPtrArray) tallies = count (watch, samples, now_us, &measured);
  RpSignalState state = rp_signal_judge (watch->rules, tallies, watch->until_us, now_us, &reason);
  RpSignalRound round = { watch, measured ? tallies : NULL, state, reason };
  if (!measured && state == RP_SIGNAL_WATCHING)
    return;
  if (!rp_signal_watch_note (watcher->engine, &round, &after, &error))
    rp_log_error ("signal", "%s/%s: what was measured could not be written down: %s", watch->app, watch->environment,
                  error->message);
  else if (after != NULL && after->state == state && state != RP_SIGNAL_WATCHING)
    tell (after);
}

/* ---- the thread ---- */

/* Is anything watched? */
static gboolean
look (RpWatcher *watcher)
{
  gint64 now_us = rp_clock_now_us ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) samples = g_ptr_array_new_with_free_func (sample_free);
  g_autoptr (GPtrArray) watches = rp_signal_watch_list (watcher->engine, &error);
  if (watches == NULL)
    {
      rp_log_error ("signal", "what is watched could not be read: %s", error->message);
      return FALSE;
    }
  for (guint i = 0; i < watches->len; i++)
    add_due (watcher, watches->pdata[i], now_us, samples);
  if (samples->len > 0)
    {
      GThreadPool *pool = g_thread_pool_new (take, NULL, AT_ONCE, FALSE, NULL);
      for (guint i = 0; i < samples->len; i++)
        g_thread_pool_push (pool, samples->pdata[i], NULL);
      g_thread_pool_free (pool, FALSE, TRUE);
    }
  if (g_atomic_int_get (&watcher->cancelled))
    return FALSE; /* what was aborted says nothing */
  for (guint i = 0; i < watches->len; i++)
    conclude (watcher, watches->pdata[i], samples, rp_clock_now_us ());
  return watches->len > 0;
}

static gpointer
watcher_thread (gpointer data)
{
  RpWatcher *watcher = data;
  g_mutex_lock (&watcher->lock);
  while (!watcher->stop)
    {
      gint64 next_us = rp_clock_monotonic_us ();
      g_mutex_unlock (&watcher->lock);
      next_us += look (watcher) ? LOOK_EVERY_US : IDLE_US;
      g_mutex_lock (&watcher->lock);
      while (!watcher->stop && g_cond_wait_until (&watcher->cond, &watcher->lock, next_us))
        ;
    }
  g_mutex_unlock (&watcher->lock);
  return NULL;
}

RpWatcher *
rp_watcher_start (RpEngine *engine, const char *ca_file)
{
  RpWatcher *watcher = g_new0 (RpWatcher, 1);
  RpHttpOptions options = { .ca_file = ca_file };
  watcher->engine = engine;
  watcher->client = rp_http_client_new (&options);
  g_mutex_init (&watcher->lock);
  g_cond_init (&watcher->cond);
  watcher->thread = g_thread_new ("watcher", watcher_thread, watcher);
  return watcher;
}

void
rp_watcher_stop (RpWatcher *watcher)
{
  if (watcher == NULL)
    return;
  g_mutex_lock (&watcher->lock);
  watcher->stop = TRUE;
  g_atomic_int_set (&watcher->cancelled, 1);
  g_cond_signal (&watcher->cond);
  g_mutex_unlock (&watcher->lock);
  g_thread_join (watcher->thread);
  rp_http_client_free (watcher->client);
  g_mutex_clear (&watcher->lock);
  g_cond_clear (&watcher->cond);
  g_free (watcher);
}
