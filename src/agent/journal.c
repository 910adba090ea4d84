#include "agent/journal.h"

#include <string.h>

#include "agent/reserve.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "ledger/db.h"

struct RpJournal {
  RpDb *db;
  char *state_dir;
};

static const char *const schema
    = "CREATE TABLE IF NOT EXISTS target ("
      "  name TEXT PRIMARY KEY, state TEXT NOT NULL);"
      "CREATE TABLE IF NOT EXISTS known ("
      "  target TEXT NOT NULL, digest TEXT NOT NULL, outcome TEXT NOT NULL,"
      "  revision INTEGER NOT NULL, at_us INTEGER NOT NULL, PRIMARY KEY (target, digest));"
      "CREATE TABLE IF NOT EXISTS ready ("
      "  target TEXT NOT NULL, digest TEXT NOT NULL, verified_us INTEGER NOT NULL,"
      "  PRIMARY KEY (target, digest));"
      "CREATE TABLE IF NOT EXISTS outbox ("
      "  n INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, body TEXT NOT NULL,"
      "  refused TEXT);";

static const char *const outcomes[] = {
  [RP_LEARN_CONFIRMED] = "confirmed",
  [RP_LEARN_FAILED] = "failed",
  [RP_LEARN_UNDONE] = "undone",
};

/* ---- transactions ---- */

static gboolean
write_or_give_way (RpJournal *journal, RpTxnFunc func, gpointer data, GError **error)
{
  g_autoptr (GError) first = NULL;

  if (rp_db_write (journal->db, func, data, &first))
    return TRUE;
  if (!rp_reserve_release (journal->state_dir)
      && !g_error_matches (first, RP_ERROR, RP_ERROR_NO_SPACE))
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&first), "cannot write the journal: ");
      return FALSE;
    }
  if (rp_db_write (journal->db, func, data, error))
    return TRUE;
  g_prefix_error (error, "cannot write the journal, even without the reserve: ");
  return FALSE;
}

static gboolean
make_schema (RpTxn *txn, gpointer data, GError **error)
{
  g_autoptr (RpRows) rows = NULL;

  if (!rp_txn_script (txn, schema, error))
    return FALSE;
  rows = rp_txn_query (txn, error, "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'", "");
  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) > 0)
    return TRUE;
  /* The server takes each number of an agent once: a new journal must not begin at 1 again. */
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', $1)", "i",
                      rp_clock_now_us () / 1000);
}

static gboolean
has_schema (RpTxn *txn, gpointer data, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT (SELECT count(*) FROM target) + (SELECT count(*) FROM known)"
      " + (SELECT count(*) FROM ready) + (SELECT count(*) FROM outbox),"
      " (SELECT seq FROM sqlite_sequence WHERE name = 'outbox')",
      "");

  *(gboolean *) data = rows != NULL && !rp_rows_is_null (rows, 0, 1);
  return rows != NULL;
}

/* A journal that exists is not written at opening, so that a full disk does not stop an undo here. */
static gboolean
ensure_schema (RpJournal *journal, GError **error)
{
  g_autoptr (GError) absent = NULL;
  gboolean complete = FALSE;

  if (rp_db_read (journal->db, has_schema, &complete, &absent) && complete)
    return TRUE;
  return write_or_give_way (journal, make_schema, NULL, error);
}

RpJournal *
rp_journal_open (const char *state_dir, GError **error)
{
  g_autoptr (RpJournal) journal = g_new0 (RpJournal, 1);
  g_autofree char *path = g_build_filename (state_dir, "journal.db", NULL);
  g_autoptr (GError) first = NULL;

  journal->state_dir = g_strdup (state_dir);
  if (!rp_dir_make (state_dir, 0700, error))
    return NULL;
  rp_reserve_release_if_full (state_dir);
  journal->db = rp_db_open (path, &first);
  if (journal->db == NULL && rp_reserve_release (state_dir))
    {
      g_clear_error (&first);
      journal->db = rp_db_open (path, &first);
    }
  if (journal->db == NULL)
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&first), "cannot open the journal: ");
      return NULL;
    }
  if (!ensure_schema (journal, error))
    return NULL;
  return g_steal_pointer (&journal);
}

void
rp_journal_close (RpJournal *journal)
{
  if (journal == NULL)
    return;
  rp_db_close (journal->db);
  g_free (journal->state_dir);
  g_free (journal);
}

/* ---- state ---- */

typedef struct {
  const char *target;
  RpTargetState *state;
} Load;

static gboolean
load_state (RpTxn *txn, gpointer data, GError **error)
{
  Load *load = data;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT state FROM target WHERE name = $1", "s", load->target);
  g_autoptr (json_t) document = NULL;
  const char *text;

  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    {
      load->state = rp_target_state_new ();
      return TRUE;
    }
  text = rp_rows_text (rows, 0, 0);
  document = rp_json_parse (text, strlen (text), "journal", error);
  if (document == NULL)
    return FALSE;
  load->state = rp_target_state_from_json (document, error);
  return load->state != NULL;
}

RpTargetState *
rp_journal_load (RpJournal *journal, const char *target, GError **error)
{
  Load load = { target, NULL };

  if (rp_db_read (journal->db, load_state, &load, error))
    return load.state;
  g_prefix_error (error, "cannot read what the journal says of %s: ", target);
  return NULL;
}

typedef struct {
  const char *target;
  char *state;
  const RpStep *step;
  GPtrArray *bodies; /* char * */
} Commit;

static gboolean
commit_known (RpTxn *txn, const char *target, const RpStep *step, GError **error)
{
  char digest[RP_DIGEST_STRING_SIZE];

  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO known (target, digest, outcome, revision, at_us)"
                      " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (target, digest) DO UPDATE SET"
                      " outcome = excluded.outcome, revision = excluded.revision,"
                      " at_us = excluded.at_us",
                      "sssii", target, rp_digest_format (&step->learn_digest, digest),
                      outcomes[step->learn], step->learn_revision, rp_clock_now_us ());
}

static gboolean
commit_all (RpTxn *txn, gpointer data, GError **error)
{
  const Commit *commit = data;

  if (!rp_txn_exec (txn, error, NULL,
                    "INSERT INTO target (name, state) VALUES ($1, $2)"
                    " ON CONFLICT (name) DO UPDATE SET state = excluded.state",
                    "ss", commit->target, commit->state))
    return FALSE;
  if (commit->step != NULL && commit->step->learn != RP_LEARN_NOTHING
      && !commit_known (txn, commit->target, commit->step, error))
    return FALSE;
  for (guint i = 0; i < commit->bodies->len; i++)
    if (!rp_txn_exec (txn, error, NULL, "INSERT INTO outbox (target, body) VALUES ($1, $2)", "ss",
                      commit->target, (const char *) g_ptr_array_index (commit->bodies, i)))
      return FALSE;
  return TRUE;
}

gboolean
rp_journal_commit (RpJournal *journal, const char *target, const RpTargetState *state,
                   const RpStep *step, json_t *const *reports, gsize n_reports, GError **error)
{
  g_autoptr (json_t) document = rp_target_state_to_json (state);
  g_autofree char *text = rp_json_print (document);
  g_autoptr (GPtrArray) bodies = g_ptr_array_new_with_free_func (g_free);
  Commit commit = { target, text, step, bodies };

  for (gsize i = 0; i < n_reports; i++)
    g_ptr_array_add (bodies, rp_json_print (reports[i]));
  return write_or_give_way (journal, commit_all, &commit, error);
}

/* ---- known, ready ---- */

typedef struct {
  const char *target;
  const RpDigest *digest;
  RpLearn outcome;
} Known;

static gboolean
read_known (RpTxn *txn, gpointer data, GError **error)
{
  Known *known = data;
  char digest[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT outcome FROM known WHERE target = $1 AND digest = $2", "ss",
      known->target, rp_digest_format (known->digest, digest));

  if (rows == NULL)
    return FALSE;
  known->outcome = RP_LEARN_NOTHING;
  for (guint i = 1; rp_rows_count (rows) > 0 && i < G_N_ELEMENTS (outcomes); i++)
    if (g_strcmp0 (rp_rows_text (rows, 0, 0), outcomes[i]) == 0)
      known->outcome = i;
  return TRUE;
}

gboolean
rp_journal_known (RpJournal *journal, const char *target, const RpDigest *digest, RpLearn *out,
                  GError **error)
{
  Known known = { target, digest, RP_LEARN_NOTHING };

  if (!rp_db_read (journal->db, read_known, &known, error))
    return FALSE;
  *out = known.outcome;
  return TRUE;
}

typedef struct {
  const char *target;
  const RpDigest *digest;
  gint64 verified_us;
  GHashTable *all;
} Ready;

static gboolean
write_ready (RpTxn *txn, gpointer data, GError **error)
{
  const Ready *ready = data;
  char digest[RP_DIGEST_STRING_SIZE];

  rp_digest_format (ready->digest, digest);
  if (ready->verified_us == 0)
    return rp_txn_exec (txn, error, NULL, "DELETE FROM ready WHERE target = $1 AND digest = $2",
                        "ss", ready->target, digest);
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO ready (target, digest, verified_us) VALUES ($1, $2, $3)"
                      " ON CONFLICT (target, digest) DO UPDATE SET"
                      " verified_us = excluded.verified_us",
                      "ssi", ready->target, digest, ready->verified_us);
}

gboolean
rp_journal_set_ready (RpJournal *journal, const char *target, const RpDigest *digest,
                      gint64 verified_us, GError **error)
{
  Ready ready = { target, digest, verified_us, NULL };

  return rp_db_write (journal->db, write_ready, &ready, error);
}

static gboolean
read_ready (RpTxn *txn, gpointer data, GError **error)
{
  Ready *ready = data;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT digest, verified_us FROM ready WHERE target = $1", "s",
                      ready->target);

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpDigest digest;
      gint64 *verified_us;

      if (!rp_digest_parse (rp_rows_text (rows, i, 0), &digest, error))
        return FALSE;
      verified_us = g_new (gint64, 1);
      *verified_us = rp_rows_int (rows, i, 1);
      g_hash_table_replace (ready->all, rp_digest_copy (&digest), verified_us);
    }
  return TRUE;
}

GHashTable *
rp_journal_ready (RpJournal *journal, const char *target, GError **error)
{
  g_autoptr (GHashTable) all
      = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, g_free);
  Ready ready = { target, NULL, 0, all };

  return rp_db_read (journal->db, read_ready, &ready, error) ? g_steal_pointer (&all) : NULL;
}

/* ---- outbox ---- */

typedef struct {
  const char *target;
  gint64 n;
  const char *reason;
  json_t *body;
  gint64 waiting;
  gint64 refused;
} Outbox;

static gboolean
read_next (RpTxn *txn, gpointer data, GError **error)
{
  Outbox *outbox = data;
  const char *text;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT n, body FROM outbox WHERE target = $1 AND refused IS NULL"
                      " ORDER BY n LIMIT 1",
                      "s", outbox->target);

  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  outbox->n = rp_rows_int (rows, 0, 0);
  text = rp_rows_text (rows, 0, 1);
  outbox->body = rp_json_parse (text, strlen (text), "journal.outbox", error);
  return outbox->body != NULL;
}

gboolean
rp_journal_next_report (RpJournal *journal, const char *target, gint64 *out_n, json_t **out_body,
                        GError **error)
{
  Outbox outbox = { .target = target };

  if (!rp_db_read (journal->db, read_next, &outbox, error))
    return FALSE;
  *out_n = outbox.n;
  *out_body = outbox.body;
  return TRUE;
}

static gboolean
delete_report (RpTxn *txn, gpointer data, GError **error)
{
  const Outbox *outbox = data;

  return rp_txn_exec (txn, error, NULL, "DELETE FROM outbox WHERE n = $1", "i", outbox->n);
}

gboolean
rp_journal_delivered (RpJournal *journal, gint64 n, GError **error)
{
  Outbox outbox = { .n = n };

  return write_or_give_way (journal, delete_report, &outbox, error);
}

static gboolean
refuse_report (RpTxn *txn, gpointer data, GError **error)
{
  const Outbox *outbox = data;

  return rp_txn_exec (txn, error, NULL, "UPDATE outbox SET refused = $1 WHERE n = $2", "si",
                      outbox->reason, outbox->n);
}

gboolean
rp_journal_refused (RpJournal *journal, gint64 n, const char *reason, GError **error)
{
  Outbox outbox = { .n = n, .reason = reason };

  return write_or_give_way (journal, refuse_report, &outbox, error);
}

static gboolean
read_count (RpTxn *txn, gpointer data, GError **error)
{
  Outbox *outbox = data;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT count(*) - count(refused), count(refused) FROM outbox"
                      " WHERE target = $1",
                      "s", outbox->target);

  if (rows == NULL)
    return FALSE;
  outbox->waiting = rp_rows_int (rows, 0, 0);
  outbox->refused = rp_rows_int (rows, 0, 1);
  return TRUE;
}

gboolean
rp_journal_count (RpJournal *journal, const char *target, gint64 *out_waiting, gint64 *out_refused,
                  GError **error)
{
  Outbox outbox = { .target = target };

  if (!rp_db_read (journal->db, read_count, &outbox, error))
    return FALSE;
  *out_waiting = outbox.waiting;
  *out_refused = outbox.refused;
  return TRUE;
}
