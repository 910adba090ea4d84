/* Projections as a whole: making, emptying, feeding and comparing their tables.  Private to this
 * room. */
#pragma once

#include "ledger/ledger.h"

typedef const RpProjector *const *RpProjectors; /* NULL-ended */

gboolean rp_projection_create (RpProjectors projectors, RpTxn *txn, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* FALSE in *out_whole: a table is missing, as where an older program wrote the file. */
gboolean rp_projection_is_whole (RpProjectors projectors, RpTxn *txn, gboolean *out_whole,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Drops the tables, the last projector's first, and makes them again, empty. */
gboolean rp_projection_recreate (RpProjectors projectors, RpTxn *txn, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_projection_apply (RpProjectors projectors, RpTxn *txn, const RpEvent *event,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RP_ERROR_CORRUPT names the first row of `live` that differs from `replayed`. */
gboolean rp_projection_compare (RpProjectors projectors, RpTxn *live, RpTxn *replayed,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
