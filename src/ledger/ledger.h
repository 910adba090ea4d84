/* The ledger: an append-only list of events, each chained to the one before by SHA-256, and the
 * projections (ordinary tables) that are computed from it and nothing else.
 *
 * Table `event` and the bytes that are hashed are specified in docs/format-ledger.md:
 *   hash = SHA-256 ("repoint-event-1" LF prev-hex LF seq LF at_us LF actor LF kind LF body LF)
 * with `prev` of event 1 being 64 zeros, `at_us` decimal, `body` the canonical JSON text.
 *
 * The only way to change a projection is to append an event whose apply function does it, in the
 * same transaction, live as in rebuild; so an apply function takes everything from the event
 * (never the clock, never a random number) and is deterministic.
 */
#pragma once

#include <jansson.h>

#include "base/digest.h"
#include "ledger/db.h"

typedef struct {
  gint64 seq; /* 1, 2, 3 … without a gap: the order of all things */
  gint64 at_us;
  const char *actor; /* no control characters */
  const char *kind;  /* `release.created`: noun.past-participle */
  json_t *body;      /* borrowed */
} RpEvent;

/* One module's tables. `apply` gets every event and ignores kinds that are not its own. */
typedef struct {
  const char *name;
  const char *schema;        /* CREATE TABLE IF NOT EXISTS …; several statements */
  const char *const *tables; /* NULL-ended, in an order in which they can be emptied */
  gboolean (*apply) (RpTxn *txn, const RpEvent *event, GError **error);
} RpProjector;

struct RpAudit;
typedef struct RpLedger RpLedger;

/* Makes the tables where they are missing: those of projections from the events that are there. `projectors` (NULL-ended) must outlive the ledger;
 * `db` is borrowed and must too. */
RpLedger *rp_ledger_open (RpDb *db, const RpProjector *const *projectors, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_ledger_close (RpLedger *ledger);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpLedger, rp_ledger_close)

RpDb *rp_ledger_db (RpLedger *ledger);

/* Inside rp_db_write(): appends, and runs every projector's apply. Does not take over `body`. */
gboolean rp_ledger_append (RpLedger *ledger, RpTxn *txn, const char *actor, const char *kind,
                           json_t *body, gint64 *out_seq, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* {"events":[{"seq","at","at_us","actor","kind","body","prev","hash"}…], "head":{"seq","hash"}}:
 * those after `after`, oldest first, at most `limit` (RP_ERROR_INVALID below 1); kind_prefix may
 * be NULL.  It has all that the hash is made of, so that a reader can prove it. */
json_t *rp_ledger_list (RpLedger *ledger, gint64 after, gint64 limit, const char *kind_prefix,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What a person wrote into an event goes, and its seal stays: see docs/format-ledger.md. Appends
 * RP_EVENT_REDACTED, whose apply functions take the text out of their tables by its `seq`. RP_ERROR_BLOCKED
 * if the event is older than seals, RP_ERROR_CONFLICT if nothing is left to redact, RP_ERROR_NOT_FOUND if
 * there is no such event. */
#define RP_EVENT_REDACTED "event.redacted"
#define RP_EVENT_KEY_ROTATED "key.rotated"
#define RP_LEDGER_REDACTED "(redacted)" /* what stands for such a text */
json_t *rp_ledger_redact (RpLedger *ledger, gint64 seq, const char *actor, const char *because,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct {
  gint64 events;
  gint64 published; /* of them: in the checkpoint that was compared with; -1: there was none */
  gint64 head_seq;
  char head_hash[65];
} RpLedgerReport;

typedef struct {
  gint64 expected_seq;
  const char *expected_hash; /* NULL, or: event `expected_seq` has this hash, so that a cut-off tail or a
                                rewritten chain is found by whoever kept a head */
  struct RpAudit *audit;     /* NULL, or: a published log to compare with (ledger/audit.h) */
  gboolean tables;           /* replay into a scratch file, and compare every projection row by row */
} RpLedgerCheck;

/* Recomputes the whole chain. RP_ERROR_CORRUPT names the first event or row that is wrong and how.
 * Blocking; a reader's snapshot, so writers go on. Memory does not grow with the ledger. */
gboolean rp_ledger_check (RpLedger *ledger, const RpLedgerCheck *check, RpLedgerReport *out,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same with tables, and without a log. */
gboolean rp_ledger_verify (RpLedger *ledger, gint64 expected_seq, const char *expected_hash,
                           RpLedgerReport *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Empties all projections and recreates them from the (verified) chain, in one transaction. */
gboolean rp_ledger_rebuild (RpLedger *ledger, RpLedgerReport *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* `notify` is called after each durable commit that appended, with the highest sequence, on the
 * committing thread and without any lock held; it must be quick. One listener. */
void rp_ledger_set_listener (RpLedger *ledger, void (*notify) (gint64 seq, gpointer user_data),
                             gpointer user_data);
