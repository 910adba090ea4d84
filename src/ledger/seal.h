/* Texts that people write into events, and that must be able to go: causes.  The event has a seal
 * in the place of the text, {"sha256": hex of SHA-256 (salt || text)}; salt and text lie beside it
 * in table `event_text`.  So the hash of the event stays what it is when a text is taken away.
 * Private to this room.
 */
#pragma once

#include <jansson.h>

#include "ledger/ledger.h"

extern const char rp_seal_schema[];

/* A copy of `body` with seals, whose texts are kept for event `seq`: the strings `cause` and
 * `because`, of the body and of objects in it. NULL with an error. */
json_t *rp_seal_body (RpTxn *txn, gint64 seq, json_t *body, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

typedef struct {
  guint open;     /* texts that are there */
  guint redacted; /* and that are not */
  guint plain;    /* `cause` or `because` without a seal: from before there were seals */
  json_t *about;  /* {"undo.cause": {"sha256", "salt"?}}, or NULL: nothing is sealed */
} RpSeals;

/* Puts texts in the place of seals in `body`, of event `seq`. RP_ERROR_CORRUPT if a text is not
 * the one that was sealed. `*out` must be empty. */
gboolean rp_seal_open (RpTxn *txn, gint64 seq, json_t *body, RpSeals *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_seals_clear (RpSeals *seals);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpSeals, rp_seals_clear)

/* FALSE: there is certainly no seal in it. Cheap. */
gboolean rp_seal_is_likely (const char *body, gsize size);

/* Puts the seals back, as `about` says: what is hashed. RP_ERROR_CORRUPT if a text is not the sealed one. */
gboolean rp_seal_again (json_t *body, const json_t *about, GError **error) G_GNUC_WARN_UNUSED_RESULT;
