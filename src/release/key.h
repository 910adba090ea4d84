/* Idempotency keys: a request that is repeated with its key gets the first answer, not a second
 * effect. */
#pragma once

#include <jansson.h>

#include "ledger/db.h"

#define RP_KEY_MAX 128

/* *out_number: what the key made before, 0 if nothing (or `key` is NULL). RP_ERROR_CONFLICT if it
 * was used for a request of other content. */
gboolean rp_key_find (RpTxn *txn, const char *scope, const char *key, const char *content,
                      gint64 *out_number, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* What an event records; NULL without a key. */
json_t *rp_key_to_json (const char *scope, const char *key, const char *content);
