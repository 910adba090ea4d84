/* Taking manifests out of a repository because a lifecycle policy says so.  What holds them is asked in
 * the very transaction, and so is whether anything was pushed or tagged since the policy was looked at. */
#include "base/error.h"
#include "registry/internal.h"

#define TRIES_MAX 20

typedef struct {
  RpRegistry *registry;
  const char *repository;
  gint64 seen_seq;
  RpExpiry *items;
  gsize n_items;
  const char *actor;
  gboolean current;
  gboolean fresh;
} Expire;

static gboolean
check_current (RpTxn *txn, Expire *job, GError **error)
{
  static const char sql[]
      = "SELECT MAX ((SELECT COALESCE (MAX (seq), 0) FROM manifest WHERE repository = $1),"
        " (SELECT COALESCE (MAX (seq), 0) FROM tag WHERE repository = $1))";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "s", job->repository);

  if (!rows)
    return FALSE;
  job->current = rp_rows_int (rows, 0, 0) <= job->seen_seq;
  return TRUE;
}

static gboolean
ask_guard (RpTxn *txn, Expire *job, RpExpiry *item, GError **error)
{
  const RpRegistryGuard *guard = &job->registry->guard;

  job->fresh = TRUE;
  if (guard->check_held)
    return guard->check_held (txn, &item->digest, &job->fresh, &item->holder, guard->user_data,
                              error);
  return !guard->check
         || guard->check (txn, &item->digest, &job->fresh, &item->holder, guard->user_data, error);
}

static gboolean
expire_one (RpTxn *txn, Expire *job, RpExpiry *item, GError **error)
{
  gboolean known = FALSE;
  guint64 size;

  if (item->holder)
    return TRUE;
  return rp_registry_find_manifest (txn, job->repository, &item->digest, &known, &size, error)
         && (!known
             || rp_registry_record_deletion (job->registry, txn, job->repository, &item->digest,
                                             item->rule, item->tags, job->actor, &item->gone,
                                             error));
}

/* First all questions, then all events: half an answer takes nothing away. */
static gboolean
expire_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Expire *job = user_data;

  job->fresh = TRUE;
  if (!check_current (txn, job, error))
    return FALSE;
  for (gsize i = 0; job->current && job->fresh && i < job->n_items; i++)
    {
      g_clear_pointer (&job->items[i].holder, json_decref);
      if (!ask_guard (txn, job, &job->items[i], error))
        return FALSE;
    }
  for (gsize i = 0; job->current && job->fresh && i < job->n_items; i++)
    if (!expire_one (txn, job, &job->items[i], error))
      return FALSE;
  return TRUE;
}

gboolean
rp_registry_expire (RpRegistry *registry, const char *repository, gint64 seen_seq, RpExpiry *items,
                    gsize n_items, const char *actor, gboolean *out_current, GError **error)
{
  const RpRegistryGuard *guard = &registry->guard;
  Expire job = { registry, repository, seen_seq, items, n_items, actor, TRUE, FALSE };

  for (int i = 0; i < TRIES_MAX && job.current && !job.fresh; i++)
    if ((guard->prepare && !guard->prepare (guard->user_data, error))
        || !rp_db_write (registry->db, expire_in_txn, &job, error))
      return FALSE;
  *out_current = job.current;
  if (!job.fresh)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_BUSY,
                           "releases are recorded faster than expiry can look at them: try again");
      return FALSE;
    }
  if (guard->gone)
    guard->gone (guard->user_data);
  return TRUE;
}
