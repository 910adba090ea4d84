/* What a request is to the server itself; handlers see only route.h.
 *
 * A request is touched by one thread at a time: by the event loop of its connection, or, while the
 * connection is suspended, by a worker or the waiters' thread.  The only overlap is a worker that
 * gives full buffers to the sink while the loop fills another one; `lock` guards the fields of that.
 */
#pragma once

#include <microhttpd.h>

#include "server/router.h"

/* Where the body of an RP_ROUTE_STREAM request goes. Called on a worker, one piece at a time. */
typedef gboolean (*RpBodySink) (gpointer data, const void *piece, gsize size, GError **error);

typedef enum {
  RP_PHASE_NEW,     /* headers are there; no answer to look at yet */
  RP_PHASE_BODY,    /* the body comes in */
  RP_PHASE_RUNNING, /* a worker or the waiters have it; its connection is suspended */
  RP_PHASE_AGAIN,   /* a long poll that was woken: the handler runs once more */
  RP_PHASE_DONE,    /* there is an answer to send */
  RP_PHASE_ABORT    /* the server is going away: drop the connection */
} RpPhase;

struct RpFlight;

/* What a suspended connection waits for. */
typedef enum {
  RP_LOOP_RUNS,
  RP_LOOP_WANTS_ROOM, /* among the full buffers */
  RP_LOOP_WANTS_END   /* of the draining */
} RpLoopWait;

typedef struct {
  GByteArray *filling;  /* the loop's */
  GQueue full;          /* under lock: GByteArray, for the sink in this order */
  GQueue spare;         /* under lock: GByteArray */
  gboolean draining;    /* under lock: a worker has, or will have, the full ones */
  RpLoopWait loop_wait; /* under lock */
  GError *error;        /* under lock: what the sink said */
  gboolean begun;       /* the route's begin() has run */
  gsize buffer_bytes;
  RpBodySink sink;
  gpointer sink_data;
  GDestroyNotify sink_free;
} RpBodyStream;

struct RpRequest {
  gatomicrefcount refs;
  RpServer *server;
  struct MHD_Connection *connection; /* not after `gone` */
  RpPhase phase;
  gboolean is_head;
  char method[16];
  char *request_id; /* the client's, or made up; NULL: nobody needs one so far */
  char *target; /* path and query as they came */
  char *path;
  char **query; /* key, value, key, value … decoded; NULL-ended */
  char *actor;
  RpIdentity *identity; /* NULL: nobody was asked, or nobody answered */
  gboolean open;        /* nobody was asked: there is no account */
  gboolean unguarded;   /* who asks is yet to be found out, on a worker */
  RpRouteMatch match;
  gint64 started_us;

  gint64 content_length; /* -1: chunked */
  guint64 received_bytes;
  GByteArray *collected;
  GBytes *body;
  RpBodyStream stream;
  GError *refusal; /* set before the handler ran: the answer, once the body is drained */

  GMutex lock;

  gboolean wait_asked;
  gboolean expired;
  gint64 deadline_us; /* monotonic; 0: none yet */

  struct MHD_Response *response;
  int status;
  guint64 sent_bytes;
  GPtrArray *headers; /* name, value, name, value … */
  struct RpFlight *flight; /* what another registry was asked for it, or NULL */
  gboolean detour; /* the handler wants to run again once `flight` has an answer */
  gint64 keep_seq;    /* 0, or: the answer may be kept for this sequence of the ledger */
};

RpRequest *rp_request_new (RpServer *server, const char *target);
RpRequest *rp_request_ref (RpRequest *request);
void rp_request_unref (RpRequest *request);

/* The address it came from; `network`: what belongs to one client, which with IPv6 is a /64. g_free(). */
char *rp_request_peer (const RpRequest *request, gboolean network);
/* How this request is called in logs and answers: X-Request-Id if it is sane, else made up. Borrowed. */
const char *rp_request_id (RpRequest *request);
/* X-Repoint-Actor if it is sane, else NULL. */
const char *rp_request_claimed_actor (const RpRequest *request);

/* Takes the connection, reads what the headers say and matches the route. */
void rp_request_start (RpRequest *request, struct MHD_Connection *connection, const char *method);
gboolean rp_request_is_registry (const RpRequest *request);
RpServer *rp_request_server (const RpRequest *request);
/* All values of a query argument. The container is the caller's, the strings are not. */
GPtrArray *rp_request_query_all (const RpRequest *request, const char *name);
/* Bytes of the body so far, of any route. */
guint64 rp_request_received (const RpRequest *request);
/* -1 if the length was not announced. */
gint64 rp_request_content_length (const RpRequest *request);
/* In begin() of an RP_ROUTE_STREAM route. `data` is freed by `free_data` at the end of the
 * request. */
void rp_request_set_sink (RpRequest *request, RpBodySink sink, gpointer data,
                          GDestroyNotify free_data);
gpointer rp_request_sink_data (const RpRequest *request);

/* The answer, 200 with bytes, is the same for everybody who asks by the same target and may read it,
 * as long as the ledger is at `seq`, which was read before the answer was made. */
void rp_request_keep_answer (RpRequest *request, gint64 seq);

/* Answers with what the response sends, which is taken over; NULL: 500. */
void rp_respond_with (RpRequest *request, int status, const char *content_type,
                      struct MHD_Response *response, guint64 size);

/* Renders `error` in the envelope of the route's world; headers that the handler set stay. Logs
 * 5xx. */
void rp_respond_error (RpRequest *request, const GError *error);
