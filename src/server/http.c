/* The life of a request:
 *
 *   on_target    the request line is there: RP_PHASE_NEW
 *   on_request   called by libmicrohttpd once for the headers (start), for each piece of the body
 *                (take_body) and once at its end, then once more after every resume (advance)
 *   on_completed the answer is out, or the client is gone
 *
 * Where the answer to a target is ready (ready.h), that answer is what libmicrohttpd remembers of the
 * request, marked by the lowest bits of its address; it turns into a request once it is clear that this
 * one cannot have it.
 *
 * Nothing is refused before its body has been read to the end: a connection that is closed under
 * a client that still sends loses the answer (a reset overtakes it), and after a drained body it
 * can be kept.
 *
 * A suspended connection belongs to whoever has the request; resuming it is the last thing they do
 * with it.  libmicrohttpd does not end a suspended connection, so `connection` is valid until then.
 */
#include "server/http.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/flight.h"
#include "server/guard.h"
#include "server/listen.h"
#include "server/pace.h"
#include "server/parts.h"
#include "server/ready.h"
#include "server/request.h"

#define CONNECTION_MEMORY (16 * 1024) /* held by every connection and cleared for each request */
#define CONNECTION_LIMIT 32768
#define IDLE_TIMEOUT_S 120 /* longer than the 90 s for which Go clients keep idle connections */
#define STREAM_BUFFER (256 * 1024)
#define FULL_MAX 8    /* buffers that wait for the sink, before the client has to */
#define DRAIN_MAX 16  /* buffers that one worker takes before it sees to other requests */
#define API_BODY_LIMIT (1024 * 1024)
#define WAIT_MAX_US (5 * 60 * G_USEC_PER_SEC)

struct RpHttp {
  RpServer *server;
  GPtrArray *daemons; /* struct MHD_Daemon, one a socket */
  GPtrArray *lent;    /* those among them whose socket somebody else keeps */
  gint in_flight; /* atomic */
  GMutex lock;
  GHashTable *receiving; /* under lock: requests whose streamed body is coming in */
};

/* ---- handlers ---- */

gboolean
rp_request_wait (RpRequest *request, gint64 wait_ms)
{
  request->wait_asked = TRUE;
  if (request->deadline_us == 0)
    request->deadline_us = rp_clock_monotonic_us () + CLAMP (wait_ms, 0, WAIT_MAX_US / 1000) * 1000;
  return TRUE;
}

gboolean
rp_request_waited (const RpRequest *request)
{
  return request->deadline_us != 0;
}

gboolean
rp_request_expired (const RpRequest *request)
{
  return request->expired;
}

/* Leaves the request with a response, unless it returns FALSE: then it wants to wait. */
static gboolean
run_handler (RpRequest *request)
{
  g_autoptr (GError) error = NULL;
  gboolean ok;

  request->wait_asked = FALSE;
  if (g_atomic_int_get (&request->server->stopping))
    request->expired = TRUE;
  ok = request->match.route->handle (request, &error);
  if (ok && request->response == NULL
      && (request->detour || (request->wait_asked && !request->expired)))
    return FALSE;
  if (ok && request->response == NULL)
    g_set_error (&error, RP_ERROR, RP_ERROR_FAILED, "%s %s gave no answer, which is a defect",
                 request->match.route->method, request->match.route->template);
  if (request->response == NULL)
    rp_respond_error (request, error);
  return TRUE;
}

/* Lets go of where the body went before the answer is out: the client's next request may come over
 * another connection and want it. */
static void
end_sink (RpRequest *request)
{
  RpBodyStream *stream = &request->stream;

  if (stream->sink_free != NULL)
    stream->sink_free (stream->sink_data);
  stream->sink_free = NULL;
  stream->sink_data = NULL;
  stream->sink = NULL;
}

static void
refuse (RpRequest *request)
{
  end_sink (request);
  rp_respond_error (request, request->refusal);
  request->phase = RP_PHASE_DONE;
}

/* ---- on workers ---- */

static void
resume (RpRequest *request, RpPhase phase)
{
  request->phase = phase;
  MHD_resume_connection (request->connection);
}

void
rp_http_again (RpRequest *request)
{
  resume (request, RP_PHASE_AGAIN);
}

/* For a request whose handler wants to run again, and whose connection is suspended. */
static void
wait_for_news (RpRequest *request, guint64 generation)
{
  if (!request->detour)
    {
      rp_waiters_add (request->server->waiters, request, generation, request->deadline_us);
      return;
    }
  request->detour = FALSE;
  rp_flight_join (request->flight, request);
}

/* With the lock held. One that waits for room gets some at once, so that it is not woken for each buffer. */
static void
wake_loop (RpRequest *request)
{
  RpBodyStream *stream = &request->stream;
  gboolean wake = stream->loop_wait == RP_LOOP_WANTS_ROOM ? stream->full.length <= FULL_MAX / 2
                                                          : !stream->draining;

  if (stream->loop_wait == RP_LOOP_RUNS || !wake)
    return;
  stream->loop_wait = RP_LOOP_RUNS;
  resume (request, RP_PHASE_BODY);
}

/* FALSE if that was the last one for now. What follows a piece that was refused is not wanted either. */
static gboolean
drain_one (RpRequest *request)
{
  RpBodyStream *stream = &request->stream;
  GError *error = NULL;
  GByteArray *piece;
  gboolean more;

  g_mutex_lock (&request->lock);
  piece = g_queue_pop_head (&stream->full);
  g_mutex_unlock (&request->lock);
  (void) !stream->sink (stream->sink_data, piece->data, piece->len, &error);
  g_byte_array_set_size (piece, 0);

  g_mutex_lock (&request->lock);
  g_queue_push_head (&stream->spare, piece);
  stream->error = error;
  if (error != NULL)
    g_queue_clear_full (&stream->full, (GDestroyNotify) g_byte_array_unref);
  more = stream->draining = stream->full.length > 0;
  wake_loop (request);
  g_mutex_unlock (&request->lock);
  return more;
}

/* The sink's share of a request that is still coming in. A worker that is awake goes on with what has come
 * meanwhile: to wake another one for each buffer costs more, above all where the processors are busy. */
static void
drain (RpRequest *request)
{
  gboolean more = drain_one (request);

  for (guint i = 1; more; i++)
    {
      if (i >= DRAIN_MAX && rp_workers_push (request->server->writers, request))
        return;
      more = drain_one (request);
    }
  rp_request_unref (request);
}

static gboolean
begin_stream (RpRequest *request)
{
  RpBodyStream *stream = &request->stream;

  stream->begun = TRUE;
  if (!rp_guard_finish (request))
    return FALSE;
  return request->match.route->begin == NULL
         || request->match.route->begin (request, &request->refusal);
}

/* The last piece, which is all there is of a small body. */
static gboolean
finish_stream (RpRequest *request)
{
  RpBodyStream *stream = &request->stream;

  if (!stream->begun && !begin_stream (request))
    return FALSE;
  if (stream->sink == NULL || stream->filling == NULL || stream->filling->len == 0)
    return TRUE;
  return stream->sink (stream->sink_data, stream->filling->data, stream->filling->len,
                       &request->refusal);
}

static void
finish_request (RpRequest *request)
{
  guint64 generation = rp_waiters_generation (request->server->waiters);

  if (request->refusal == NULL && !rp_guard_finish (request))
    g_assert (request->refusal != NULL);
  if (request->refusal == NULL && (request->match.route->flags & RP_ROUTE_STREAM)
      && !finish_stream (request))
    g_assert (request->refusal != NULL);
  if (request->refusal != NULL)
    refuse (request);
  else if (!run_handler (request))
    {
      wait_for_news (request, generation);
      return;
    }
  end_sink (request);
  resume (request, RP_PHASE_DONE);
}

/* A worker gets a request for one of three reasons; the phase and the stream tell which. */
void
rp_http_work (gpointer data)
{
  RpRequest *request = data;

  if (request->stream.draining)
    drain (request);
  else if (request->phase == RP_PHASE_BODY)
    {
      if (!begin_stream (request))
        g_assert (request->refusal != NULL);
      resume (request, RP_PHASE_BODY);
    }
  else
    finish_request (request);
}

static RpWorkers *
workers_for (RpRequest *request)
{
  gboolean slow = (request->match.route->flags & RP_ROUTE_SLOW) != 0;

  return slow ? request->server->slow : request->server->writers;
}

static gboolean
runs_on_worker (const RpRequest *request)
{
  return request->unguarded
         || (request->match.route->flags & (RP_ROUTE_WRITE | RP_ROUTE_SLOW | RP_ROUTE_STREAM)) != 0;
}

/* For a request whose connection is suspended. */
static void
hand_over (RpRequest *request)
{
  if (!rp_workers_push (workers_for (request), request))
    resume (request, RP_PHASE_ABORT);
}

void
rp_http_wake (gpointer data, gboolean expired)
{
  RpRequest *request = data;

  request->expired = expired;
  if (runs_on_worker (request))
    hand_over (request);
  else
    resume (request, RP_PHASE_AGAIN);
}

/* ---- on event loops ---- */

static void
send_headers (const RpRequest *request)
{
  for (guint i = 0; i + 1 < request->headers->len; i += 2)
    if (MHD_add_response_header (request->response, request->headers->pdata[i],
                                 request->headers->pdata[i + 1])
        != MHD_YES)
      rp_log_warning ("http", "%.200s: header %s cannot be sent", request->path,
                      (const char *) request->headers->pdata[i]);
}

static void
keep_answer (RpRequest *request)
{
  if (request->keep_seq == 0 || request->request_id != NULL || request->status != 200 || request->is_head || !request->open
      || g_atomic_int_get (&request->server->stopping)
      || g_bytes_get_size (request->body) > 0)
    return;
  rp_ready_keep (request->target, request->keep_seq, g_steal_pointer (&request->response),
                 request->match.index, request->sent_bytes);
}

static gboolean
wants_request_id (const RpRequest *request)
{
  return request->status >= 400 || rp_access_log_is_on (request->server->access_log)
         || rp_request_header (request, "X-Request-Id") != NULL;
}

static enum MHD_Result
send_answer (RpRequest *request)
{
  enum MHD_Result result;

  if (rp_request_is_registry (request))
    rp_respond_header (request, "Docker-Distribution-Api-Version", "registry/2.0");
  if (g_atomic_int_get (&request->server->stopping))
    rp_respond_header (request, "Connection", "close");
  if (wants_request_id (request))
    rp_respond_header (request, "X-Request-Id", rp_request_id (request));
  send_headers (request);
  result = MHD_queue_response (request->connection, (unsigned int) request->status,
                               request->response);
  keep_answer (request);
  g_clear_pointer (&request->response, MHD_destroy_response);
  return result;
}

static enum MHD_Result
run_inline (RpRequest *request)
{
  guint64 generation = rp_waiters_generation (request->server->waiters);

  if (run_handler (request))
    {
      request->phase = RP_PHASE_DONE;
      return send_answer (request);
    }
  request->phase = RP_PHASE_RUNNING;
  MHD_suspend_connection (request->connection);
  wait_for_news (request, generation);
  return MHD_YES;
}

static enum MHD_Result
finish_body (RpRequest *request)
{
  RpBodyStream *stream = &request->stream;

  g_mutex_lock (&request->lock);
  if (stream->draining)
    {
      stream->loop_wait = RP_LOOP_WANTS_END;
      MHD_suspend_connection (request->connection);
      g_mutex_unlock (&request->lock);
      return MHD_YES;
    }
  if (stream->error != NULL && request->refusal == NULL)
    request->refusal = g_steal_pointer (&stream->error);
  g_mutex_unlock (&request->lock);

  if (request->refusal != NULL)
    {
      refuse (request);
      return send_answer (request);
    }
  if (request->collected != NULL)
    request->body = g_byte_array_free_to_bytes (g_steal_pointer (&request->collected));
  else
    request->body = g_bytes_new_static ("", 0);
  if (!runs_on_worker (request))
    return run_inline (request);
  request->phase = RP_PHASE_RUNNING;
  MHD_suspend_connection (request->connection);
  hand_over (request);
  return MHD_YES;
}

static enum MHD_Result
advance (RpRequest *request)
{
  switch (request->phase)
    {
    case RP_PHASE_BODY:
      return finish_body (request);
    case RP_PHASE_AGAIN:
      return run_inline (request);
    case RP_PHASE_DONE:
      return send_answer (request);
    case RP_PHASE_NEW:
    case RP_PHASE_RUNNING:
    case RP_PHASE_ABORT:
      break;
    }
  return MHD_NO;
}

/* With the lock held. */
static GByteArray *
empty_buffer (RpBodyStream *stream)
{
  GByteArray *buffer = g_queue_pop_head (&stream->spare);

  return buffer != NULL ? buffer : g_byte_array_sized_new ((guint) stream->buffer_bytes);
}

/* Leaves the full buffer to a worker and takes an empty one. FALSE if the worker is that far behind that the
 * client has to wait: the connection is suspended then. */
static gboolean
swap_buffers (RpRequest *request)
{
  RpBodyStream *stream = &request->stream;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&request->lock);

  if (stream->error != NULL)
    {
      request->refusal = g_steal_pointer (&stream->error);
      return TRUE;
    }
  if (stream->full.length == FULL_MAX)
    {
      stream->loop_wait = RP_LOOP_WANTS_ROOM;
      MHD_suspend_connection (request->connection);
      return FALSE;
    }
  g_queue_push_tail (&stream->full, stream->filling);
  stream->filling = empty_buffer (stream);
  if (stream->draining)
    return TRUE;
  stream->draining = TRUE;
  if (rp_workers_push (request->server->writers, rp_request_ref (request)))
    return TRUE;
  stream->draining = FALSE;
  request->phase = RP_PHASE_ABORT;
  rp_request_unref (request);
  return TRUE;
}

static void
note_receiving (RpRequest *request, gboolean receiving)
{
  RpHttp *http = request->server->http;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&http->lock);

  if (receiving)
    g_hash_table_add (http->receiving, request);
  else
    g_hash_table_remove (http->receiving, request);
}

static void
make_buffer (RpRequest *request)
{
  RpBodyStream *stream = &request->stream;
  gint64 length = request->content_length;

  stream->buffer_bytes = length > 0 ? (gsize) MIN (length, STREAM_BUFFER) : STREAM_BUFFER;
  stream->filling = g_byte_array_sized_new ((guint) stream->buffer_bytes);
}

/* Takes all of the piece, or leaves the connection suspended: libmicrohttpd would not call again
 * of itself for what is left. */
static enum MHD_Result
fill_buffers (RpRequest *request, const char *data, size_t *size)
{
  RpBodyStream *stream = &request->stream;

  while (*size > 0)
    {
      if (stream->filling->len == stream->buffer_bytes && !swap_buffers (request))
        return MHD_YES;
      if (request->phase == RP_PHASE_ABORT)
        return MHD_NO;
      if (request->refusal != NULL)
        {
          *size = 0;
          return MHD_YES;
        }
      gsize room = MIN (*size, stream->buffer_bytes - stream->filling->len);
      g_byte_array_append (stream->filling, (const guint8 *) data, (guint) room);
      request->received_bytes += room;
      data += room;
      *size -= room;
    }
  return MHD_YES;
}

static enum MHD_Result
take_streamed (RpRequest *request, const char *data, size_t *size)
{
  RpBodyStream *stream = &request->stream;

  if (!stream->begun)
    {
      note_receiving (request, TRUE);
      MHD_suspend_connection (request->connection);
      hand_over (request);
      return MHD_YES;
    }
  if (stream->sink == NULL)
    {
      *size = 0; /* this one has no use for a body */
      return MHD_YES;
    }
  if (stream->filling == NULL)
    make_buffer (request);
  return fill_buffers (request, data, size);
}

static gsize
body_limit (const RpRequest *request)
{
  return rp_request_is_registry (request) ? RP_MANIFEST_LIMIT : API_BODY_LIMIT;
}

static enum MHD_Result
take_collected (RpRequest *request, const char *data, size_t *size)
{
  gsize limit = body_limit (request);

  if (request->received_bytes + *size > limit
      || (request->content_length > 0 && (guint64) request->content_length > limit))
    {
      g_set_error (&request->refusal, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "the body is larger than the %" G_GSIZE_FORMAT " bytes that are taken here",
                   limit);
      g_clear_pointer (&request->collected, g_byte_array_unref);
    }
  else
    {
      if (request->collected == NULL)
        request->collected = g_byte_array_new ();
      g_byte_array_append (request->collected, (const guint8 *) data, (guint) *size);
      request->received_bytes += *size;
    }
  *size = 0;
  return MHD_YES;
}

static enum MHD_Result
take_body (RpRequest *request, const char *data, size_t *size)
{
  if (request->phase != RP_PHASE_BODY)
    return MHD_NO;
  if (request->refusal != NULL)
    {
      *size = 0;
      return MHD_YES;
    }
  if (request->match.route->flags & RP_ROUTE_STREAM)
    return take_streamed (request, data, size);
  return take_collected (request, data, size);
}

/* ---- answers that are ready ---- */

enum { READY = 1, READY_GRANTED = 2, READY_HEAD = 4, READY_BITS = 7 };

static gpointer
mark_ready (RpReady *ready, guint bits)
{
  return (gpointer) ((guintptr) ready | READY | bits);
}

static guint
ready_bits (gpointer state)
{
  return (guint) ((guintptr) state & READY_BITS);
}

/* NULL if it is a request. */
static RpReady *
ready_of (gpointer state)
{
  return ready_bits (state) != 0 ? (RpReady *) ((guintptr) state & ~(guintptr) READY_BITS) : NULL;
}

/* Does this one need a line or a name of its own? */
static gboolean
is_noted (const RpServer *server, struct MHD_Connection *connection)
{
  return rp_access_log_is_on (server->access_log)
         || MHD_lookup_connection_value (connection, MHD_HEADER_KIND, "X-Request-Id") != NULL;
}

static gboolean
may_send_ready (RpServer *server, const RpReady *ready, struct MHD_Connection *connection,
                const char *method)
{
  return (strcmp (method, "GET") == 0 || strcmp (method, "HEAD") == 0)
         && ready->seq == rp_server_ledger_seq (server)
         && !is_noted (server, connection)
         && rp_access_is_open (server->services.access) && !g_atomic_int_get (&server->stopping)
         && rp_ready_fits (connection) && rp_pace_ready (server, connection);
}

static RpRequest *
request_of_ready (RpServer *server, RpReady *ready)
{
  RpRequest *request = rp_request_new (server, ready->target);

  rp_ready_unref (ready);
  return request;
}

/* FALSE: this one is to be a request like any other. An answer that is queued while the headers are
 * being looked at would cost the connection, so it goes out at the next call. */
static gboolean
answer_ready (RpHttp *http, RpReady *ready, struct MHD_Connection *connection, const char *method,
              void **state, enum MHD_Result *out)
{
  guint head = method[0] == 'H' ? READY_HEAD : 0;

  *out = MHD_YES;
  if ((ready_bits (*state) & READY_GRANTED) != 0)
    *out = MHD_queue_response (connection, 200, ready->response);
  else if (may_send_ready (http->server, ready, connection, method))
    *state = mark_ready (ready, READY_GRANTED | head);
  else
    {
      *state = request_of_ready (http->server, ready);
      return FALSE;
    }
  return TRUE;
}

static void
complete_ready (RpHttp *http, RpReady *ready, guint bits)
{
  guint64 sent = (bits & READY_HEAD) != 0 ? 0 : ready->size_bytes;

  if ((bits & READY_GRANTED) != 0)
    {
      rp_metrics_count (http->server->metrics, (gint) ready->route, 200, 0, sent);
      rp_log_debug ("http", "GET %.200s: 200, %" G_GUINT64_FORMAT " out, ready", ready->target,
                    sent);
    }
  rp_ready_unref (ready);
}

/* ---- what libmicrohttpd calls ---- */

static enum MHD_Result
on_request (void *cls, struct MHD_Connection *connection, const char *url, const char *method,
            const char *version, const char *data, size_t *size, void **state)
{
  RpHttp *http = cls;
  RpReady *ready = ready_of (*state);
  RpRequest *request;
  enum MHD_Result result;

  if (ready != NULL && answer_ready (http, ready, connection, method, state, &result))
    return result;
  request = *state;
  if (request->phase == RP_PHASE_NEW)
    {
      rp_request_start (request, connection, method);
      return MHD_YES;
    }
  return *size > 0 ? take_body (request, data, size) : advance (request);
}

static void *
on_target (void *cls, const char *target, struct MHD_Connection *connection)
{
  RpHttp *http = cls;
  RpReady *ready = rp_ready_find (target, rp_server_ledger_seq (http->server));

  g_atomic_int_inc (&http->in_flight);
  return ready != NULL ? mark_ready (ready, 0) : rp_request_new (http->server, target);
}

static void
log_access (RpRequest *request, gboolean whole)
{
  const char *agent = rp_request_header (request, "User-Agent");
  g_autofree char *client = rp_request_peer (request, FALSE);
  const RpIdentity *identity = request->identity;
  const RpAccessEntry entry = {
    .method = request->method,
    .path = request->path,
    .client = client,
    .account = identity != NULL && identity->account != NULL ? identity->account : "",
    .request_id = rp_request_id (request),
    .agent = agent != NULL ? agent : "",
    .status = request->status,
    .cut = !whole,
    .received_bytes = request->received_bytes,
    .sent_bytes = request->sent_bytes,
    .at_us = rp_clock_now_us (),
    .duration_us = rp_clock_monotonic_us () - request->started_us,
  };

  rp_access_log_add (request->server->access_log, &entry);
}

static void
complete_request (RpHttp *http, RpRequest *request, enum MHD_RequestTerminationCode code)
{
  if (request->phase != RP_PHASE_NEW)
    {
      const RpRoute *route = request->match.route;
      rp_metrics_count (http->server->metrics, route != NULL ? (gint) request->match.index : -1,
                        request->status, request->received_bytes, request->sent_bytes);
      rp_log_debug ("http", "%s %.200s: %d, %" G_GUINT64_FORMAT " in, %" G_GUINT64_FORMAT
                            " out, %" G_GINT64_FORMAT " us%s",
                    route != NULL ? route->method : "?", request->path, request->status,
                    request->received_bytes, request->sent_bytes,
                    rp_clock_monotonic_us () - request->started_us,
                    code == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : ", cut off");
      if (rp_access_log_is_on (http->server->access_log))
        log_access (request, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    }
  if (request->match.route != NULL && (request->match.route->flags & RP_ROUTE_STREAM))
    note_receiving (request, FALSE);
  rp_request_unref (request);
}

static void
on_completed (void *cls, struct MHD_Connection *connection, void **state,
              enum MHD_RequestTerminationCode code)
{
  RpHttp *http = cls;
  RpReady *ready = ready_of (*state);

  if (*state == NULL)
    return;
  if (ready != NULL)
    complete_ready (http, ready, ready_bits (*state));
  else
    complete_request (http, *state, code);
  *state = NULL;
  (void) !g_atomic_int_dec_and_test (&http->in_flight);
}

static void G_GNUC_PRINTF (2, 0)
on_library_log (void *cls, const char *format, va_list arguments)
{
  g_autofree char *text = g_strdup_vprintf (format, arguments);

  rp_log_debug ("http", "%s", g_strchomp (text));
}

static void
free_http (RpHttp *http)
{
  g_hash_table_unref (http->receiving);
  g_ptr_array_unref (http->daemons);
  g_ptr_array_unref (http->lent);
  g_mutex_clear (&http->lock);
  g_free (http);
}

static gboolean
check_tls (GError **error)
{
  if (MHD_is_feature_supported (MHD_FEATURE_TLS) == MHD_YES
      && MHD_is_feature_supported (MHD_FEATURE_HTTPS_CERT_CALLBACK) == MHD_YES)
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_UNSUPPORTED,
                       "the libmicrohttpd of this machine was built without TLS");
  return FALSE;
}

static enum MHD_Result
may_come (void *cls, const struct sockaddr *address, socklen_t size)
{
  const RpServer *server = cls;

  return g_atomic_int_get (&server->stopping) ? MHD_NO : MHD_YES;
}

static struct MHD_Daemon *
start_daemon (RpHttp *http, int fd, guint threads)
{
  RpServer *server = http->server;
  const gboolean with_tls = server->tls != NULL;

  return MHD_start_daemon (
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG
          | (with_tls ? MHD_USE_TLS : 0U),
      0, may_come, server, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL,
      MHD_OPTION_URI_LOG_CALLBACK, on_target, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
      MHD_OPTION_NOTIFY_CONNECTION, rp_pace_connection, server, MHD_OPTION_LISTEN_SOCKET, fd,
      MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      (size_t) CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT, (unsigned int) CONNECTION_LIMIT,
      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int) IDLE_TIMEOUT_S,
      /* Without TLS the list ends here. */
      with_tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, rp_tls_retrieve,
      MHD_OPTION_HTTPS_PRIORITIES, RP_TLS_PRIORITIES, MHD_OPTION_END);
}

gboolean
rp_http_start (RpServer *server, GArray *listeners, guint threads, GError **error)
{
  RpHttp *http;

  if (server->tls != NULL && !check_tls (error))
    return FALSE;
  http = g_new0 (RpHttp, 1);
  http->server = server;
  server->http = http; /* requests may come before this function returns */
  g_mutex_init (&http->lock);
  http->receiving = g_hash_table_new (NULL, NULL);
  http->daemons = g_ptr_array_new ();
  http->lent = g_ptr_array_new ();
  for (guint i = 0; i < listeners->len; i++)
    {
      RpListener *listener = &g_array_index (listeners, RpListener, i);
      struct MHD_Daemon *daemon = start_daemon (http, listener->fd, threads);
      if (daemon == NULL)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_FAILED,
                       "the HTTP server could not be started on %s", listener->host);
          return FALSE;
        }
      listener->fd = -1;
      g_ptr_array_add (http->daemons, daemon);
      if (listener->lent)
        g_ptr_array_add (http->lent, daemon);
    }
  return TRUE;
}

/* A socket of our own is closed at the end, and until then may_come() sends everybody away; libmicrohttpd 0.9
 * abort when a loop that is awake lets go of its socket in the same moment as MHD_quiesce_daemon() takes it. Who
 * waits at a socket that is only lent shall be there for the process that comes after. */
void
rp_http_quiesce (RpHttp *http)
{
  for (guint i = 0; i < http->lent->len; i++)
    {
      int fd = MHD_quiesce_daemon (http->lent->pdata[i]);
      if (fd >= 0)
        close (fd);
    }
}

/* Over TLS a farewell may lie before the end, so that only TCP knows that nothing more will come. */
static gboolean
has_ended (const RpRequest *request, int fd)
{
  char byte;
  struct tcp_info state = { 0 };
  socklen_t size = sizeof state;

  if (request->server->tls == NULL)
    return recv (fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
  return getsockopt (fd, IPPROTO_TCP, TCP_INFO, &state, &size) == 0
         && state.tcpi_state == TCP_CLOSE_WAIT;
}

static void
drop_if_gone (RpRequest *request)
{
  const union MHD_ConnectionInfo *info
      = MHD_get_connection_info (request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

  if (info != NULL && has_ended (request, info->connect_fd))
    shutdown (info->connect_fd, SHUT_RD); /* an event that the loop does see */
}

/* on_completed() takes a request out of the table before its descriptor is closed. */
void
rp_http_sweep (RpHttp *http)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&http->lock);
  GHashTableIter iter;
  gpointer request;

  g_hash_table_iter_init (&iter, http->receiving);
  while (g_hash_table_iter_next (&iter, &request, NULL))
    drop_if_gone (request);
}

guint
rp_http_receiving (RpHttp *http)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&http->lock);
  return g_hash_table_size (http->receiving);
}

guint
rp_http_in_flight (const RpHttp *http)
{
  return (guint) g_atomic_int_get (&((RpHttp *) http)->in_flight);
}

void
rp_http_stop (RpHttp *http)
{
  if (http == NULL)
    return;
  for (guint i = 0; i < http->daemons->len; i++)
    MHD_stop_daemon (http->daemons->pdata[i]);
  free_http (http);
}
