#include "driver/docker.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define VERSION_MAJOR    1
#define VERSION_MINOR    41 /* the oldest we know to do; a newer engine may want more */
#define TIMEOUT_MS       30000
#define STOP_GRACE_MS    30000         /* on top of what the container gets */
#define LINE_LIMIT_BYTES (1024 * 1024) /* of a pull's report */

struct RpDocker {
  RpHttpClient *http;
  char *socket_path;
  char *base; /* `http://engine/v1.41`; NULL until the engine was asked */
  const gint *cancelled;
  char *registry_auth; /* the header X-Registry-Auth, or NULL */
};

RpDocker *
rp_docker_new (const char *socket_path, const gint *cancelled)
{
  RpDocker *engine = g_new0 (RpDocker, 1);
  const RpHttpOptions options = { .unix_socket = socket_path };
  engine->http = rp_http_client_new (&options);
  engine->socket_path = g_strdup (socket_path);
  engine->cancelled = cancelled;
  return engine;
}

void
rp_docker_free (RpDocker *engine)
{
  if (!engine)
    return;
  rp_http_client_free (engine->http);
  g_free (engine->socket_path);
  g_free (engine->base);
  g_free (engine->registry_auth);
  g_free (engine);
}

/* The engine trades it for a ticket of the registry; there the token alone says who it is. */
void
rp_docker_set_token (RpDocker *engine, const char *registry, const char *token)
{
  g_autoptr (json_t) json = json_object ();
  g_autofree char *text = NULL, *encoded = NULL;

  json_object_set_new (json, "username", json_string ("token"));
  json_object_set_new (json, "password", json_string (token));
  json_object_set_new (json, "serveraddress", json_string (registry));
  text = rp_json_print (json);
  encoded = g_base64_encode ((const guchar *) text, strlen (text));
  g_strdelimit (encoded, "+", '-');
  g_strdelimit (encoded, "/", '_');
  g_free (engine->registry_auth);
  engine->registry_auth = g_strconcat ("X-Registry-Auth: ", encoded, NULL);
}

/* ---- requests ---- */

static RpHttpResponse *
send_raw (RpDocker *engine, const RpHttpRequest *request, GError **error)
{
  g_autoptr (RpHttpResponse) response = rp_http_send (engine->http, request, error);
  if (!response)
    g_prefix_error (error, "container engine at %s: ", engine->socket_path);
  return g_steal_pointer (&response);
}

static json_t *
parse_body (const RpHttpResponse *response, const char *what, GError **error)
{
  g_autoptr (GError) failure = NULL;
  json_t *value = rp_json_parse (response->body->data, response->body->len, what, &failure);
  if (!value)
    g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "%s: the engine's answer cannot be read: %s",
                 what, failure->message);
  return value;
}

/* The version to speak: ours, or the engine's oldest if it has given ours up. */
static gboolean
choose_version (RpDocker *engine, const json_t *version, GError **error)
{
  const char *newest = rp_json_str (version, "ApiVersion");
  const char *oldest = rp_json_str (version, "MinAPIVersion");
  int newest_minor = 0, oldest_minor = 0, major = 0;
  if (!newest || sscanf (newest, "%d.%d", &major, &newest_minor) != 2 || major != VERSION_MAJOR
      || newest_minor < VERSION_MINOR)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_UNSUPPORTED,
                   "the container engine at %s speaks API %s; %d.%d or newer is needed",
                   engine->socket_path, newest ? newest : "(unknown)", VERSION_MAJOR,
                   VERSION_MINOR);
      return FALSE;
    }
  if (oldest && sscanf (oldest, "%d.%d", &major, &oldest_minor) != 2)
    oldest_minor = 0;
  engine->base
      = g_strdup_printf ("http://engine/v%d.%d", VERSION_MAJOR, MAX (VERSION_MINOR, oldest_minor));
  return TRUE;
}

static gboolean
meet (RpDocker *engine, GError **error)
{
  if (engine->base)
    return TRUE;
  const RpHttpRequest request = { .method = "GET",
                                  .url = "http://engine/version",
                                  .timeout_ms = TIMEOUT_MS,
                                  .cancelled = engine->cancelled };
  g_autoptr (RpHttpResponse) response = send_raw (engine, &request, error);
  if (!response || !rp_http_response_check (response, "container engine", error))
    return FALSE;
  g_autoptr (json_t) version = parse_body (response, "container engine", error);
  return version && choose_version (engine, version, error);
}

typedef struct {
  const char *method;
  char *path; /* taken */
  const json_t *body;
  const char *header; /* besides, or NULL */
  gint64 timeout_ms; /* 0: the usual */
  RpHttpSink sink;
  gpointer sink_data;
} Call;

static RpHttpResponse *
call (RpDocker *engine, const Call *what, GError **error)
{
  g_autofree char *path = what->path;
  if (!meet (engine, error))
    return NULL;
  g_autofree char *url = g_strconcat (engine->base, path, NULL);
  g_autofree char *body = what->body ? rp_json_print (what->body) : NULL;
  const char *const headers[] = { body ? "Content-Type: application/json" : what->header,
                                  body ? what->header : NULL, NULL };
  const RpHttpRequest request = { .method = what->method,
                                  .url = url,
                                  .headers = headers,
                                  .body = body,
                                  .body_size = body ? strlen (body) : 0,
                                  .timeout_ms = what->timeout_ms ? what->timeout_ms : TIMEOUT_MS,
                                  .sink = what->sink,
                                  .sink_data = what->sink_data,
                                  .cancelled = engine->cancelled };
  return send_raw (engine, &request, error);
}

/* The engine's words under our codes. */
static gboolean
check (const RpHttpResponse *response, const char *what, GError **error)
{
  g_autoptr (GError) failure = NULL;
  if (rp_http_response_check (response, what, &failure))
    return TRUE;
  RpErrorCode code = response->status == 404   ? RP_ERROR_NOT_FOUND
                     : response->status == 409 ? RP_ERROR_CONFLICT
                                               : RP_ERROR_FAILED;
  g_set_error_literal (error, RP_ERROR, (int)code, failure->message);
  return FALSE;
}

static char *
escape (const char *text)
{
  return g_uri_escape_string (text, "/:@", FALSE);
}

static json_t *
get (RpDocker *engine, char *path, const char *what, GError **error)
{
  const Call request = { .method = "GET", .path = path };
  g_autoptr (RpHttpResponse) response = call (engine, &request, error);
  if (!response || !check (response, what, error))
    return NULL;
  return parse_body (response, what, error);
}

/* `also_good`: a status that counts as done (304: nothing to do, 404: not there). */
static gboolean
act (RpDocker *engine, const Call *request, const char *what, const int *also_good, GError **error)
{
  g_autoptr (RpHttpResponse) response = call (engine, request, error);
  if (!response)
    return FALSE;
  for (; *also_good; also_good++)
    if (response->status == *also_good)
      return TRUE;
  return check (response, what, error);
}

static const int nothing_else[] = { 0 };
static const int not_modified[] = { 304, 0 };
static const int not_there[] = { 404, 0 };
static const int not_modified_not_there[] = { 304, 404, 0 };

/* ---- images ---- */

json_t *
rp_docker_image_inspect (RpDocker *engine, const char *reference, GError **error)
{
  g_autofree char *escaped = escape (reference);
  return get (engine, g_strdup_printf ("/images/%s/json", escaped), reference, error);
}

/* A pull answers 200 and then tells its story in lines of JSON, failure included. */
typedef struct {
  GString *line;
  char *failure;
  GHashTable *layers; /* id → bytes so far, as `guint64 *` */
  RpProgress progress;
  gpointer progress_data;
} PullStory;

static void
note_progress (PullStory *story, const json_t *event)
{
  const json_t *detail = json_object_get (event, "progressDetail");
  const char *id = rp_json_str (event, "id");
  gint64 done = json_is_object (detail) ? rp_json_int (detail, "current") : 0;
  if (!story->progress || !id || done <= 0)
    return;
  guint64 *count = g_new (guint64, 1);
  *count = (guint64)done;
  g_hash_table_insert (story->layers, g_strdup (id), count);
  guint64 sum = 0;
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init (&iter, story->layers);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    sum += *(guint64 *)value;
  story->progress (sum, 0,
                   story->progress_data); /* the engine does not say how much there will be */
}

static void
read_event (PullStory *story)
{
  g_strstrip (story->line->str);
  g_autoptr (json_t) event
      = rp_json_parse (story->line->str, strlen (story->line->str), "pull", NULL);
  g_string_truncate (story->line, 0);
  if (!json_is_object (event))
    return;
  const char *failure = rp_json_str (event, "error");
  if (failure && !story->failure)
    story->failure = g_strdup (failure);
  note_progress (story, event);
}

static gboolean
read_story (const void *data, gsize size, gpointer user_data, GError **error)
{
  PullStory *story = user_data;
  const char *text = data;
  for (gsize i = 0; i < size; i++)
    {
      if (text[i] == '\n')
        read_event (story);
      else
        g_string_append_c (story->line, text[i]);
      if (story->line->len > LINE_LIMIT_BYTES)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                       "the engine's report on a pull has a line of more than %d bytes",
                       LINE_LIMIT_BYTES);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
pull (RpDocker *engine, const char *reference, gint64 timeout_ms, PullStory *story, GError **error)
{
  g_autofree char *escaped = g_uri_escape_string (reference, NULL, FALSE);
  const Call request = { .method = "POST",
                         .path = g_strdup_printf ("/images/create?fromImage=%s", escaped),
                         .header = engine->registry_auth,
                         .timeout_ms = timeout_ms,
                         .sink = read_story,
                         .sink_data = story };
  if (!act (engine, &request, reference, nothing_else, error))
    return FALSE;
  read_event (story); /* a last line without an end */
  if (!story->failure)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "the engine cannot pull %s: %s", reference,
               story->failure);
  return FALSE;
}

gboolean
rp_docker_image_pull (RpDocker *engine, const char *reference, gint64 timeout_ms,
                      RpProgress progress, gpointer user_data, GError **error)
{
  PullStory story = { .line = g_string_new (NULL),
                      .layers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free),
                      .progress = progress,
                      .progress_data = user_data };
  gboolean ok = pull (engine, reference, timeout_ms, &story, error);
  g_string_free (story.line, TRUE);
  g_hash_table_unref (story.layers);
  g_free (story.failure);
  return ok;
}

gboolean
rp_docker_image_remove (RpDocker *engine, const char *reference, GError **error)
{
  g_autofree char *escaped = escape (reference);
  const Call request = { .method = "DELETE", .path = g_strdup_printf ("/images/%s", escaped) };
  return act (engine, &request, reference, not_there, error);
}

/* ---- containers ---- */

json_t *
rp_docker_container_list (RpDocker *engine, const char *name, const char *value, GError **error)
{
  g_autofree char *label = g_strconcat (name, "=", value, NULL);
  g_autoptr (json_t) filters = json_pack ("{s:[s]}", "label", label);
  g_autofree char *text = rp_json_print (filters);
  g_autofree char *escaped = g_uri_escape_string (text, NULL, FALSE);
  g_autoptr (json_t) list
      = get (engine, g_strdup_printf ("/containers/json?all=true&filters=%s", escaped),
             "list of containers", error);
  if (!list || json_is_array (list))
    return g_steal_pointer (&list);
  g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "list of containers: the engine sent no list");
  return NULL;
}

json_t *
rp_docker_container_inspect (RpDocker *engine, const char *container, GError **error)
{
  g_autofree char *escaped = escape (container);
  return get (engine, g_strdup_printf ("/containers/%s/json", escaped), container, error);
}

gboolean
rp_docker_container_create (RpDocker *engine, const char *name, const json_t *config,
                            GError **error)
{
  g_autofree char *escaped = g_uri_escape_string (name, NULL, FALSE);
  const Call request = { .method = "POST",
                         .path = g_strdup_printf ("/containers/create?name=%s", escaped),
                         .body = config };
  g_autoptr (RpHttpResponse) response = call (engine, &request, error);
  if (!response)
    return FALSE;
  /* Podman says "name in use" with 500 in some versions; that it is so is what counts. */
  if (response->status == 500)
    {
      g_autoptr (json_t) taken = rp_docker_container_inspect (engine, name, NULL);
      if (taken)
        response->status = 409;
    }
  return check (response, name, error);
}

gboolean
rp_docker_container_start (RpDocker *engine, const char *container, GError **error)
{
  g_autofree char *escaped = escape (container);
  const Call request
      = { .method = "POST", .path = g_strdup_printf ("/containers/%s/start", escaped) };
  return act (engine, &request, container, not_modified, error);
}

gboolean
rp_docker_container_stop (RpDocker *engine, const char *container, gint64 timeout_ms,
                          GError **error)
{
  g_autofree char *escaped = escape (container);
  gint64 seconds = (timeout_ms + 999) / 1000;
  const Call request
      = { .method = "POST",
          .path = g_strdup_printf ("/containers/%s/stop?t=%" G_GINT64_FORMAT, escaped, seconds),
          .timeout_ms = seconds * 1000 + STOP_GRACE_MS };
  return act (engine, &request, container, not_modified_not_there, error);
}

gboolean
rp_docker_container_remove (RpDocker *engine, const char *container, GError **error)
{
  g_autofree char *escaped = escape (container);
  const Call request
      = { .method = "DELETE", .path = g_strdup_printf ("/containers/%s?v=true", escaped) };
  return act (engine, &request, container, not_there, error);
}
