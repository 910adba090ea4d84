/* The chain of events as it lies in table `event`: its hash, reading it and checking it.  The
 * format is specified in docs/format-ledger.md.  Private to this room.
 */
#pragma once

#include "ledger/ledger.h"

#define RP_EVENT_HASH_SIZE 32 /* SHA-256 */

typedef struct {
  gint64 seq; /* 0: there is no event */
  guint8 hash[RP_EVENT_HASH_SIZE];
} RpChainHead;

/* What is hashed, as stored: bytes, not yet believed. */
typedef struct {
  gint64 seq;
  gint64 at_us;
  const char *actor;
  gsize actor_size;
  const char *kind;
  gsize kind_size;
  const char *body;
  gsize body_size;
} RpEventText;

void rp_chain_hash (const guint8 prev[RP_EVENT_HASH_SIZE], const RpEventText *event,
                    guint8 out[RP_EVENT_HASH_SIZE]);
void rp_chain_hex (const guint8 hash[RP_EVENT_HASH_SIZE], char out[2 * RP_EVENT_HASH_SIZE + 1]);

gboolean rp_chain_head (RpTxn *txn, RpChainHead *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reads all events in order and checks each against its hash and the one before; `visit` (may be
 * NULL) gets those that are right.  RP_ERROR_CORRUPT names the first that is not, and how.  If
 * `expected_hash` is not NULL, the event `expected_seq` must have that hash. */
typedef gboolean (*RpChainVisit) (const RpEvent *event, gpointer user_data, GError **error);
gboolean rp_chain_walk (RpTxn *txn, gint64 expected_seq, const char *expected_hash,
                        RpChainVisit visit, gpointer user_data, RpLedgerReport *out,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
