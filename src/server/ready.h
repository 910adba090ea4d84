/* Answers that are ready to be sent again.  A rollout makes every host ask for the same few manifests;
 * such an answer, headers and all, is made once and then sent to whoever asks for the same target,
 * for as long as the ledger has not moved.  Only answers that are the same for everybody belong
 * here: the caller keeps those to anonymous requests of a server that asks nobody who they are.
 *
 * One table an event loop: all of this but rp_ready_unref() is of the loop's thread, and takes no lock.
 */
#pragma once

#include <glib.h>
#include <microhttpd.h>

typedef struct {
  guint refs;
  gint64 seq; /* of the ledger, from before the answer was made */
  gint64 made_us; /* monotonic */
  char *target;
  struct MHD_Response *response;
  guint route;
  guint64 size_bytes;
} RpReady;

/* The answer to `target`, or NULL if there is none for `seq`. The caller's to unref. */
RpReady *rp_ready_find (const char *target, gint64 seq);
/* Takes the response over, to which no header may be added any more. */
void rp_ready_keep (const char *target, gint64 seq, struct MHD_Response *response, guint route,
                    guint64 size_bytes);
/* On the loop's thread, or after its end. */
void rp_ready_unref (RpReady *ready);

/* May a request with these headers get what is ready?  Not if it brings a body, or a condition. */
gboolean rp_ready_fits (struct MHD_Connection *connection);
