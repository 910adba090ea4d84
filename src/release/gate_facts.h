/* What gates are judged by, read in the transaction that decides. */
#pragma once

#include "release/gate.h"

/* Of a deploy or a promote of `release` to `environment`, both borrowed, at `now_us`. */
gboolean rp_gate_facts_load (RpTxn *txn, const RpEnvironment *environment, const RpRelease *release,
                             gint64 now_us, RpGateFacts *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_gate_facts_clear (RpGateFacts *facts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpGateFacts, rp_gate_facts_clear)
