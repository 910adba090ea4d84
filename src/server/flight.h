/* One question to another registry, and all requests that wait for its answer: however many ask for the same at the
 * same time, upstream is asked once.  Those who want a large blob follow it while it comes; its last byte is
 * not sent before all of it has been verified and is kept, so that wrong bytes never look whole.
 *
 *   ASKING ──▶ FLOWING (large blobs) ──▶ LANDED
 *      └───────────────────────────────────┘
 *
 * Thread-safe.  A request that waits has its connection suspended and costs no thread.
 */
#pragma once

#include "server/request.h"

typedef enum { RP_FLIGHT_MANIFEST, RP_FLIGHT_BLOB, RP_FLIGHT_BLOB_SIZE } RpFlightKind;

typedef enum {
  RP_FLIGHT_MISS,      /* it was not here and has come */
  RP_FLIGHT_CONFIRMED, /* what is here is what upstream has */
  RP_FLIGHT_STALE,     /* upstream could not say; what is here is served */
  RP_FLIGHT_FAILED
} RpFlightOutcome;

typedef struct RpFlight {
  /* never change */
  gatomicrefcount refs;
  RpFlightKind kind;
  char *key;
  char *repository, *reference; /* here */
  char *actor;                  /* whose request began it */
  gpointer place;               /* the proxy's; outlives it */
  GMutex lock;
  /* under lock; but `error`, `warning`, `outcome` and, once it flows, `size_bytes` never change after they were set */
  enum { RP_FLIGHT_ASKING, RP_FLIGHT_FLOWING, RP_FLIGHT_LANDED } state;
  RpFlightOutcome outcome;
  GError *error;
  char *warning; /* what clients are told beside the answer, or NULL */
  guint64 size_bytes;
  int fd;            /* where the bytes come in, -1: nowhere yet */
  guint generation;  /* of `fd` */
  guint64 here_bytes;
  guint64 told_bytes; /* those who follow know of */
  gint64 told_us;
  GPtrArray *waiting;   /* RpRequest, suspended */
  GPtrArray *followers; /* struct MHD_Connection *, suspended */
} RpFlight;

RpFlight *rp_flight_new (RpFlightKind kind, const char *key, const char *repository,
                         const char *reference, const char *actor, gpointer place);
RpFlight *rp_flight_ref (RpFlight *flight);
void rp_flight_unref (RpFlight *flight);

/* The request, whose connection is suspended, goes on (rp_http_again()) once the flight flows or has landed. */
void rp_flight_join (RpFlight *flight, RpRequest *request);
/* Answers with `size` bytes from `offset` on of what comes: both within a flight's size_bytes. To HEAD without bytes. */
void rp_flight_follow (RpFlight *flight, RpRequest *request, int status, const char *content_type,
                       guint64 offset, guint64 size);
/* It has not failed, and there is something to answer with: bytes that come or, of RP_FLIGHT_BLOB_SIZE, a size. */
gboolean rp_flight_flows (RpFlight *flight, guint64 *out_size);

/* As of now: of one that still flows, that it is a miss. *out_warning: g_free(). */
RpFlightOutcome rp_flight_outcome (RpFlight *flight, char **out_warning);

/* ---- for who flies it ---- */

/* From now on bytes come in at `fd`, which is taken over; those that were sent from an earlier one do not count. */
void rp_flight_flow (RpFlight *flight, int fd, guint64 size_bytes);
void rp_flight_progress (RpFlight *flight, guint64 here_bytes);
/* Takes over `error` and `warning`; both may be NULL. */
void rp_flight_land (RpFlight *flight, RpFlightOutcome outcome, char *warning, GError *error);
