/* The chain of events as it lies in table `event`: its hash, reading it and checking it.  The
 * format is specified in docs/format-ledger.md.  Private to this room.
 */
#pragma once

#include "ledger/audit.h"
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

/* What a walk is to do beside checking each event against its hash and the one before. */
typedef gboolean (*RpChainVisit) (const RpEvent *event, gpointer user_data, GError **error);
typedef struct {
  gint64 expected_seq; /* this event must have `expected_hash`, unless that is NULL */
  const char *expected_hash;
  RpAudit *audit;     /* or NULL */
  RpChainVisit visit; /* gets those that are right; or NULL */
  gpointer user_data;
} RpChainAsk;

/* Reads all events in order.  RP_ERROR_CORRUPT names the first that is not right, and how. */
gboolean rp_chain_walk (RpTxn *txn, const RpChainAsk *ask, RpLedgerReport *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
