#include "agent/exercise.h"

#include <string.h>

#include "base/error.h"

#define AGAIN_US ((gint64) 10 * 60 * G_USEC_PER_SEC)
#define TIMEOUT_MS 10000
#define ANSWER_LIMIT_BYTES (4 * 1024 * 1024)
#define WORD_BYTES 400

struct RpExercise {
  const RpAgentConfig *config;
  RpHttpClient *http;
  const gint *cancelled;
  GPtrArray *paths; /* char *: of the manifests, below the server's address */
  gint64 tried_us;  /* monotonic; 0: this window was not tried yet */
  char *word;
};

RpExercise *
rp_exercise_new (const RpAgentConfig *config, RpHttpClient *http, const gint *cancelled)
{
  RpExercise *exercise = g_new0 (RpExercise, 1);

  exercise->config = config;
  exercise->http = http;
  exercise->cancelled = cancelled;
  exercise->paths = g_ptr_array_new_with_free_func (g_free);
  return exercise;
}

void
rp_exercise_free (RpExercise *exercise)
{
  if (exercise == NULL)
    return;
  g_ptr_array_unref (exercise->paths);
  g_free (exercise->word);
  g_free (exercise);
}

static void
add_path (GPtrArray *paths, const RpEntry *entry)
{
  char digest[RP_DIGEST_STRING_SIZE];
  g_autofree char *path = NULL;

  if (entry == NULL)
    return;
  path = g_strdup_printf ("/v2/%s/manifests/%s", entry->repository,
                          rp_digest_format (&entry->digest, digest));
  if (!g_ptr_array_find_with_equal_func (paths, path, g_str_equal, NULL))
    g_ptr_array_add (paths, g_steal_pointer (&path));
}

static gboolean
same_paths (const GPtrArray *a, const GPtrArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (!g_str_equal (a->pdata[i], b->pdata[i]))
      return FALSE;
  return TRUE;
}

void
rp_exercise_take (RpExercise *exercise, const RpPointer *pointer)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);

  add_path (paths, pointer->current);
  for (guint i = 0; i < pointer->window->len; i++)
    add_path (paths, pointer->window->pdata[i]);
  if (same_paths (paths, exercise->paths))
    return;
  g_ptr_array_unref (exercise->paths);
  exercise->paths = g_steal_pointer (&paths);
  exercise->tried_us = 0;
}

static RpHttpResponse *
ask (RpExercise *exercise, const char *method, const char *path, GError **error)
{
  g_autofree char *url = g_strconcat (exercise->config->server, path, NULL);
  g_autofree char *authorization = rp_bearer_header (exercise->config->bearer);
  const char *const headers[] = { "Accept: */*", authorization, NULL };
  const RpHttpRequest request = { .method = method,
                                  .url = url,
                                  .headers = headers,
                                  .limit_bytes = ANSWER_LIMIT_BYTES,
                                  .timeout_ms = TIMEOUT_MS,
                                  .cancelled = exercise->cancelled };

  return rp_http_send (exercise->http, &request, error);
}

static gboolean
is_refused (const RpHttpResponse *response)
{
  return response->status == 401 || response->status == 403;
}

/* An answer to HEAD says nothing more than its status: the reason is asked for. */
static void
note_refusal (RpExercise *exercise, const char *path, int status)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (RpHttpResponse) response = ask (exercise, "GET", path, &error);
  g_autofree char *valid = NULL;

  if (response == NULL || !is_refused (response) || rp_http_response_check (response, path, &error))
    {
      g_clear_error (&error);
      g_set_error (&error, RP_ERROR, RP_ERROR_DENIED, "%s: refused with status %d", path, status);
    }
  valid = g_utf8_make_valid (error->message, -1);
  if (strlen (valid) > WORD_BYTES)
    *g_utf8_find_prev_char (valid, valid + WORD_BYTES) = '\0';
  g_free (exercise->word);
  exercise->word = g_steal_pointer (&valid);
}

static gboolean
is_due (const RpExercise *exercise, gint64 now_us)
{
  return exercise->paths->len > 0
         && (exercise->tried_us == 0 || now_us - exercise->tried_us >= AGAIN_US
             || (exercise->word != NULL && !g_str_equal (exercise->word, "ok")));
}

void
rp_exercise_run (RpExercise *exercise)
{
  gint64 now_us = g_get_monotonic_time ();

  if (!is_due (exercise, now_us))
    return;
  for (guint i = 0; i < exercise->paths->len; i++)
    {
      const char *path = exercise->paths->pdata[i];
      g_autoptr (GError) error = NULL;
      g_autoptr (RpHttpResponse) response = ask (exercise, "HEAD", path, &error);

      if (response == NULL || response->status >= 500)
        return;
      if (!is_refused (response))
        continue;
      note_refusal (exercise, path, response->status);
      exercise->tried_us = now_us;
      return;
    }
  exercise->tried_us = now_us;
  g_free (exercise->word);
  exercise->word = g_strdup ("ok");
}

const char *
rp_exercise_word (const RpExercise *exercise)
{
  return exercise->word;
}
