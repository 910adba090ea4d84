/* How long going back takes, by what was measured: from moving the pointer until all targets were healthy. */
#pragma once

#include "ledger/db.h"
#include "base/json.h"

typedef struct
{
  gint64 median_ms;
  gint64 moves; /* that were measured; 0: it would be the first time, and median_ms says nothing */
} RpReturnTime;

/* Of the last moves in the environment that ended well: those back, or all if nobody ever went back. */
gboolean rp_return_time_load (RpTxn *txn, const char *app, const char *environment, RpReturnTime *out,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* {"median_ms", "moves"}, or null. */
json_t *rp_return_time_to_json (const RpReturnTime *time);
