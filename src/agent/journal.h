/* The agent's memory: STATE/journal.db.  Every function returns when what it wrote is durable, and all
 * that belongs together is written in one transaction: a change of state, what was learned, and the
 * report about it are all there after a crash, or none.  Thread-safe; blocking.
 *
 *   target   name, state (JSON, state.h)                    one row a target
 *   known    target, digest → confirmed | failed | undone   what running it here has shown
 *   ready    target, digest → when last hashed right
 *   outbox   n, target, body, refused                       reports not yet taken by the server
 */
#pragma once

#include "agent/step.h"

typedef struct RpJournal RpJournal;

/* Opens STATE/journal.db, making it where it is missing. On a full disk the reserve is given up. */
RpJournal *rp_journal_open (const char *state_dir, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_journal_close (RpJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpJournal, rp_journal_close)

/* A new, idle state if the journal does not know the target. */
RpTargetState *rp_journal_load (RpJournal *journal, const char *target, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Writes state, what `step` learned (step may be NULL) and the `n_reports` report bodies (without "id").
 * On a full disk the reserve is given up and the write is tried once more. */
gboolean rp_journal_commit (RpJournal *journal, const char *target, const RpTargetState *state,
                            const RpStep *step, json_t *const *reports, gsize n_reports,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* RP_LEARN_NOTHING if this host never ran it. */
gboolean rp_journal_known (RpJournal *journal, const char *target, const RpDigest *digest,
                           RpLearn *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* When the digest was last verified ready on this host; 0 takes the mark away. */
gboolean rp_journal_set_ready (RpJournal *journal, const char *target, const RpDigest *digest,
                               gint64 verified_us, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RpDigest (owned) → gint64 * (owned). */
GHashTable *rp_journal_ready (RpJournal *journal, const char *target, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* The oldest report of `target` that waits: *out_body is NULL if none. Numbers only grow, also over the
 * loss of a journal (they begin at the time of its making, in milliseconds). */
gboolean rp_journal_next_report (RpJournal *journal, const char *target, gint64 *out_n,
                                 json_t **out_body, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_journal_delivered (RpJournal *journal, gint64 n, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Sets a report aside that the server will never take; it stays in the journal with the reason. */
gboolean rp_journal_refused (RpJournal *journal, gint64 n, const char *reason, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_journal_count (RpJournal *journal, const char *target, gint64 *out_waiting,
                           gint64 *out_refused, GError **error) G_GNUC_WARN_UNUSED_RESULT;
