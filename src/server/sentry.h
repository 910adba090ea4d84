/* The thread that looks whether each environment could go back, so that it is known before somebody has to: all of them
 * from time to time; within a second or two those that were deployed to, and all where bytes were damaged or went. It takes
 * a tenth of one processor at most.  A change is in the ledger (release/ready_record.h), on the log and in the metrics.
 */
#pragma once

#include "server/route.h"

#define RP_READY_EVERY_MS_DEFAULT (60 * G_GINT64_CONSTANT (1000))

typedef struct RpSentry RpSentry;
/* No thread yet. Borrows. */
RpSentry *rp_sentry_new (RpServer *server, gint64 every_ms);
void rp_sentry_start (RpSentry *sentry);
/* Waits for the environment that is being looked at. NULL is fine. */
void rp_sentry_stop (RpSentry *sentry);
void rp_sentry_free (RpSentry *sentry); /* stops first */

/* For Prometheus, of the apps that `request` may read: from memory. */
void rp_sentry_print (RpSentry *sentry, const RpRequest *request, GString *out);
