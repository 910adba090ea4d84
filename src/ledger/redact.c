#include "base/error.h"
#include "base/json.h"
#include "ledger/seal.h"

typedef struct {
  RpLedger *ledger;
  gint64 seq;
  const char *actor;
  const char *because;
  json_t *told;
} Job;

static gboolean
refuse (const RpSeals *seals, const Job *job, GError **error)
{
  if (seals->plain > 0)
    g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
                 "event %" G_GINT64_FORMAT " was recorded by an older version, whose hash is made of the text "
                 "itself: without it nothing could be proved any more, so it stays",
                 job->seq);
  else if (seals->redacted > 0)
    g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT, "event %" G_GINT64_FORMAT " is redacted already", job->seq);
  else
    g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT,
                 "event %" G_GINT64_FORMAT " has no cause: there is nothing in it that could be redacted", job->seq);
  return FALSE;
}

/* Where the tables have it: what apply functions need to find their rows. */
static json_t *
describe (const Job *job, const RpRows *rows, const json_t *body, const RpSeals *seals)
{
  json_t *told = json_pack ("{s:I, s:s, s:I, s:s}", "seq", (json_int_t) job->seq, "kind",
                            rp_rows_text (rows, 0, 0), "at_us", (json_int_t) rp_rows_int (rows, 0, 1),
                            "because", job->because);
  json_t *fields = json_array ();
  const char *field;
  json_t *seal;

  json_object_foreach ((json_t *) seals->about, field, seal)
    if (json_object_get (seal, "salt"))
      json_array_append_new (fields, json_string (field));
  json_object_set_new (told, "fields", fields);
  if (json_object_get (body, "app"))
    json_object_set (told, "app", json_object_get (body, "app"));
  if (json_object_get (body, "environment"))
    json_object_set (told, "environment", json_object_get (body, "environment"));
  return told;
}

static gboolean
redact (RpTxn *txn, gpointer user_data, GError **error)
{
  Job *job = user_data;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT kind, at_us, body FROM event WHERE seq = $1", "i", job->seq);
  g_autoptr (json_t) body = NULL;
  g_auto (RpSeals) seals = { 0 };
  gsize size = 0;
  const guint8 *text;

  if (!rows)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "there is no event %" G_GINT64_FORMAT, job->seq);
      return FALSE;
    }
  text = rp_rows_blob (rows, 0, 2, &size);
  body = rp_json_parse (text, size, "event body", error);
  if (!body || !rp_seal_open (txn, job->seq, body, &seals, error))
    return FALSE;
  if (seals.open == 0)
    return refuse (&seals, job, error);
  job->told = describe (job, rows, body, &seals);
  return rp_txn_exec (txn, error, NULL, "DELETE FROM event_text WHERE seq = $1", "i", job->seq)
         && rp_ledger_append (job->ledger, txn, job->actor, RP_EVENT_REDACTED, job->told, NULL, error);
}

json_t *
rp_ledger_redact (RpLedger *ledger, gint64 seq, const char *actor, const char *because, GError **error)
{
  Job job = { ledger, seq, actor, because, NULL };

  if (rp_db_write (rp_ledger_db (ledger), redact, &job, error))
    return job.told;
  g_clear_pointer (&job.told, json_decref);
  return NULL;
}
