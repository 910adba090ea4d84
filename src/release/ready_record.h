/* What was written down about an environment's readiness: an event each time that it changes, so that it can be told since when
 * one could not have gone back.
 *   readiness.changed {app, environment, ready, reasons}
 * Nothing is written down of an environment that never was ready: before its second release there is nothing to go back to.
 */
#pragma once

#include "release/readiness.h"

typedef struct
{
  gboolean known; /* FALSE: it never was ready */
  gboolean ready;
  gboolean refused; /* not ready, and credentials were among the reasons */
  gint64 at_us;     /* since when */
} RpReadyRecord;

gboolean rp_ready_record_load (RpTxn *txn, const char *app, const char *environment,
                               RpReadyRecord *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_ready_record_get (RpEngine *engine, const char *app, const char *environment,
                              RpReadyRecord *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Writes down what was found, if that is other than before. *out_ready is what counts: hosts that were refused stay so
 * until their agents have tried again, which they have not right after the server was started. */
gboolean rp_ready_record_note (RpEngine *engine, const RpReadiness *readiness, gboolean *out_ready,
                               gboolean *out_changed, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* {"ready", "since"}; null: it never was ready. */
json_t *rp_ready_record_to_json (const RpReadyRecord *record);

/* For the projector. */
gboolean rp_ready_record_apply (RpTxn *txn, const RpEvent *event, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
