#include "agent/poller.h"

#include "agent/exercise.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "oci/platform.h"

#define WAIT_MS 25000    /* the server holds a poll this long */
#define MARGIN_MS 10000  /* ... and must have answered within so much more */
#define BACK_OFF_MIN_MS 500
#define BACK_OFF_MAX_MS 30000
#define POINTER_LIMIT_BYTES (4 * 1024 * 1024)

struct RpPoller {
  const RpAgentConfig *config;
  const RpTargetConfig *target;
  RpTargetLoop *loop;
  RpHttpClient *http;
  RpExercise *exercise;
  RpGiver *giver;
  void (*answered) (gpointer user_data);
  gpointer user_data;
  GMutex lock;
  GCond wake;
  gint stop; /* atomic; also what the HTTP client watches */
  GThread *thread;
};

gint64
rp_back_off_ms (guint failures, guint32 random)
{
  guint shift = MIN (failures > 0 ? failures - 1 : 0, 10);
  gint64 most = MIN ((gint64) BACK_OFF_MIN_MS << shift, BACK_OFF_MAX_MS);

  return most / 2 + (gint64) (random % (guint32) (most / 2 + 1));
}

static char *
pointer_url (const RpPoller *poller, gint64 after)
{
  const RpTargetConfig *target = poller->target;
  g_autofree char *agent = g_uri_escape_string (poller->config->agent, NULL, FALSE);
  g_autofree char *driver = g_uri_escape_string (target->driver, NULL, FALSE);
  g_autofree char *platform = g_uri_escape_string (rp_platform_host (), NULL, FALSE);
  g_autofree char *base = g_strdup_printf (
      "%s/api/v1/apps/%s/environments/%s/targets/%s/pointer?agent=%s&driver=%s&platform=%s",
      poller->config->server, target->app, target->environment, target->target, agent, driver,
      platform);

  g_autofree char *word = rp_exercise_word (poller->exercise) != NULL
                              ? g_uri_escape_string (rp_exercise_word (poller->exercise), NULL, FALSE)
                              : NULL;

  if (after < 0)
    return g_steal_pointer (&base);
  return g_strdup_printf ("%s%s%s&after=%" G_GINT64_FORMAT "&wait_ms=%d", base,
                          word != NULL ? "&pull=" : "", word != NULL ? word : "", after, WAIT_MS);
}

static RpPointer *
ask (RpPoller *poller, gint64 after, GError **error)
{
  g_autofree char *url = pointer_url (poller, after);
  g_autoptr (RpHttpResponse) response = NULL;
  g_autoptr (json_t) document = NULL;
  g_autofree char *authorization = rp_bearer_header (poller->config->bearer);
  const char *const headers[] = { authorization, NULL };
  RpHttpRequest request = { .method = "GET",
                            .url = url,
                            .headers = headers,
                            .limit_bytes = POINTER_LIMIT_BYTES,
                            .timeout_ms = WAIT_MS + MARGIN_MS,
                            .cancelled = &poller->stop };

  response = rp_http_send (poller->http, &request, error);
  if (response == NULL
      || !rp_http_response_check (response, "asking for the pointer", error))
    return NULL;
  document = rp_json_parse (response->body->data, response->body->len, "pointer", error);
  return document == NULL ? NULL : rp_pointer_from_json (document, error);
}

static gboolean
stopping (RpPoller *poller)
{
  return g_atomic_int_get (&poller->stop) != 0;
}

static void
sleep_ms (RpPoller *poller, gint64 wait_ms)
{
  gint64 until_us = g_get_monotonic_time () + wait_ms * 1000;

  g_mutex_lock (&poller->lock);
  while (!stopping (poller) && g_cond_wait_until (&poller->wake, &poller->lock, until_us))
    continue;
  g_mutex_unlock (&poller->lock);
}

static void
answer_came (RpPoller *poller, RpPointer *pointer, guint failures, gint64 *after)
{
  if (failures > 0 || *after < 0)
    rp_log_info (poller->target->name, "following %s", poller->config->server);
  /* A server that answers at once and without news (a proxy that cuts long polls) is not hammered. */
  *after = pointer->seq;
  rp_exercise_take (poller->exercise, pointer);
  rp_giver_ask (poller->giver, poller->target, pointer->wanted);
  rp_target_loop_take (poller->loop, pointer);
  if (poller->answered != NULL)
    poller->answered (poller->user_data);
  rp_exercise_run (poller->exercise);
}

static gpointer
run (gpointer data)
{
  RpPoller *poller = data;
  gint64 after = -1;
  guint failures = 0;

  while (!stopping (poller))
    {
      g_autoptr (GError) error = NULL;
      gint64 asked_us = g_get_monotonic_time ();
      gint64 known = after;
      RpPointer *pointer = ask (poller, failures > 0 ? -1 : after, &error);

      if (pointer != NULL)
        {
          gint64 took_ms;

          answer_came (poller, pointer, failures, &after);
          failures = 0;
          took_ms = (g_get_monotonic_time () - asked_us) / 1000;
          if (after == known && took_ms < BACK_OFF_MIN_MS)
            sleep_ms (poller, BACK_OFF_MIN_MS - took_ms);
          continue;
        }
      if (stopping (poller))
        break;
      if (failures++ == 0)
        rp_log_warning (poller->target->name, "%s; going on with what is known here, and asking again",
                        error->message);
      rp_target_loop_server_lost (poller->loop, error->message);
      sleep_ms (poller, rp_back_off_ms (failures, g_random_int ()));
    }
  return NULL;
}

RpPoller *
rp_poller_start (const RpAgentConfig *config, const RpTargetConfig *target, RpTargetLoop *loop,
                 RpHttpClient *http, RpGiver *giver, void (*answered) (gpointer user_data), gpointer user_data)
{
  RpPoller *poller = g_new0 (RpPoller, 1);

  poller->config = config;
  poller->target = target;
  poller->loop = loop;
  poller->http = http;
  poller->giver = giver;
  poller->answered = answered;
  poller->user_data = user_data;
  g_mutex_init (&poller->lock);
  g_cond_init (&poller->wake);
  poller->exercise = rp_exercise_new (config, http, &poller->stop);
  poller->thread = g_thread_new ("poller", run, poller);
  return poller;
}

void
rp_poller_stop (RpPoller *poller)
{
  g_mutex_lock (&poller->lock);
  g_atomic_int_set (&poller->stop, 1);
  g_cond_broadcast (&poller->wake);
  g_mutex_unlock (&poller->lock);
}

void
rp_poller_free (RpPoller *poller)
{
  if (poller == NULL)
    return;
  rp_poller_stop (poller);
  g_thread_join (poller->thread);
  g_mutex_clear (&poller->lock);
  g_cond_clear (&poller->wake);
  rp_exercise_free (poller->exercise);
  g_free (poller);
}
