/* The roots of what is held, as the database tells them in one snapshot. */
#pragma once

#include "ledger/db.h"
#include "base/json.h"

typedef struct {
  char *repository; /* where it lies; NULL: in none, as far as is known */
  char *digest;
  char *text;     /* completes "it is kept for …" */
  json_t *reason; /* {"kind", …} */
} RpRoot;
void rp_root_free (gpointer root);

typedef struct {
  char *repository;
  char *digest;
  char *subject;
} RpReferrer;

/* Moves whenever roots may have changed. Cheap. */
gboolean rp_roots_mark (RpTxn *txn, gint64 *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RpRoot. */
GPtrArray *rp_roots_load (RpTxn *txn, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RpReferrer: all there are, by the member `subject` and by the tags of signers. */
GPtrArray *rp_referrers_load (RpTxn *txn, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Held for what holds its subject. */
RpRoot *rp_root_of_referrer (const RpReferrer *referrer, const RpRoot *subject);
