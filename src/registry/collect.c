#include "registry/collect.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "registry/internal.h"

/* In one transaction.  Pushes share the same writer and must not feel it: while one waits it is the second. */
#define BATCH     64
#define BATCH_MIN 8
#define TRIES_MAX 20

typedef struct {
  RpRegistry *registry;
  RpCollectPass *pass;
  gint64 before_us;
  const char *queue; /* SQL: the next few after `pass` and before `before_us` */
  const char *rule; /* unlink */
  gboolean dry;
  RpRows *rows;         /* of the queue: digest, time, size */
  gsize looked;         /* at so many of them */
  gboolean fresh;       /* the guard knew all that was recorded */
  RpCollectPass result; /* of this transaction, counted from pass */
} Step;

typedef gboolean (*StepOne) (RpTxn *txn, Step *step, const RpDigest *digest, GError **error);

static void
count (RpByteCount *to, guint64 size_bytes)
{
  to->blobs++;
  to->size_bytes += size_bytes;
}

/* ---- a pass ---- */

static gboolean
ask_guard (RpTxn *txn, Step *step, const RpDigest *digest, gboolean *out_held, GError **error)
{
  const RpRegistryGuard *guard = &step->registry->guard;
  g_autoptr (json_t) holder = NULL;
  char text[RP_DIGEST_STRING_SIZE];

  *out_held = FALSE;
  if (!guard->check)
    return TRUE;
  /* What a policy may expire may go: its names went first, and each was asked for then. */
  if (!(guard->check_held ? guard->check_held : guard->check) (
          txn, digest, &step->fresh, &holder, guard->user_data, error))
    return FALSE;
  *out_held = !step->fresh || holder != NULL;
  if (holder)
    rp_log_warning ("collector", "%s is kept although no manifest names it: it is part of %s",
                    rp_digest_format (digest, text), rp_json_str (holder, "text"));
  return TRUE;
}

/* Nothing that is not needed for certain can be told apart while a manifest is not understood. */
static gboolean
need_all_read (RpTxn *txn, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT manifest FROM opaque ORDER BY manifest LIMIT 1", "");

  if (!rows)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_BUSY,
               "nothing is condemned while it is not known what manifest %s names: try again",
               rp_rows_text (rows, 0, 0));
  return FALSE;
}

static gboolean
is_enough (const Step *step)
{
  return step->looked == rp_rows_count (step->rows)
         || (step->looked >= BATCH_MIN && !step->dry && rp_db_is_waited_for (step->registry->db));
}

static gboolean
for_each_row (RpTxn *txn, Step *step, StepOne one, GError **error)
{
  step->fresh = TRUE;
  step->result = *step->pass;
  if (!need_all_read (txn, error))
    return FALSE;
  for (step->looked = 0; step->fresh && !is_enough (step); step->looked++)
    {
      RpDigest digest;

      if (!rp_digest_parse (rp_rows_text (step->rows, step->looked, 0), &digest, error)
          || !one (txn, step, &digest, error))
        return FALSE;
    }
  /* Half of a batch is never kept: all of it is looked at again. */
  if (!step->fresh)
    g_set_error_literal (error, RP_ERROR, RP_ERROR_BUSY,
                         "releases are recorded faster than a collection can look at them: try "
                         "again");
  return step->fresh;
}

static void
advance (Step *step)
{
  RpCollectPass *pass = step->pass;
  gsize looked = step->looked;

  *pass = step->result;
  pass->done = looked < BATCH && looked == rp_rows_count (step->rows);
  if (looked == 0)
    return;
  pass->after_us = rp_rows_int (step->rows, looked - 1, 1);
  g_strlcpy (pass->after, rp_rows_text (step->rows, looked - 1, 0), sizeof pass->after);
}

static gboolean
list_next (RpTxn *txn, gpointer user_data, GError **error)
{
  Step *step = user_data;

  step->rows = rp_txn_query (txn, error, step->queue, "isii", step->pass->after_us,
                             step->pass->after, step->before_us, (gint64) BATCH);
  return step->rows != NULL;
}

static gboolean
run_step (Step *step, RpTxnFunc func, GError **error)
{
  const RpRegistryGuard *guard = &step->registry->guard;
  RpDb *db = step->registry->db;
  gboolean ok = rp_db_read (db, list_next, step, error);

  step->fresh = FALSE;
  for (int i = 0; ok && !step->fresh && rp_rows_count (step->rows) > 0; i++)
    {
      g_autoptr (GError) local = NULL;

      ok = (!guard->prepare || guard->prepare (guard->user_data, error))
           && (step->dry ? rp_db_read (db, func, step, &local)
                         : rp_db_write (db, func, step, &local));
      if (!ok && local && (step->fresh || i + 1 >= TRIES_MAX))
        g_propagate_error (error, g_steal_pointer (&local));
      else if (!ok && local)
        ok = TRUE;
    }
  if (ok && rp_rows_count (step->rows) == 0)
    step->result = *step->pass;
  if (ok)
    advance (step);
  rp_rows_free (step->rows);
  return ok;
}

/* ---- condemning ---- */

static const char oldest_loose[] = "SELECT digest, since_us FROM loose "
                                   "WHERE (since_us, digest) > ($1, $2) AND since_us < $3 "
                                   "ORDER BY since_us, digest LIMIT $4";

/* May have been touched, named or deleted since it was listed. */
static gboolean
still_loose (RpTxn *txn, Step *step, const RpDigest *digest, gboolean *out, GError **error)
{
  static const char sql[] = "SELECT 1 FROM loose WHERE digest = $1 AND since_us < $2";
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "si", rp_digest_format (digest, text), step->before_us);
  gboolean needed = FALSE;

  if (!rows || !rp_registry_is_needed (txn, digest, &needed, error))
    return FALSE;
  *out = rp_rows_count (rows) > 0 && !needed;
  return TRUE;
}

/* Bytes that are gone have no size, and go on their way like others. */
static gboolean
stat_or_nothing (RpStore *store, const RpDigest *digest, RpBlobInfo *out, GError **error)
{
  g_autoptr (GError) local = NULL;

  *out = (RpBlobInfo){ 0 };
  if (rp_store_stat (store, digest, out, &local)
      || g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static json_t *
describe (guint64 size_bytes, const char *rule)
{
  json_t *body = json_object ();

  json_object_set_new (body, "size", json_integer ((json_int_t) size_bytes));
  json_object_set_new (body, "rule", json_string (rule));
  return body;
}

static gboolean
condemn_one (RpTxn *txn, Step *step, const RpDigest *digest, GError **error)
{
  gboolean loose = FALSE, held = FALSE;
  RpBlobInfo info;

  if (!still_loose (txn, step, digest, &loose, error)
      || !stat_or_nothing (step->registry->store, digest, &info, error))
    return FALSE;
  if (!loose)
    return TRUE;
  if (info.stored_at_us >= step->before_us)
    {
      count (&step->result.in_use, info.size_bytes);
      return TRUE;
    }
  if (!ask_guard (txn, step, digest, &held, error))
    return FALSE;
  count (held ? &step->result.held : &step->result.taken, info.size_bytes);
  return held || step->dry
         || rp_registry_append_bytes (step->registry, txn, RP_REGISTRY_ACTOR, "blob.condemned",
                                      digest, describe (info.size_bytes, "no manifest names it"),
                                      error);
}

static gboolean
condemn_batch (RpTxn *txn, gpointer user_data, GError **error)
{
  return for_each_row (txn, user_data, condemn_one, error);
}

gboolean
rp_collect_condemn (RpRegistry *registry, RpCollectPass *pass, gint64 before_us, gboolean dry,
                    GError **error)
{
  Step step = { .registry = registry, .pass = pass, .before_us = before_us, .dry = dry,
                .queue = oldest_loose };

  return run_step (&step, condemn_batch, error);
}

/* ---- recording that they go ---- */

static const char oldest_condemned[] = "SELECT digest, at_us FROM condemned "
                                       "WHERE (at_us, digest) > ($1, $2) AND at_us < $3 "
                                       "ORDER BY at_us, digest LIMIT $4";

static gboolean
unlink_one (RpTxn *txn, Step *step, const RpDigest *digest, GError **error)
{
  static const char sql[] = "SELECT size FROM condemned WHERE digest = $1";
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "s", rp_digest_format (digest, text));
  gboolean needed = FALSE, held = FALSE;
  RpBlobInfo info;

  if (!rows || !rp_registry_is_needed (txn, digest, &needed, error)
      || !stat_or_nothing (step->registry->store, digest, &info, error))
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  if (!needed && !ask_guard (txn, step, digest, &held, error))
    return FALSE;
  if (needed || held)
    {
      count (&step->result.held, (guint64) rp_rows_int (rows, 0, 0));
      return step->dry || !step->fresh
             || rp_registry_append_bytes (step->registry, txn, RP_REGISTRY_ACTOR, "blob.rescued",
                                          digest, NULL, error);
    }
  if (info.stored_at_us != 0) /* in its place: it was never moved, or has just come back */
    {
      count (&step->result.in_use, info.size_bytes);
      return TRUE;
    }
  count (&step->result.taken, (guint64) rp_rows_int (rows, 0, 0));
  return step->dry
         || rp_registry_append_bytes (
             step->registry, txn, RP_REGISTRY_ACTOR, "blob.unlinked", digest,
             describe ((guint64) rp_rows_int (rows, 0, 0), step->rule), error);
}

static gboolean
unlink_batch (RpTxn *txn, gpointer user_data, GError **error)
{
  return for_each_row (txn, user_data, unlink_one, error);
}

gboolean
rp_collect_unlink (RpRegistry *registry, RpCollectPass *pass, gint64 before_us, const char *rule,
                   gboolean dry, GError **error)
{
  Step step = { .registry = registry, .pass = pass, .before_us = before_us, .rule = rule,
                .dry = dry, .queue = oldest_condemned };

  return run_step (&step, unlink_batch, error);
}
