#include "agent/giver.h"

#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define LACKING_TIMEOUT_MS 15000

typedef struct {
  const RpTargetConfig *target;
  RpDigest digest;
} Wish;

struct RpGiver {
  const RpAgentConfig *config;
  RpStock *stock;
  RpHttpClient *http;
  GAsyncQueue *wishes; /* Wish; one without a target ends the thread */
  GMutex lock;
  GHashTable *waiting; /* RpDigest, a set, under lock: those that wait, or are being answered */
  gint stop;           /* atomic */
  GThread *thread;
};

static RpHttpResponse *
send_answer (RpGiver *giver, const Wish *wish, RpHttpRequest *request, GError **error)
{
  char digest[RP_DIGEST_STRING_SIZE];
  g_autofree char *authorization = rp_bearer_header (giver->config->bearer);
  g_autofree char *url = g_strdup_printf (
      "%s/api/v1/apps/%s/environments/%s/targets/%s/wanted/%s", giver->config->server,
      wish->target->app, wish->target->environment, wish->target->target,
      rp_digest_format (&wish->digest, digest));
  const char *const headers[] = { "Content-Type: application/octet-stream", authorization, NULL };

  request->url = url;
  request->headers = headers;
  request->cancelled = &giver->stop;
  return rp_http_send (giver->http, request, error);
}

static gssize
read_piece (void *buffer, gsize size, gpointer user_data, GError **error)
{
  const int *fd = user_data;
  gssize got;

  do
    got = read (*fd, buffer, size);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    rp_error_set_errno (error, errno, "reading a blob of the local store");
  return got;
}

static gboolean
give (RpGiver *giver, const Wish *wish, int fd, guint64 size_bytes, GError **error)
{
  RpHttpRequest request = { .method = "PUT",
                            .source = read_piece,
                            .source_size = (gint64) size_bytes,
                            .source_data = &fd };
  g_autoptr (RpHttpResponse) response = send_answer (giver, wish, &request, error);

  return response != NULL && rp_http_response_check (response, "giving bytes to the server", error);
}

static gboolean
say_lacking (RpGiver *giver, const Wish *wish, GError **error)
{
  RpHttpRequest request = { .method = "DELETE", .timeout_ms = LACKING_TIMEOUT_MS };
  g_autoptr (RpHttpResponse) response = send_answer (giver, wish, &request, error);

  return response != NULL && rp_http_response_check (response, "telling the server", error);
}

static void
answer (RpGiver *giver, const Wish *wish)
{
  const char *name = wish->target->name;
  g_autofree char *what = rp_digest_to_string (&wish->digest);
  g_autoptr (GError) lacking = NULL;
  g_autoptr (GError) error = NULL;
  guint64 size_bytes = 0;
  rp_autofd int fd = rp_stock_open (giver->stock, &wish->digest, &size_bytes, &lacking);
  gboolean ok = fd >= 0 ? give (giver, wish, fd, size_bytes, &error) : say_lacking (giver, wish, &error);

  if (g_atomic_int_get (&giver->stop) != 0)
    return;
  if (!ok)
    rp_log_warning (name, "the server asks for %s, which is damaged there: %s", what, error->message);
  else if (fd >= 0)
    rp_log_info (name, "gave the server %s, which was damaged there", what);
  else
    rp_log_info (name, "the server asks for %s, which is damaged there, but it does not lie on this host: %s",
                 what, lacking->message);
}

static gpointer
run (gpointer data)
{
  RpGiver *giver = data;

  for (;;)
    {
      g_autofree Wish *wish = g_async_queue_pop (giver->wishes);

      if (wish->target == NULL)
        return NULL;
      if (g_atomic_int_get (&giver->stop) == 0)
        answer (giver, wish);
      g_mutex_lock (&giver->lock);
      g_hash_table_remove (giver->waiting, &wish->digest);
      g_mutex_unlock (&giver->lock);
    }
}

RpGiver *
rp_giver_start (const RpAgentConfig *config, RpStock *stock, RpHttpClient *http)
{
  RpGiver *giver = g_new0 (RpGiver, 1);

  giver->config = config;
  giver->stock = stock;
  giver->http = http;
  giver->wishes = g_async_queue_new_full (g_free);
  g_mutex_init (&giver->lock);
  giver->waiting = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, NULL);
  giver->thread = g_thread_new ("giver", run, giver);
  return giver;
}

static void
put (RpGiver *giver, const RpTargetConfig *target, const RpDigest *digest)
{
  Wish *wish = g_new0 (Wish, 1);

  wish->target = target;
  if (digest != NULL)
    wish->digest = *digest;
  g_async_queue_push (giver->wishes, wish);
}

void
rp_giver_ask (RpGiver *giver, const RpTargetConfig *target, const GArray *digests)
{
  g_mutex_lock (&giver->lock);
  for (guint i = 0; i < digests->len; i++)
    {
      const RpDigest *digest = &g_array_index (digests, RpDigest, i);

      if (g_hash_table_add (giver->waiting, rp_digest_copy (digest)))
        put (giver, target, digest);
    }
  g_mutex_unlock (&giver->lock);
}

void
rp_giver_free (RpGiver *giver)
{
  if (giver == NULL)
    return;
  g_atomic_int_set (&giver->stop, 1);
  put (giver, NULL, NULL);
  g_thread_join (giver->thread);
  g_async_queue_unref (giver->wishes);
  g_hash_table_unref (giver->waiting);
  g_mutex_clear (&giver->lock);
  g_free (giver);
}
