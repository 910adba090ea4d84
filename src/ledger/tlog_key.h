/* The private key of a ledger, in DATA/keys: made once, and handed over by an event.  Private to this
 * room. */
#pragma once

#include "ledger/ledger.h"
#include "ledger/note.h"

/* Makes one if there is none and `may_make`. Ends a rotation that was cut off. */
RpNoteSigner *rp_tlog_key_open (RpLedger *ledger, const char *data_dir, gboolean may_make,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The new one. Appends RP_EVENT_KEY_ROTATED, signed by `old`. */
RpNoteSigner *rp_tlog_key_rotate (RpLedger *ledger, const char *data_dir, const RpNoteSigner *old,
                                  const char *actor, const char *because, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
