#include "ledger/chain.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"

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
hash_line (RpHasher *hasher, const char *text, gsize size)
{
  rp_hasher_update (hasher, text, size);
  rp_hasher_update (hasher, "\n", 1);
}

static void
hash_number (RpHasher *hasher, gint64 number)
{
  char text[24];

  g_snprintf (text, sizeof text, "%" G_GINT64_FORMAT, number);
  hash_line (hasher, text, strlen (text));
}

void
rp_chain_hash (const guint8 prev[RP_EVENT_HASH_SIZE], const RpEventText *event,
               guint8 out[RP_EVENT_HASH_SIZE])
{
  static const char format[] = "repoint-event-1";
  g_autoptr (RpHasher) hasher = rp_hasher_new (RP_DIGEST_SHA256);
  char prev_hex[2 * RP_EVENT_HASH_SIZE + 1];
  RpDigest digest;

  rp_chain_hex (prev, prev_hex);
  hash_line (hasher, format, sizeof format - 1);
  hash_line (hasher, prev_hex, 2 * RP_EVENT_HASH_SIZE);
  hash_number (hasher, event->seq);
  hash_number (hasher, event->at_us);
  hash_line (hasher, event->actor, event->actor_size);
  hash_line (hasher, event->kind, event->kind_size);
  hash_line (hasher, event->body, event->body_size);
  digest = rp_hasher_peek (hasher);
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
  RpChainHead head;
  gint64 expected_seq;
  const char *expected_hash;
  RpChainVisit visit;
  gpointer user_data;
  gint64 events;
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

  if (!walk->expected_hash || walk->head.seq != walk->expected_seq)
    return TRUE;
  rp_chain_hex (walk->head.hash, hex);
  if (g_ascii_strcasecmp (hex, walk->expected_hash) == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the ledger was rewritten: event %" G_GINT64_FORMAT " has the hash %s, and was "
               "known with the hash %s",
               walk->head.seq, hex, walk->expected_hash);
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
visit_event (Walk *walk, const RpEventText *text, GError **error)
{
  g_autoptr (json_t) body = NULL;
  g_autofree char *actor = g_strndup (text->actor, text->actor_size);
  g_autofree char *kind = g_strndup (text->kind, text->kind_size);
  RpEvent event = { text->seq, text->at_us, actor, kind, NULL };

  if (!walk->visit)
    return TRUE;
  body = rp_json_parse (text->body, text->body_size, "event body", error);
  if (!body)
    return FALSE;
  event.body = body;
  return walk->visit (&event, walk->user_data, error);
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
      if (!check_expected (walk, error))
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
check_end (const Walk *walk, GError **error)
{
  if (!walk->expected_hash || walk->head.seq >= walk->expected_seq)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the end of the ledger is missing: it ends with event %" G_GINT64_FORMAT
               ", and event %" G_GINT64_FORMAT " was known with the hash %s",
               walk->head.seq, walk->expected_seq, walk->expected_hash);
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

gboolean
rp_chain_walk (RpTxn *txn, gint64 expected_seq, const char *expected_hash, RpChainVisit visit,
               gpointer user_data, RpLedgerReport *out, GError **error)
{
  static const char sql[] = "SELECT seq, at_us, actor, kind, body, prev, hash FROM event "
                            "WHERE seq > $1 ORDER BY seq LIMIT $2";
  Walk walk = { .expected_seq = expected_seq, .expected_hash = expected_hash, .visit = visit,
                .user_data = user_data };
  gsize count;

  if (!check_beginning (txn, error) || !check_expected (&walk, error))
    return FALSE;
  do
    {
      g_autoptr (RpRows) rows
          = rp_txn_query (txn, error, sql, "ii", walk.head.seq, (gint64) BATCH);

      if (!rows || !walk_batch (&walk, rows, error))
        return FALSE;
      count = rp_rows_count (rows);
    }
  while (count == BATCH);
  if (!check_end (&walk, error))
    return FALSE;
  out->events = walk.events;
  out->head_seq = walk.head.seq;
  rp_chain_hex (walk.head.hash, out->head_hash);
  return TRUE;
}
