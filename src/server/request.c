#include "server/request.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "server/flight.h"
#include "server/guard.h"
#include "server/pace.h"
#include "server/parts.h"
#include "server/peer.h"
#include "server/proxy.h"

#define ACTOR_MAX 128 /* bytes */
#define REQUEST_ID_MAX 128 /* bytes */
#define JSON_LIMIT (1024 * 1024)

RpRequest *
rp_request_new (RpServer *server, const char *target)
{
  RpRequest *request = g_new0 (RpRequest, 1);

  g_atomic_ref_count_init (&request->refs);
  g_mutex_init (&request->lock);
  request->server = server;
  request->target = g_strdup (target);
  request->headers = g_ptr_array_new_with_free_func (g_free);
  request->started_us = rp_clock_monotonic_us ();
  return request;
}

RpRequest *
rp_request_ref (RpRequest *request)
{
  g_atomic_ref_count_inc (&request->refs);
  return request;
}

static void
clear_stream (RpBodyStream *stream)
{
  if (stream->sink_free != NULL)
    stream->sink_free (stream->sink_data);
  g_clear_pointer (&stream->filling, g_byte_array_unref);
  g_queue_clear_full (&stream->full, (GDestroyNotify) g_byte_array_unref);
  g_queue_clear_full (&stream->spare, (GDestroyNotify) g_byte_array_unref);
  g_clear_error (&stream->error);
}

void
rp_request_unref (RpRequest *request)
{
  if (!g_atomic_ref_count_dec (&request->refs))
    return;
  clear_stream (&request->stream);
  g_clear_pointer (&request->collected, g_byte_array_unref);
  g_clear_pointer (&request->body, g_bytes_unref);
  g_clear_pointer (&request->response, MHD_destroy_response);
  g_clear_error (&request->refusal);
  rp_route_match_clear (&request->match);
  g_ptr_array_unref (request->headers);
  g_mutex_clear (&request->lock);
  g_strfreev (request->query);
  rp_identity_free (request->identity);
  rp_flight_unref (request->flight);
  g_free (request->actor);
  g_free (request->request_id);
  g_free (request->target);
  g_free (request->path);
  g_free (request);
}

/* `+` is a plus here: digests and media types have it, and no registry client means a blank. */
static char **
parse_query (const char *text)
{
  g_auto (GStrv) pairs = g_strsplit (text, "&", -1);
  GPtrArray *query = g_ptr_array_new ();

  for (char **pair = pairs; *pair != NULL; pair++)
    {
      char *equals = strchr (*pair, '=');
      char *key, *value;
      if (equals != NULL)
        *equals = '\0';
      key = g_uri_unescape_string (*pair, NULL);
      value = g_uri_unescape_string (equals != NULL ? equals + 1 : "", NULL);
      if (key == NULL || value == NULL || *key == '\0')
        {
          g_free (key);
          g_free (value);
          continue;
        }
      g_ptr_array_add (query, key);
      g_ptr_array_add (query, value);
    }
  g_ptr_array_add (query, NULL);
  return (char **) g_ptr_array_free (query, FALSE);
}

static void
split_target (RpRequest *request)
{
  const char *text = request->target;
  const char *question;

  if (g_str_has_prefix (text, "http://") || g_str_has_prefix (text, "https://"))
    {
      text = strchr (strstr (text, "//") + 2, '/');
      text = text != NULL ? text : "/";
    }
  question = strchr (text, '?');
  request->path = question != NULL ? g_strndup (text, (gsize) (question - text)) : g_strdup (text);
  request->query = parse_query (question != NULL ? question + 1 : "");
}

char *
rp_request_peer (const RpRequest *request, gboolean network)
{
  const union MHD_ConnectionInfo *info
      = MHD_get_connection_info (request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

  return rp_peer_name (info != NULL ? info->client_addr : NULL, network);
}

static gboolean
actor_is_sane (const char *actor)
{
  gsize length = strlen (actor);

  if (length == 0 || length > ACTOR_MAX || !g_utf8_validate (actor, (gssize) length, NULL))
    return FALSE;
  for (const char *at = actor; *at != '\0'; at = g_utf8_next_char (at))
    if (!g_unichar_isprint (g_utf8_get_char (at)))
      return FALSE;
  return TRUE;
}

const char *
rp_request_claimed_actor (const RpRequest *request)
{
  const char *claimed = rp_request_header (request, "X-Repoint-Actor");

  return claimed != NULL && actor_is_sane (claimed) ? claimed : NULL;
}

static gboolean
request_id_is_sane (const char *id)
{
  gsize length = strlen (id);

  return length > 0 && length <= REQUEST_ID_MAX
         && strspn (id, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._:+/=@-") == length;
}

const char *
rp_request_id (RpRequest *request)
{
  static gint counter; /* atomic */
  const char *given;

  if (request->request_id != NULL)
    return request->request_id;
  given = rp_request_header (request, "X-Request-Id");
  if (given != NULL && request_id_is_sane (given))
    request->request_id = g_strdup (given);
  else
    request->request_id = g_strdup_printf ("%012" G_GINT64_MODIFIER "x-%04x", rp_clock_now_us () / 1000,
                                           (guint) g_atomic_int_add (&counter, 1) & 0xffffU);
  return request->request_id;
}

static gint64
announced_length (const RpRequest *request)
{
  const char *text = rp_request_header (request, "Content-Length");
  guint64 length;

  if (rp_request_header (request, "Transfer-Encoding") != NULL)
    return -1;
  if (text == NULL || !g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT64, &length, NULL))
    return 0;
  return (gint64) length;
}

void
rp_request_start (RpRequest *request, struct MHD_Connection *connection, const char *method)
{
  request->connection = connection;
  g_strlcpy (request->method, method, sizeof request->method);
  request->is_head = strcmp (method, "HEAD") == 0;
  split_target (request);
  request->content_length = announced_length (request);
  request->phase = RP_PHASE_BODY;
  rp_router_match (request->server->router, method, request->path, &request->match);
  if (!rp_pace_address (request))
    return;
  if (request->match.route != NULL)
    {
      rp_proxy_rename (request);
      rp_guard_start (request);
      return;
    }
  if (request->match.allow != NULL)
    {
      rp_respond_header (request, "Allow", request->match.allow);
      g_set_error (&request->refusal, RP_ERROR, RP_ERROR_UNSUPPORTED,
                   "%s is not possible here, only %s", method, request->match.allow);
    }
  else
    g_set_error (&request->refusal, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "there is nothing at %.200s; the registry is at /v2/, the API at /api/v1/",
                 request->path);
}

gboolean
rp_request_is_registry (const RpRequest *request)
{
  if (request->match.route != NULL)
    return (request->match.route->flags & RP_ROUTE_REGISTRY) != 0;
  return g_str_has_prefix (request->path, "/v2/");
}

RpServer *
rp_request_server (const RpRequest *request)
{
  return request->server;
}

const RpServices *
rp_request_services (const RpRequest *request)
{
  return &request->server->services;
}

const char *
rp_request_param (const RpRequest *request, const char *name)
{
  for (guint i = 0; i < request->match.n_params; i++)
    if (strcmp (request->match.names[i], name) == 0)
      return request->match.values[i];
  return NULL;
}

const char *
rp_request_query (const RpRequest *request, const char *name)
{
  for (char **pair = request->query; *pair != NULL; pair += 2)
    if (strcmp (pair[0], name) == 0)
      return pair[1];
  return NULL;
}

GPtrArray *
rp_request_query_all (const RpRequest *request, const char *name)
{
  GPtrArray *values = g_ptr_array_new ();

  for (char **pair = request->query; *pair != NULL; pair += 2)
    if (strcmp (pair[0], name) == 0)
      g_ptr_array_add (values, pair[1]);
  return values;
}

gboolean
rp_request_query_int (const RpRequest *request, const char *name, gint64 fallback, gint64 *out,
                      GError **error)
{
  const char *text = rp_request_query (request, name);

  if (text == NULL || *text == '\0')
    {
      *out = fallback;
      return TRUE;
    }
  if (g_ascii_string_to_signed (text, 10, 0, G_MAXINT64, out, NULL))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "query argument %s: expected a whole number from 0, found \"%.64s\"", name, text);
  return FALSE;
}

const char *
rp_request_header (const RpRequest *request, const char *name)
{
  return MHD_lookup_connection_value (request->connection, MHD_HEADER_KIND, name);
}

GBytes *
rp_request_body (const RpRequest *request)
{
  g_assert (request->body != NULL);
  return request->body;
}

json_t *
rp_request_json (const RpRequest *request, GError **error)
{
  gsize size;
  const void *data = g_bytes_get_data (request->body, &size);
  g_autoptr (json_t) json = NULL;

  if (size > JSON_LIMIT)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "the JSON body has %" G_GSIZE_FORMAT " bytes; at most %d are taken", size,
                   JSON_LIMIT);
      return NULL;
    }
  json = rp_json_parse (data, size, "request body", error);
  if (json == NULL)
    return NULL;
  if (!json_is_object (json))
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                           "request body: expected a JSON object, found another JSON value");
      return NULL;
    }
  return g_steal_pointer (&json);
}

json_t *
rp_request_fields (const RpRequest *request, const char *const *keys, GError **error)
{
  g_autoptr (json_t) json = rp_request_json (request, error);

  return json != NULL && rp_json_only (json, keys, "request", error) ? g_steal_pointer (&json) : NULL;
}

const char *
rp_request_actor (const RpRequest *request)
{
  return request->actor;
}

guint64
rp_request_received (const RpRequest *request)
{
  return request->received_bytes;
}

gint64
rp_request_content_length (const RpRequest *request)
{
  return request->content_length;
}

void
rp_request_set_sink (RpRequest *request, RpBodySink sink, gpointer data, GDestroyNotify free_data)
{
  RpBodyStream *stream = &request->stream;

  g_assert (stream->sink == NULL);
  stream->sink = sink;
  stream->sink_data = data;
  stream->sink_free = free_data;
}

gpointer
rp_request_sink_data (const RpRequest *request)
{
  return request->stream.sink_data;
}

void
rp_request_keep_answer (RpRequest *request, gint64 seq)
{
  request->keep_seq = seq;
}
