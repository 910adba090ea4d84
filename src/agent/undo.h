/* Which release an undo on this host goes to.  Needs no server: the journal's window, what running
 * the releases here has shown, and the bytes that lie here.
 */
#pragma once

#include "agent/journal.h"

/* What is asked about a candidate; each may block. */
typedef struct {
  gboolean (*known) (const RpEntry *entry, RpLearn *out, gpointer user_data, GError **error);
  gboolean (*verify) (const RpEntry *entry, gpointer user_data, GError **error);
  gpointer user_data;
} RpUndoFacts;

/* The newest entry of the window that is not what runs now, is known good (running it here counts for
 * more than the server's mark) and whose bytes verify; or exactly `to_revision` if that is not 0.
 * *out_skipped (json_decref) gets [{"revision","version","why"}…], set on failure too.
 * RP_ERROR_BLOCKED or RP_ERROR_NOT_FOUND list every candidate and why not. *out: rp_entry_unref(). */
gboolean rp_undo_choose (const RpTargetState *state, const RpObservation *seen, gint64 to_revision,
                         const RpUndoFacts *facts, RpEntry **out, json_t **out_skipped,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
