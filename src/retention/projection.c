#include "base/json.h"
#include "retention/retention.h"

/* `pulled` is no projection: it holds observations, which no event tells, and is not in the list below. */
static const char schema[]
    = "CREATE TABLE IF NOT EXISTS retention_hold ("
      " id BIGINT PRIMARY KEY, digest TEXT, app TEXT, release BIGINT NOT NULL,"
      " because TEXT NOT NULL, actor TEXT NOT NULL, at_us BIGINT NOT NULL, until_us BIGINT NOT NULL,"
      " seq BIGINT NOT NULL, ended_at_us BIGINT NOT NULL, ended_by TEXT, ended_because TEXT,"
      " ended_seq BIGINT NOT NULL);"
      "CREATE TABLE IF NOT EXISTS lifecycle ("
      " pattern TEXT PRIMARY KEY, content TEXT NOT NULL, seq BIGINT NOT NULL, at_us BIGINT NOT NULL,"
      " actor TEXT NOT NULL);"
      "CREATE TABLE IF NOT EXISTS pulled ("
      " repository TEXT NOT NULL, digest TEXT NOT NULL, at_us BIGINT NOT NULL,"
      " PRIMARY KEY (repository, digest));";

static const char *const tables[] = { "retention_hold", "lifecycle", NULL };

static gboolean
hold_placed (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO retention_hold VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0,"
                      " NULL, NULL, 0)",
                      "ississiii", rp_json_int (event->body, "id"),
                      rp_json_str (event->body, "digest"), rp_json_str (event->body, "app"),
                      rp_json_int (event->body, "release"), rp_json_str (event->body, "because"),
                      event->actor, event->at_us, rp_json_int (event->body, "until_us"), event->seq);
}

static gboolean
hold_ended (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "UPDATE retention_hold SET ended_at_us = $1, ended_by = $2,"
                      " ended_because = $3, ended_seq = $4 WHERE id = $5",
                      "issii", event->at_us, event->actor, rp_json_str (event->body, "because"),
                      event->seq, rp_json_int (event->body, "id"));
}

static gboolean
event_redacted (RpTxn *txn, const RpEvent *event, GError **error)
{
  gint64 seq = rp_json_int (event->body, "seq");

  return rp_txn_exec (txn, error, NULL, "UPDATE retention_hold SET because = $1 WHERE seq = $2", "si",
                      RP_LEDGER_REDACTED, seq)
         && rp_txn_exec (txn, error, NULL,
                         "UPDATE retention_hold SET ended_because = $1 WHERE ended_seq = $2"
                         " AND ended_because IS NOT NULL",
                         "si", RP_LEDGER_REDACTED, seq);
}

static gboolean
lifecycle_set (RpTxn *txn, const RpEvent *event, GError **error)
{
  g_autofree char *content = rp_json_canonical (json_object_get (event->body, "policy"));

  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO lifecycle VALUES ($1, $2, $3, $4, $5) ON CONFLICT (pattern)"
                      " DO UPDATE SET content = $2, seq = $3, at_us = $4, actor = $5",
                      "ssiis", rp_json_str (event->body, "pattern"), content, event->seq,
                      event->at_us, event->actor);
}

static gboolean
lifecycle_dropped (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "DELETE FROM lifecycle WHERE pattern = $1", "s",
                      rp_json_str (event->body, "pattern"));
}

static const struct {
  const char *kind;
  gboolean (*apply) (RpTxn *txn, const RpEvent *event, GError **error);
} kinds[] = {
  { "hold.placed", hold_placed },
  { "hold.ended", hold_ended },
  { RP_EVENT_REDACTED, event_redacted },
  { "lifecycle.set", lifecycle_set },
  { "lifecycle.dropped", lifecycle_dropped },
};

static gboolean
apply (RpTxn *txn, const RpEvent *event, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_equal (event->kind, kinds[i].kind))
      return kinds[i].apply (txn, event, error);
  return TRUE;
}

const RpProjector rp_retention_projector
    = { .name = "retention", .schema = schema, .tables = tables, .apply = apply };
