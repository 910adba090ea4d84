#include "release/environment.h"

#include "base/error.h"
#include "release/engine_priv.h"

static void
target_free (gpointer data)
{
  RpTargetDecl *target = data;
  g_free (target->name);
  g_free (target->component);
  g_free (target);
}

RpEnvironment *
rp_environment_new (const char *app, const char *name)
{
  RpEnvironment *environment = g_new0 (RpEnvironment, 1);
  environment->app = g_strdup (app);
  environment->name = g_strdup (name);
  environment->targets = g_ptr_array_new_with_free_func (target_free);
  environment->present = TRUE;
  environment->gates = g_strdup ("{}");
  environment->signals = g_strdup ("{}");
  return environment;
}

void
rp_environment_free (RpEnvironment *environment)
{
  if (environment == NULL)
    return;
  g_free (environment->app);
  g_free (environment->name);
  g_ptr_array_unref (environment->targets);
  rp_pause_free (environment->pause);
  g_free (environment->gates);
  g_free (environment->signals);
  rp_revision_free (environment->current);
  rp_revision_free (environment->last_good);
  g_free (environment);
}

#define COLUMNS                                                                                    \
  "name, ordinal, window_size, on_failure, trial_ms, progress_deadline_ms, present, seq,"          \
  " pointer_seq, (SELECT for_ms FROM environment_window w WHERE w.app = environment.app"             \
  "  AND w.environment = environment.name),"                                                         \
  " (SELECT rules FROM environment_gates g WHERE g.app = environment.app"                            \
  "  AND g.environment = environment.name),"                                                         \
  " (SELECT rules FROM environment_signals s WHERE s.app = environment.app"                          \
  "  AND s.environment = environment.name)"

static RpEnvironment *
from_row (const char *app, const RpRows *rows, gsize row)
{
  RpEnvironment *environment = rp_environment_new (app, rp_rows_text (rows, row, 0));
  environment->order = rp_rows_int (rows, row, 1);
  environment->window = rp_rows_int (rows, row, 2);
  environment->rollback_on_failure = g_str_equal (rp_rows_text (rows, row, 3), "rollback");
  environment->trial_ms = rp_rows_int (rows, row, 4);
  environment->progress_deadline_ms = rp_rows_int (rows, row, 5);
  environment->present = rp_rows_int (rows, row, 6) != 0;
  environment->seq = rp_rows_int (rows, row, 7);
  environment->pointer_seq = rp_rows_int (rows, row, 8);
  environment->window_for_ms = rp_rows_int (rows, row, 9);
  if (!rp_rows_is_null (rows, row, 10))
    {
      g_free (environment->gates);
      environment->gates = g_strdup (rp_rows_text (rows, row, 10));
    }
  if (!rp_rows_is_null (rows, row, 11))
    {
      g_free (environment->signals);
      environment->signals = g_strdup (rp_rows_text (rows, row, 11));
    }
  return environment;
}

static gboolean
load_parts (RpTxn *txn, RpEnvironment *environment, GError **error)
{
  if (!rp_pause_load (txn, environment->app, environment->name, &environment->pause, error))
    return FALSE;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error,
                                          "SELECT name, component FROM target WHERE app = $1"
                                          " AND environment = $2 AND present = 1 ORDER BY ordinal",
                                          "ss", environment->app, environment->name);
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpTargetDecl *target = g_new0 (RpTargetDecl, 1);
      target->name = g_strdup (rp_rows_text (rows, i, 0));
      target->component = g_strdup (rp_rows_text (rows, i, 1));
      g_ptr_array_add (environment->targets, target);
    }
  return TRUE;
}

static gboolean
set_unknown (RpTxn *txn, const char *app, const char *name, GError **error)
{
  g_autoptr (RpRows) apps
      = rp_txn_query (txn, error, "SELECT name FROM app WHERE name = $1", "s", app);
  g_autoptr (RpRows) rows = rp_txn_query (txn, error,
                                          "SELECT name FROM environment WHERE app = $1"
                                          " AND present = 1 ORDER BY ordinal",
                                          "s", app);
  if (apps == NULL || rows == NULL)
    return FALSE;
  g_autoptr (GString) known = g_string_new (NULL);
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    g_string_append_printf (known, "%s%s", i == 0 ? "" : ", ", rp_rows_text (rows, i, 0));
  if (rp_rows_count (apps) == 0)
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "there is no app \"%s\"; `repoint app list` shows those that are declared", app);
  else
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "app %s has no environment \"%s\"; %s%s", app,
                 name, known->len > 0 ? "it has: " : "it declares none: add it to repoint.yaml",
                 known->str);
  return FALSE;
}

RpEnvironment *
rp_environment_load (RpTxn *txn, const char *app, const char *name, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT " COLUMNS " FROM environment WHERE app = $1 AND name = $2", "ss", app,
      name);
  if (rows == NULL)
    return NULL;
  if (rp_rows_count (rows) == 0)
    {
      (void) set_unknown (txn, app, name, error);
      return NULL;
    }
  g_autoptr (RpEnvironment) environment = from_row (app, rows, 0);
  if (!load_parts (txn, environment, error))
    return NULL;
  return g_steal_pointer (&environment);
}

GPtrArray *
rp_environment_load_all (RpTxn *txn, const char *app, GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_environment_free);
  g_autoptr (RpRows) rows = rp_txn_query (txn, error,
                                          "SELECT " COLUMNS " FROM environment WHERE app = $1"
                                          " AND present = 1 ORDER BY ordinal",
                                          "s", app);
  if (rows == NULL)
    return NULL;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpEnvironment *environment = from_row (app, rows, i);
      g_ptr_array_add (all, environment);
      if (!load_parts (txn, environment, error))
        return NULL;
    }
  return g_steal_pointer (&all);
}

gboolean
rp_environment_load_window (RpTxn *txn, const RpEnvironment *environment, gint64 now_us,
                            RpKnownGood *out, GError **error)
{
  g_autoptr (GArray) history
      = rp_revision_load_history (txn, environment->app, environment->name, error);
  gint64 window = environment->window;
  if (history == NULL)
    return FALSE;
  const RpHistoryRow *rows = (const RpHistoryRow *) (gconstpointer)history->data;
  if (environment->window_for_ms > 0)
    window = MAX (window, rp_known_good_since (rows, history->len,
                                               now_us - environment->window_for_ms * 1000));
  rp_known_good_select (rows, history->len, window, out);
  return TRUE;
}

gboolean
rp_environment_load_revisions (RpTxn *txn, RpEnvironment *environment, GError **error)
{
  g_autoptr (GArray) history
      = rp_revision_load_history (txn, environment->app, environment->name, error);
  if (history == NULL)
    return FALSE;
  g_auto (RpKnownGood) known = { 0 };
  rp_known_good_select ((const RpHistoryRow *) (gpointer)history->data, history->len,
                        environment->window, &known);
  if (history->len == 0)
    return TRUE;
  environment->current = rp_revision_load (txn, environment->app, environment->name,
                                           g_array_index (history, RpHistoryRow, 0).number, error);
  if (environment->current == NULL || known.undo_revision == 0)
    return environment->current != NULL;
  environment->last_good
      = rp_revision_load (txn, environment->app, environment->name, known.undo_revision, error);
  return environment->last_good != NULL;
}

gboolean
rp_environment_require_present (const RpEnvironment *environment, GError **error)
{
  if (environment->present)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "environment %s/%s is no longer declared, so nothing can be moved there (its history"
               " is kept); put it back into repoint.yaml and apply that",
               environment->app, environment->name);
  return FALSE;
}

typedef struct
{
  const char *repository;
  GPtrArray *names;
} TargetsOf;

static gboolean
list_targets_of (RpTxn *txn, gpointer user_data, GError **error)
{
  TargetsOf *of = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT target.app, target.environment, target.name FROM component"
      " JOIN target ON target.app = component.app AND target.component = component.name"
      " WHERE component.repository = $1 AND target.present = 1",
      "s", of->repository);
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    g_ptr_array_add (of->names,
                     g_strjoin ("/", rp_rows_text (rows, i, 0), rp_rows_text (rows, i, 1),
                                rp_rows_text (rows, i, 2), NULL));
  return TRUE;
}

GPtrArray *
rp_environment_targets_of (RpEngine *engine, const char *repository, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  TargetsOf of = { repository, names };
  if (!rp_db_read (engine->db, list_targets_of, &of, error))
    return NULL;
  return g_steal_pointer (&names);
}
