#include "release/revision.h"

#include "base/error.h"
#include "release/engine_priv.h"
#include "release/environment.h"

static const char *const kind_names[] = {
  [RP_KIND_DEPLOY] = "deploy",
  [RP_KIND_PROMOTE] = "promote",
  [RP_KIND_ROLLBACK] = "rollback",
  [RP_KIND_AUTO_ROLLBACK] = "auto-rollback",
};

const char *
rp_kind_name (RpRevisionKind kind)
{
  return kind_names[kind];
}

gboolean
rp_kind_parse (const char *name, RpRevisionKind *out, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kind_names); i++)
    if (g_strcmp0 (name, kind_names[i]) == 0)
      {
        *out = (RpRevisionKind) i;
        return TRUE;
      }
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "\"%s\" is no kind of revision; use deploy, promote or rollback", name);
  return FALSE;
}

gboolean
rp_kind_is_rollback (RpRevisionKind kind)
{
  return kind == RP_KIND_ROLLBACK || kind == RP_KIND_AUTO_ROLLBACK;
}

void
rp_revision_free (RpRevision *revision)
{
  if (revision == NULL)
    return;
  g_free (revision->app);
  g_free (revision->environment);
  rp_release_free (revision->release);
  g_free (revision->cause);
  g_free (revision->actor);
  g_free (revision->outcome_reason);
  g_free (revision->overrides);
  g_free (revision);
}

/* `good` as in known_good.h: healthy, not rolled back from, and the newest verdict about its
 * release is good. */
#define COLUMNS                                                                                    \
  "r.number, r.kind, r.release, r.cause, r.actor, r.at_us, r.expected_revision, r.outcome,"        \
  " r.outcome_reason, r.outcome_at_us, r.restores, r.rolled_back_by, r.rollback_due,"              \
  " r.progress_at_us, r.seq,"                                                                      \
  " (SELECT n.at_us FROM revision n WHERE n.app = r.app AND n.environment = r.environment"         \
  "  AND n.number = r.number + 1),"                                                                \
  " CASE WHEN r.outcome = 'healthy' AND r.rolled_back_by = 0"                                      \
  " AND NOT " RP_SQL_SIGNALS_FAILED ("r") " AND NOT EXISTS"                                               \
  " (SELECT 1 FROM revision v WHERE v.app = r.app AND v.environment = r.environment"               \
  "  AND v.release = r.release AND v.number > r.number"                                            \
  "  AND (v.outcome = 'failed' OR v.rolled_back_by <> 0 OR " RP_SQL_SIGNALS_FAILED ("v") ") AND NOT EXISTS" \
  "  (SELECT 1 FROM revision w WHERE w.app = v.app AND w.environment = v.environment"              \
  "   AND w.release = v.release AND w.number > v.number AND w.outcome = 'healthy'"                 \
  "   AND w.rolled_back_by = 0 AND NOT " RP_SQL_SIGNALS_FAILED ("w") ")) THEN 1 ELSE 0 END,"              \
  " (SELECT o.gates FROM revision_override o WHERE o.app = r.app AND o.environment = r.environment"  \
  "  AND o.number = r.number), " RP_SQL_SIGNALS_FAILED ("r")

static RpRevision *
from_row (RpTxn *txn, const char *app, const char *environment, const RpRows *rows, gsize row,
          GError **error)
{
  g_autoptr (RpRevision) revision = g_new0 (RpRevision, 1);
  revision->app = g_strdup (app);
  revision->environment = g_strdup (environment);
  revision->number = rp_rows_int (rows, row, 0);
  if (!rp_kind_parse (rp_rows_text (rows, row, 1), &revision->kind, error))
    return NULL;
  revision->release = rp_release_load (txn, app, rp_rows_int (rows, row, 2), error);
  if (revision->release == NULL)
    return NULL;
  revision->cause = g_strdup (rp_rows_text (rows, row, 3));
  revision->actor = g_strdup (rp_rows_text (rows, row, 4));
  revision->at_us = rp_rows_int (rows, row, 5);
  revision->expected_revision = rp_rows_int (rows, row, 6);
  revision->outcome = rp_outcome_parse (rp_rows_text (rows, row, 7));
  revision->outcome_reason = g_strdup (rp_rows_text (rows, row, 8));
  revision->outcome_at_us = rp_rows_int (rows, row, 9);
  revision->restores = rp_rows_int (rows, row, 10);
  revision->rolled_back_by = rp_rows_int (rows, row, 11);
  revision->rollback_due = rp_rows_int (rows, row, 12) != 0;
  revision->progress_at_us = rp_rows_int (rows, row, 13);
  revision->seq = rp_rows_int (rows, row, 14);
  revision->until_us = rp_rows_int (rows, row, 15);
  revision->good = rp_rows_int (rows, row, 16) != 0;
  revision->overrides = g_strdup (rp_rows_text (rows, row, 17));
  revision->signals_failed = rp_rows_int (rows, row, 18) != 0;
  return g_steal_pointer (&revision);
}

static gint64
newest_number (RpTxn *txn, const char *app, const char *environment, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT MAX(number) FROM revision WHERE app = $1 AND environment = $2", "ss", app,
      environment);
  return rows == NULL ? -1 : rp_rows_int (rows, 0, 0);
}

RpRevision *
rp_revision_load (RpTxn *txn, const char *app, const char *environment, gint64 number,
                  GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT " COLUMNS " FROM revision r WHERE r.app = $1 AND r.environment = $2"
                      " AND r.number = $3",
                      "ssi", app, environment, number);
  if (rows == NULL)
    return NULL;
  if (rp_rows_count (rows) > 0)
    return from_row (txn, app, environment, rows, 0, error);
  gint64 newest = newest_number (txn, app, environment, error);
  if (newest == 0)
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "%s/%s has no revision %" G_GINT64_FORMAT ": nothing was ever deployed there", app,
                 environment, number);
  else if (newest > 0)
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "%s/%s has no revision %" G_GINT64_FORMAT "; there are 1 to %" G_GINT64_FORMAT,
                 app, environment, number, newest);
  return NULL;
}

gboolean
rp_revision_load_current (RpTxn *txn, const char *app, const char *environment, RpRevision **out,
                          GError **error)
{
  gint64 newest = newest_number (txn, app, environment, error);
  if (newest < 0)
    return FALSE;
  *out = NULL;
  if (newest == 0)
    return TRUE;
  *out = rp_revision_load (txn, app, environment, newest, error);
  return *out != NULL;
}

GArray *
rp_revision_load_history (RpTxn *txn, const char *app, const char *environment, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT number, release, outcome, rolled_back_by, at_us, " RP_SQL_SIGNALS_FAILED ("r")
                      " FROM revision r WHERE app = $1 AND environment = $2 ORDER BY number DESC",
                      "ss", app, environment);
  if (rows == NULL)
    return NULL;
  GArray *history = g_array_new (FALSE, FALSE, sizeof (RpHistoryRow));
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpHistoryRow row = { rp_rows_int (rows, i, 0), rp_rows_int (rows, i, 1),
                           rp_outcome_parse (rp_rows_text (rows, i, 2)), rp_rows_int (rows, i, 3),
                           rp_rows_int (rows, i, 4), rp_rows_int (rows, i, 5) != 0 };
      g_array_append_val (history, row);
    }
  return history;
}

typedef struct
{
  const char *app;
  const char *environment;
  gint64 number;
  gint64 limit;
  gint64 before;
  RpRevision *revision;
  GPtrArray *revisions;
} Query;

static gboolean
check_environment (RpTxn *txn, const Query *query, GError **error)
{
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, query->app, query->environment, error);
  return environment != NULL;
}

static gboolean
get_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Query *query = user_data;
  if (!check_environment (txn, query, error))
    return FALSE;
  query->revision = rp_revision_load (txn, query->app, query->environment, query->number, error);
  return query->revision != NULL;
}

RpRevision *
rp_revision_get (RpEngine *engine, const char *app, const char *environment, gint64 number,
                 GError **error)
{
  Query query = { .app = app, .environment = environment, .number = number };
  return rp_db_read (engine->db, get_in_txn, &query, error) ? query.revision : NULL;
}

static gboolean
list_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Query *query = user_data;
  if (!check_environment (txn, query, error))
    return FALSE;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT " COLUMNS " FROM revision r WHERE r.app = $1 AND r.environment = $2"
                      " AND r.number < $3 ORDER BY r.number DESC LIMIT $4",
                      "ssii", query->app, query->environment,
                      query->before > 0 ? query->before : G_MAXINT64, query->limit);
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpRevision *revision = from_row (txn, query->app, query->environment, rows, i, error);
      if (revision == NULL)
        return FALSE;
      g_ptr_array_add (query->revisions, revision);
    }
  return TRUE;
}

GPtrArray *
rp_revision_list (RpEngine *engine, const char *app, const char *environment, gint64 limit,
                  gint64 before, GError **error)
{
  g_autoptr (GPtrArray) revisions
      = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_revision_free);
  Query query = {
    .app = app, .environment = environment, .limit = limit, .before = before, .revisions = revisions
  };
  if (!rp_db_read (engine->db, list_in_txn, &query, error))
    return NULL;
  return g_steal_pointer (&revisions);
}
