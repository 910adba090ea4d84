#include "ledger/ledger.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "ledger/chain.h"
#include "ledger/projection.h"
#include "ledger/seal.h"

#define ACTOR_MAX 256 /* bytes */
#define KIND_MAX  64

/* The triggers are a seat belt against our own mistakes; against others there are the hashes. */
static const char schema[]
    = "CREATE TABLE IF NOT EXISTS event ("
      "  seq INTEGER PRIMARY KEY,"
      "  at_us INTEGER NOT NULL,"
      "  actor TEXT NOT NULL,"
      "  kind TEXT NOT NULL,"
      "  body TEXT NOT NULL,"
      "  prev BLOB NOT NULL,"
      "  hash BLOB NOT NULL);"
      "CREATE TRIGGER IF NOT EXISTS event_next BEFORE INSERT ON event"
      "  WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM event)"
      "  BEGIN SELECT RAISE(ABORT, 'events are appended one after the other'); END;"
      "CREATE TRIGGER IF NOT EXISTS event_no_update BEFORE UPDATE ON event"
      "  BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;"
      "CREATE TRIGGER IF NOT EXISTS event_no_delete BEFORE DELETE ON event"
      "  BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;";

typedef void (*Notify) (gint64 seq, gpointer user_data);

struct RpLedger
{
  RpDb *db;
  RpProjectors projectors;
  GMutex lock; /* of the listener */
  Notify notify;
  gpointer notify_data;
};

/* ---- replaying ---- */

typedef struct {
  RpLedger *ledger;
  const RpLedgerCheck *check;
  RpLedgerReport report;
  RpTxn *live;
  RpTxn *scratch; /* the transaction that events are replayed into */
} Proof;

static gboolean
replay_event (const RpEvent *event, gpointer user_data, GError **error)
{
  Proof *proof = user_data;

  return rp_projection_apply (proof->ledger->projectors, proof->scratch, event, error);
}

static gboolean
rebuild (RpTxn *txn, gpointer user_data, GError **error)
{
  Proof *proof = user_data;
  const RpChainAsk ask = { .visit = replay_event, .user_data = proof };

  proof->scratch = txn;
  return rp_projection_recreate (proof->ledger->projectors, txn, error)
         && rp_chain_walk (txn, &ask, &proof->report, error);
}

/* ---- opening ---- */

/* A table that is new to a file that has events is not empty: it is made from them. */
static gboolean
create_tables (RpTxn *txn, gpointer user_data, GError **error)
{
  RpLedger *ledger = user_data;
  Proof proof = { .ledger = ledger };
  gboolean whole = TRUE;
  g_autoptr (RpRows) first = NULL;

  if (!rp_txn_script (txn, schema, error) || !rp_txn_script (txn, rp_seal_schema, error)
      || !(first = rp_txn_query (txn, error, "SELECT seq FROM event LIMIT 1", ""))
      || !rp_projection_is_whole (ledger->projectors, txn, &whole, error))
    return FALSE;
  return rp_rows_count (first) == 0 || whole
             ? rp_projection_create (ledger->projectors, txn, error)
             : rebuild (txn, &proof, error);
}

RpLedger *
rp_ledger_open (RpDb *db, const RpProjector *const *projectors, GError **error)
{
  g_autoptr (RpLedger) ledger = g_new0 (RpLedger, 1);

  ledger->db = db;
  ledger->projectors = projectors;
  g_mutex_init (&ledger->lock);
  if (!rp_db_write (db, create_tables, ledger, error))
    return NULL;
  return g_steal_pointer (&ledger);
}

void
rp_ledger_close (RpLedger *ledger)
{
  if (!ledger)
    return;
  g_mutex_clear (&ledger->lock);
  g_free (ledger);
}

RpDb *
rp_ledger_db (RpLedger *ledger)
{
  return ledger->db;
}

/* ---- listening ---- */

void
rp_ledger_set_listener (RpLedger *ledger, Notify notify, gpointer user_data)
{
  g_mutex_lock (&ledger->lock);
  ledger->notify = notify;
  ledger->notify_data = user_data;
  g_mutex_unlock (&ledger->lock);
}

static void
after_commit (gint64 seq, gpointer user_data)
{
  RpLedger *ledger = user_data;
  Notify notify;
  gpointer notify_data;

  g_mutex_lock (&ledger->lock);
  notify = ledger->notify;
  notify_data = ledger->notify_data;
  g_mutex_unlock (&ledger->lock);
  if (notify)
    notify (seq, notify_data);
}

/* ---- appending ---- */

/* The hash separates its fields by line feeds, so that none may have one. */
static gboolean
is_plain_line (const char *text, gsize max)
{
  gsize size = text ? strlen (text) : 0;

  if (size == 0 || size > max || !g_utf8_validate (text, (gssize) size, NULL))
    return FALSE;
  for (const char *p = text; *p; p++)
    if (g_ascii_iscntrl (*p))
      return FALSE;
  return TRUE;
}

static gboolean
check_fields (const char *actor, const char *kind, json_t *body, GError **error)
{
  if (!is_plain_line (actor, ACTOR_MAX))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "the actor must be a name of 1 to %d bytes of UTF-8 without control "
                   "characters, such as user@host",
                   ACTOR_MAX);
      return FALSE;
    }
  if (!is_plain_line (kind, KIND_MAX) || !json_is_object (body))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_FAILED,
                   "an event needs a kind and an object as its body: a defect of this program");
      return FALSE;
    }
  return TRUE;
}

/* What is kept and hashed has seals in the place of what people wrote. */
static gboolean
insert_event (RpTxn *txn, const RpChainHead *head, const RpEvent *event, GError **error)
{
  static const char sql[] = "INSERT INTO event (seq, at_us, actor, kind, body, prev, hash) "
                            "VALUES ($1, $2, $3, $4, $5, $6, $7)";
  g_autoptr (json_t) sealed = rp_seal_body (txn, event->seq, event->body, error);
  g_autofree char *body = sealed ? rp_json_canonical (sealed) : NULL;
  RpEventText text = { event->seq,  event->at_us,         event->actor, strlen (event->actor),
                       event->kind, strlen (event->kind), body,         body ? strlen (body) : 0 };
  guint8 hash[RP_EVENT_HASH_SIZE];

  if (!body)
    return FALSE;
  rp_chain_hash (head->hash, &text, hash);
  return rp_txn_exec (txn, error, NULL, sql, "iisssbb", event->seq, event->at_us, event->actor,
                      event->kind, body, head->hash, sizeof head->hash, hash, sizeof hash);
}

/* The head is read each time (one step down the right edge of the tree): a copy in memory would
 * have to be undone with every savepoint. */
gboolean
rp_ledger_append (RpLedger *ledger, RpTxn *txn, const char *actor, const char *kind, json_t *body,
                  gint64 *out_seq, GError **error)
{
  RpEvent event = { .at_us = rp_clock_now_us (), .actor = actor, .kind = kind, .body = body };
  RpChainHead head;

  if (!check_fields (actor, kind, body, error) || !rp_chain_head (txn, &head, error))
    return FALSE;
  event.seq = head.seq + 1;
  if (!insert_event (txn, &head, &event, error)
      || !rp_projection_apply (ledger->projectors, txn, &event, error))
    return FALSE;
  rp_txn_after_commit (txn, after_commit, ledger, event.seq);
  if (out_seq)
    *out_seq = event.seq;
  return TRUE;
}

/* ---- listing ---- */

typedef struct {
  gint64 after;
  gint64 limit;
  const char *kind_prefix;
  json_t *result;
} ListJob;

static void
set_hash (json_t *object, const char *key, const RpRows *rows, gsize row, gsize column)
{
  gsize size = 0;
  const guint8 *bytes = rp_rows_blob (rows, row, column, &size);
  char hex[2 * RP_EVENT_HASH_SIZE + 1] = "";

  if (size == RP_EVENT_HASH_SIZE)
    rp_chain_hex (bytes, hex);
  json_object_set_new (object, key, json_string (hex));
}

static json_t *
event_to_json (RpTxn *txn, const RpRows *rows, gsize row, GError **error)
{
  g_autoptr (json_t) object = json_object ();
  g_autofree char *at = rp_clock_format (rp_rows_int (rows, row, 1));
  g_auto (RpSeals) seals = { 0 };
  gsize size = 0;
  const guint8 *text = rp_rows_blob (rows, row, 4, &size);
  g_autoptr (json_t) body = rp_json_parse (text, size, "event body", error);

  if (!body || !rp_seal_open (txn, rp_rows_int (rows, row, 0), body, &seals, error))
    {
      g_prefix_error (error, "event %" G_GINT64_FORMAT ": ", rp_rows_int (rows, row, 0));
      return NULL;
    }
  json_object_set_new (object, "seq", json_integer (rp_rows_int (rows, row, 0)));
  json_object_set_new (object, "at", json_string (at));
  json_object_set_new (object, "at_us", json_integer (rp_rows_int (rows, row, 1)));
  json_object_set_new (object, "actor", json_string (rp_rows_text (rows, row, 2)));
  json_object_set_new (object, "kind", json_string (rp_rows_text (rows, row, 3)));
  json_object_set (object, "body", body);
  if (seals.about)
    json_object_set (object, "sealed", seals.about);
  set_hash (object, "prev", rows, row, 5);
  set_hash (object, "hash", rows, row, 6);
  return g_steal_pointer (&object);
}

static json_t *
head_to_json (RpTxn *txn, GError **error)
{
  char hex[2 * RP_EVENT_HASH_SIZE + 1];
  RpChainHead head;
  json_t *object;

  if (!rp_chain_head (txn, &head, error))
    return NULL;
  rp_chain_hex (head.hash, hex);
  object = json_object ();
  json_object_set_new (object, "seq", json_integer (head.seq));
  json_object_set_new (object, "hash", json_string (hex));
  return object;
}

static gboolean
list_events (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[] = "SELECT seq, at_us, actor, kind, body, prev, hash FROM event "
                            "WHERE seq > $1 AND substr(kind, 1, length($3)) = $3 "
                            "ORDER BY seq LIMIT $2";
  ListJob *job = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "iis", job->after, job->limit,
                                          job->kind_prefix ? job->kind_prefix : "");
  g_autoptr (json_t) head = rows ? head_to_json (txn, error) : NULL;
  g_autoptr (json_t) events = json_array ();

  if (!head)
    return FALSE;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    {
      json_t *event = event_to_json (txn, rows, row, error);

      if (!event)
        return FALSE;
      json_array_append_new (events, event);
    }
  job->result = json_object ();
  json_object_set (job->result, "events", events);
  json_object_set (job->result, "head", head);
  return TRUE;
}

json_t *
rp_ledger_list (RpLedger *ledger, gint64 after, gint64 limit, const char *kind_prefix,
                GError **error)
{
  ListJob job = { after, limit, kind_prefix, NULL };

  if (limit < 1)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "limit: expected a number from 1 on, found %" G_GINT64_FORMAT, limit);
      return NULL;
    }
  if (!rp_db_read (ledger->db, list_events, &job, error))
    return NULL;
  return job.result;
}

/* ---- proving ---- */

static gboolean
replay_and_compare (RpTxn *scratch, gpointer user_data, GError **error)
{
  Proof *proof = user_data;
  RpProjectors projectors = proof->ledger->projectors;
  const RpChainAsk ask = { proof->check->expected_seq, proof->check->expected_hash,
                           proof->check->audit, replay_event, proof };

  proof->scratch = scratch;
  return rp_projection_create (projectors, scratch, error)
         && rp_chain_walk (proof->live, &ask, &proof->report, error)
         && rp_projection_compare (projectors, proof->live, scratch, error);
}

/* The scratch database is a file without a name, which goes with its connection. */
static gboolean
check_snapshot (RpTxn *txn, gpointer user_data, GError **error)
{
  Proof *proof = user_data;
  const RpChainAsk ask = { proof->check->expected_seq, proof->check->expected_hash,
                           proof->check->audit, NULL, NULL };
  g_autoptr (RpDb) scratch = NULL;

  proof->live = txn;
  if (!proof->check->tables)
    return rp_chain_walk (txn, &ask, &proof->report, error);
  scratch = rp_db_open ("", error);
  return scratch && rp_db_write (scratch, replay_and_compare, proof, error);
}

gboolean
rp_ledger_check (RpLedger *ledger, const RpLedgerCheck *check, RpLedgerReport *out, GError **error)
{
  Proof proof = { .ledger = ledger, .check = check };

  if (!rp_db_read (ledger->db, check_snapshot, &proof, error))
    return FALSE;
  *out = proof.report;
  return TRUE;
}

gboolean
rp_ledger_verify (RpLedger *ledger, gint64 expected_seq, const char *expected_hash,
                  RpLedgerReport *out, GError **error)
{
  const RpLedgerCheck check = { expected_seq, expected_hash, NULL, TRUE };

  return rp_ledger_check (ledger, &check, out, error);
}

gboolean
rp_ledger_rebuild (RpLedger *ledger, RpLedgerReport *out, GError **error)
{
  Proof proof = { .ledger = ledger };

  if (!rp_db_write (ledger->db, rebuild, &proof, error))
    return FALSE;
  *out = proof.report;
  return TRUE;
}
