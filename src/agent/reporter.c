#include "agent/reporter.h"

#include <string.h>

#include "agent/poller.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

#define SEND_TIMEOUT_MS 15000
#define IDLE_MS 30000

typedef struct {
  guint failures;
  gint64 not_before_us; /* monotonic */
} Delivery;

struct RpReporter {
  const RpAgentConfig *config;
  RpJournal *journal;
  RpHttpClient *http;
  Delivery *deliveries; /* one a target */
  GMutex lock;
  GCond wake;
  gboolean woken;
  gboolean retry; /* the server answered a poll: what was put off is due now */
  gint stop;
  GThread *thread;
};

/* TRUE if the server took it. `*out_final`: it never will. */
static gboolean
send_report (RpReporter *reporter, const RpTargetConfig *target, gint64 n, json_t *body,
             gboolean *out_final, GError **error)
{
  g_autofree char *id = g_strdup_printf ("%s:%" G_GINT64_FORMAT, reporter->config->agent, n);
  g_autofree char *url = g_strdup_printf (
      "%s/api/v1/apps/%s/environments/%s/targets/%s/reports", reporter->config->server,
      target->app, target->environment, target->target);
  g_autofree char *authorization = rp_bearer_header (reporter->config->bearer);
  const char *const headers[] = { "Content-Type: application/json", authorization, NULL };
  g_autoptr (RpHttpResponse) response = NULL;
  g_autofree char *text = NULL;
  RpHttpRequest request = { .method = "POST",
                            .url = url,
                            .headers = headers,
                            .timeout_ms = SEND_TIMEOUT_MS,
                            .cancelled = &reporter->stop };

  *out_final = FALSE;
  json_object_set_new (body, "id", json_string (id));
  text = rp_json_print (body);
  request.body = text;
  request.body_size = strlen (text);
  response = rp_http_send (reporter->http, &request, error);
  if (response == NULL)
    return FALSE;
  /* Only what says that this very report is malformed: anything else may pass another day. */
  *out_final = response->status == 400 || response->status == 413 || response->status == 422;
  return rp_http_response_check (response, "reporting", error);
}

static gboolean
stopping (RpReporter *reporter)
{
  return g_atomic_int_get (&reporter->stop) != 0;
}

static void
put_off (RpReporter *reporter, guint i, const char *message)
{
  const RpTargetConfig *target = g_ptr_array_index (reporter->config->targets, i);
  Delivery *delivery = &reporter->deliveries[i];

  if (stopping (reporter))
    return;
  if (delivery->failures++ == 0)
    rp_log_warning (target->name, "a report waits: %s", message);
  delivery->not_before_us
      = g_get_monotonic_time () + rp_back_off_ms (delivery->failures, g_random_int ()) * 1000;
}

/* Sends what waits for one target until nothing does or something fails. */
static void
deliver (RpReporter *reporter, guint i)
{
  const RpTargetConfig *target = g_ptr_array_index (reporter->config->targets, i);
  Delivery *delivery = &reporter->deliveries[i];

  while (!stopping (reporter) && g_get_monotonic_time () >= delivery->not_before_us)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (json_t) body = NULL;
      gboolean final = FALSE;
      gint64 n;

      if (!rp_journal_next_report (reporter->journal, target->name, &n, &body, &error))
        {
          put_off (reporter, i, error->message);
          return;
        }
      if (body == NULL)
        return;
      if (!send_report (reporter, target, n, body, &final, &error) && !final)
        {
          put_off (reporter, i, error->message);
          return;
        }
      delivery->failures = 0;
      if (final)
        rp_log_error (target->name, "the server refused a report for good; it stays in the journal: %s",
                      error->message);
      if (final ? !rp_journal_refused (reporter->journal, n, error->message, NULL)
                : !rp_journal_delivered (reporter->journal, n, &error))
        {
          put_off (reporter, i, "the journal cannot note that it was sent; it will be sent again");
          return;
        }
      rp_log_debug (target->name, "reported %s", rp_json_str (body, "state"));
    }
}

static gint64
next_due_us (const RpReporter *reporter)
{
  gint64 now_us = g_get_monotonic_time ();
  gint64 due_us = now_us + (gint64) IDLE_MS * 1000;

  for (guint i = 0; i < reporter->config->targets->len; i++)
    if (reporter->deliveries[i].not_before_us > now_us)
      due_us = MIN (due_us, reporter->deliveries[i].not_before_us);
  return due_us;
}

static gpointer
run (gpointer data)
{
  RpReporter *reporter = data;

  while (!stopping (reporter))
    {
      for (guint i = 0; i < reporter->config->targets->len; i++)
        deliver (reporter, i);
      g_mutex_lock (&reporter->lock);
      while (!reporter->woken && !stopping (reporter)
             && g_cond_wait_until (&reporter->wake, &reporter->lock, next_due_us (reporter)))
        continue;
      for (guint i = 0; reporter->retry && i < reporter->config->targets->len; i++)
        reporter->deliveries[i].not_before_us = 0;
      reporter->woken = FALSE;
      reporter->retry = FALSE;
      g_mutex_unlock (&reporter->lock);
    }
  return NULL;
}

RpReporter *
rp_reporter_start (const RpAgentConfig *config, RpJournal *journal, RpHttpClient *http)
{
  RpReporter *reporter = g_new0 (RpReporter, 1);

  reporter->config = config;
  reporter->journal = journal;
  reporter->http = http;
  reporter->deliveries = g_new0 (Delivery, config->targets->len);
  g_mutex_init (&reporter->lock);
  g_cond_init (&reporter->wake);
  reporter->thread = g_thread_new ("reporter", run, reporter);
  return reporter;
}

static void
wake (RpReporter *reporter, gboolean retry)
{
  g_mutex_lock (&reporter->lock);
  reporter->woken = TRUE;
  reporter->retry = reporter->retry || retry;
  g_cond_broadcast (&reporter->wake);
  g_mutex_unlock (&reporter->lock);
}

void
rp_reporter_wake (RpReporter *reporter)
{
  wake (reporter, FALSE);
}

void
rp_reporter_server_answers (RpReporter *reporter)
{
  wake (reporter, TRUE);
}

void
rp_reporter_free (RpReporter *reporter)
{
  if (reporter == NULL)
    return;
  g_mutex_lock (&reporter->lock);
  g_atomic_int_set (&reporter->stop, 1);
  g_cond_broadcast (&reporter->wake);
  g_mutex_unlock (&reporter->lock);
  g_thread_join (reporter->thread);
  g_mutex_clear (&reporter->lock);
  g_cond_clear (&reporter->wake);
  g_free (reporter->deliveries);
  g_free (reporter);
}
