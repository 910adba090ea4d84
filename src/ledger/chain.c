#include "ledger/chain.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "ledger/seal.h"

#define BATCH 500 /* events in memory at a time */

enum { SEQ, AT_US, ACTOR, KIND, BODY, PREV, HASH };

void
rp_chain_hex (const guint8 hash[RP_EVENT_HASH_SIZE], char out[2 * RP_EVENT_HASH_SIZE + 1])
{
  static const char digits[] = "0123456789abcdef";

  for (gsize i = 0; i < RP_EVENT_HASH_SIZE; i++)
    {
      out[2 * i] = digits[hash[i] >> 4];
      out[2 * i + 1] = digits[hash[i] & 15];
    }
  out[2 * RP_EVENT_HASH_SIZE] = '\0';
}

static void
add_line (GByteArray *text, const char *line, gsize size)
{
  g_byte_array_append (text, (const guint8 *) line, (guint) size);
  g_byte_array_append (text, (const guint8 *) "\n", 1);
}

static void
add_number (GByteArray *text, gint64 number)
{
  char line[24];

  g_snprintf (line, sizeof line, "%" G_GINT64_FORMAT, number);
  add_line (text, line, strlen (line));
}

void
rp_chain_hash (const guint8 prev[RP_EVENT_HASH_SIZE], const RpEventText *event,
               guint8 out[RP_EVENT_HASH_SIZE])
{
  static const char format[] = "repoint-event-1";
  g_autoptr (GByteArray) text = g_byte_array_sized_new ((guint) MIN (event->body_size, 1 << 20) + 512);
  char prev_hex[2 * RP_EVENT_HASH_SIZE + 1];
  RpDigest digest;

  rp_chain_hex (prev, prev_hex);
  add_line (text, format, sizeof format - 1);
  add_line (text, prev_hex, 2 * RP_EVENT_HASH_SIZE);
  add_number (text, event->seq);
  add_number (text, event->at_us);
  add_line (text, event->actor, event->actor_size);
  add_line (text, event->kind, event->kind_size);
  add_line (text, event->body, event->body_size);
  digest = rp_digest_of (RP_DIGEST_SHA256, text->data, text->len);
  memcpy (out, digest.bytes, RP_EVENT_HASH_SIZE);
}

/* ---- reading ---- */

static gboolean
read_hash (const RpRows *rows, gsize row, gsize column, guint8 out[RP_EVENT_HASH_SIZE])
{
  gsize size = 0;
  const guint8 *bytes = rp_rows_blob (rows, row, column, &size);

  if (!bytes || size != RP_EVENT_HASH_SIZE)
    return FALSE;
  memcpy (out, bytes, RP_EVENT_HASH_SIZE);
  return TRUE;
}

static gboolean
corrupt (GError **error, gint64 seq, const char *how)
{
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the ledger was changed from outside: event %" G_GINT64_FORMAT
               " %s; compare with a backup, and do not trust what stands from there on",
               seq, how);
  return FALSE;
}

gboolean
rp_chain_head (RpTxn *txn, RpChainHead *out, GError **error)
{
  static const char sql[] = "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "");

  if (!rows)
    return FALSE;
  memset (out, 0, sizeof *out);
  if (rp_rows_count (rows) == 0)
    return TRUE;
  out->seq = rp_rows_int (rows, 0, 0);
  if (!read_hash (rows, 0, 1, out->hash))
    return corrupt (error, out->seq, "has no proper hash");
  return TRUE;
}

/* ---- checking ---- */

typedef struct {
  const RpChainAsk *ask;
  RpTxn *txn;
  RpChainHead head;
  gint64 events;
  GHashTable *lacking; /* gint64: events that lack a text, and none says so far that it was redacted */
} Walk;

static void
read_text (const RpRows *rows, gsize row, RpEventText *out)
{
  out->seq = rp_rows_int (rows, row, SEQ);
  out->at_us = rp_rows_int (rows, row, AT_US);
  out->actor = (const char *) rp_rows_blob (rows, row, ACTOR, &out->actor_size);
  out->kind = (const char *) rp_rows_blob (rows, row, KIND, &out->kind_size);
  out->body = (const char *) rp_rows_blob (rows, row, BODY, &out->body_size);
}

static gboolean
check_expected (const Walk *walk, GError **error)
{
  char hex[2 * RP_EVENT_HASH_SIZE + 1];

  if (!walk->ask->expected_hash || walk->head.seq != walk->ask->expected_seq)
    return TRUE;
  rp_chain_hex (walk->head.hash, hex);
  if (g_ascii_strcasecmp (hex, walk->ask->expected_hash) == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the ledger was rewritten: event %" G_GINT64_FORMAT " has the hash %s, and was "
               "known with the hash %s",
               walk->head.seq, hex, walk->ask->expected_hash);
  return FALSE;
}

static gboolean
check_link (const Walk *walk, const RpEventText *event, const RpRows *rows, gsize row,
            guint8 out_hash[RP_EVENT_HASH_SIZE], GError **error)
{
  guint8 stored_prev[RP_EVENT_HASH_SIZE], stored[RP_EVENT_HASH_SIZE];

  if (event->seq != walk->head.seq + 1)
    return corrupt (error, walk->head.seq + 1, "is missing");
  if (!read_hash (rows, row, PREV, stored_prev) || !read_hash (rows, row, HASH, stored)
      || !event->actor || !event->kind || !event->body)
    return corrupt (error, event->seq, "has a field of the wrong type");
  rp_chain_hash (walk->head.hash, event, out_hash);
  if (memcmp (stored_prev, walk->head.hash, RP_EVENT_HASH_SIZE) != 0)
    return corrupt (error, event->seq, "does not follow the one before it (its `prev` differs)");
  if (memcmp (stored, out_hash, RP_EVENT_HASH_SIZE) != 0)
    return corrupt (error, event->seq, "has not the contents that its hash was made of");
  return TRUE;
}

static gboolean
is_kind (const RpEventText *text, const char *kind)
{
  return text->kind_size == strlen (kind) && memcmp (text->kind, kind, text->kind_size) == 0;
}

/* A text may be gone only if a later event says so. */
static gboolean
open_seals (Walk *walk, gint64 seq, json_t *body, GError **error)
{
  g_auto (RpSeals) seals = { 0 };

  if (!rp_seal_open (walk->txn, seq, body, &seals, error))
    return FALSE;
  if (seals.redacted > 0)
    g_hash_table_add (walk->lacking, g_memdup2 (&seq, sizeof seq));
  return TRUE;
}

/* Most events need none of this, and reading a million bodies takes its time. */
static gboolean
visit_event (Walk *walk, const RpEventText *text, GError **error)
{
  g_autoptr (json_t) body = NULL;
  g_autofree char *actor = NULL, *kind = NULL;
  gboolean sealed = rp_seal_is_likely (text->body, text->body_size);
  gboolean redacts = is_kind (text, RP_EVENT_REDACTED), rotates = is_kind (text, RP_EVENT_KEY_ROTATED);
  gint64 seq;
  RpEvent event;

  if (!walk->ask->visit && !sealed && !redacts && !rotates)
    return TRUE;
  body = rp_json_parse (text->body, text->body_size, "event body", error);
  if (!body || (sealed && !open_seals (walk, text->seq, body, error)))
    return FALSE;
  seq = rp_json_int (body, "seq");
  if (redacts)
    g_hash_table_remove (walk->lacking, &seq);
  if (rotates && walk->ask->audit)
    rp_audit_rotation (walk->ask->audit, body);
  if (!walk->ask->visit)
    return TRUE;
  actor = g_strndup (text->actor, text->actor_size);
  kind = g_strndup (text->kind, text->kind_size);
  event = (RpEvent){ text->seq, text->at_us, actor, kind, body };
  return walk->ask->visit (&event, walk->ask->user_data, error);
}

static gboolean
walk_batch (Walk *walk, const RpRows *rows, GError **error)
{
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    {
      RpEventText text;
      guint8 hash[RP_EVENT_HASH_SIZE];

      read_text (rows, row, &text);
      if (!check_link (walk, &text, rows, row, hash, error))
        return FALSE;
      walk->head.seq = text.seq;
      memcpy (walk->head.hash, hash, RP_EVENT_HASH_SIZE);
      if (!check_expected (walk, error)
          || (walk->ask->audit && !rp_audit_event (walk->ask->audit, text.seq, hash, error)))
        return FALSE;
      if (!visit_event (walk, &text, error))
        {
          g_prefix_error (error, "event %" G_GINT64_FORMAT ": ", text.seq);
          return FALSE;
        }
      walk->events++;
    }
  return TRUE;
}

static gboolean
check_texts (const Walk *walk, GError **error)
{
  GHashTableIter iter;
  gpointer key;
  gint64 first = G_MAXINT64;

  if (g_hash_table_size (walk->lacking) == 0)
    return TRUE;
  g_hash_table_iter_init (&iter, walk->lacking);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    first = MIN (first, *(const gint64 *) key);
  return corrupt (error, first, "lacks a text, and no event says that it was redacted");
}

static gboolean
check_end (const Walk *walk, GError **error)
{
  if (!check_texts (walk, error) || (walk->ask->audit && !rp_audit_end (walk->ask->audit, error)))
    return FALSE;
  if (!walk->ask->expected_hash || walk->head.seq >= walk->ask->expected_seq)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the end of the ledger is missing: it ends with event %" G_GINT64_FORMAT
               ", and event %" G_GINT64_FORMAT " was known with the hash %s",
               walk->head.seq, walk->ask->expected_seq, walk->ask->expected_hash);
  return FALSE;
}

/* Nothing can stand before event 1; a row there would otherwise never be read. */
static gboolean
check_beginning (RpTxn *txn, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT seq FROM event WHERE seq < 1 LIMIT 1", "");

  if (!rows)
    return FALSE;
  if (rp_rows_count (rows) > 0)
    return corrupt (error, rp_rows_int (rows, 0, 0), "stands before the first");
  return TRUE;
}

static gboolean
walk_all (Walk *walk, GError **error)
{
  static const char sql[] = "SELECT seq, at_us, actor, kind, body, prev, hash FROM event "
                            "WHERE seq > $1 ORDER BY seq LIMIT $2";
  gsize count;

  if (!check_beginning (walk->txn, error) || !check_expected (walk, error))
    return FALSE;
  do
    {
      g_autoptr (RpRows) rows
          = rp_txn_query (walk->txn, error, sql, "ii", walk->head.seq, (gint64) BATCH);

      if (!rows || !walk_batch (walk, rows, error))
        return FALSE;
      count = rp_rows_count (rows);
    }
  while (count == BATCH);
  return check_end (walk, error);
}

gboolean
rp_chain_walk (RpTxn *txn, const RpChainAsk *ask, RpLedgerReport *out, GError **error)
{
  g_autoptr (GHashTable) lacking
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  Walk walk = { .ask = ask, .txn = txn, .lacking = lacking };

  if (!walk_all (&walk, error))
    return FALSE;
  out->events = walk.events;
  out->published = ask->audit ? rp_audit_checkpoint (ask->audit)->size : -1;
  out->head_seq = walk.head.seq;
  rp_chain_hex (walk.head.hash, out->head_hash);
  return TRUE;
}
