#include "release/target_view.h"

#include "release/engine_priv.h"

void
rp_target_view_free (gpointer data)
{
  RpTargetView *state = data;
  if (state == NULL)
    return;
  g_free (state->name);
  g_free (state->component);
  g_free (state->agent);
  g_free (state->driver);
  g_free (state->platform);
  g_free (state->pull);
  g_free (state->token);
  g_free (state->observed_digest);
  g_free (state->observed_version);
  g_free (state->message);
  g_clear_pointer (&state->local, g_ptr_array_unref);
  g_free (state);
}

/* ---- seen ---- */

static char *
seen_key (const char *app, const char *environment, const char *target)
{
  return g_strdup_printf ("%s/%s/%s", app, environment, target);
}

static void
learn_word (char **known, const char *said)
{
  if (said == NULL || g_strcmp0 (said, *known) == 0)
    return;
  g_free (*known);
  *known = g_strdup (said);
}

void
rp_target_seen (RpEngine *engine, const char *app, const char *environment, const char *target,
                const RpAgentWord *word, gint64 now_us)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&engine->lock);
  g_autofree char *key = seen_key (app, environment, target);
  RpSeen *seen = g_hash_table_lookup (engine->seen, key);
  if (seen == NULL)
    {
      seen = g_new0 (RpSeen, 1);
      g_hash_table_insert (engine->seen, g_steal_pointer (&key), seen);
    }
  seen->at_us = MAX (seen->at_us, now_us);
  learn_word (&seen->agent, word->agent);
  learn_word (&seen->driver, word->driver);
  learn_word (&seen->platform, word->platform);
  learn_word (&seen->pull, word->pull);
  learn_word (&seen->token, word->token);
  if (word->pull != NULL)
    seen->pull_at_us = now_us;
}

static void
add_seen (RpEngine *engine, const char *app, const char *environment, RpTargetView *state)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&engine->lock);
  g_autofree char *key = seen_key (app, environment, state->name);
  const RpSeen *seen = g_hash_table_lookup (engine->seen, key);
  state->seen_at_us = state->at_us;
  if (seen == NULL)
    return;
  state->seen_at_us = MAX (state->at_us, seen->at_us);
  if (state->agent == NULL)
    state->agent = g_strdup (seen->agent);
  if (state->driver == NULL)
    state->driver = g_strdup (seen->driver);
  state->platform = g_strdup (seen->platform);
  state->pull = g_strdup (seen->pull);
  state->pull_at_us = seen->pull_at_us;
  state->token = g_strdup (seen->token);
}

/* ---- load ---- */

static gboolean
load_local (RpTxn *txn, const char *app, const char *environment, RpTargetView *state,
            GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT digest FROM target_local WHERE app = $1 AND environment = $2"
                      " AND target = $3 ORDER BY digest",
                      "sss", app, environment, state->name);
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    g_ptr_array_add (state->local, g_strdup (rp_rows_text (rows, i, 0)));
  return TRUE;
}

gboolean
rp_target_view_find_release (RpTxn *txn, const char *app, const char *environment,
                             RpTargetView *state, GError **error)
{
  if (state->observed_digest == NULL)
    return TRUE;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT r.number, r.version FROM release_component c JOIN app_release r"
      " ON r.app = c.app AND r.number = c.release"
      " WHERE c.app = $1 AND c.name = $2 AND c.digest = $3"
      " ORDER BY CASE WHEN r.number = (SELECT v.release FROM revision v WHERE v.app = c.app"
      "  AND v.environment = $5 AND v.number = $4) THEN 0 ELSE 1 END, r.number DESC LIMIT 1",
      "sssis", app, state->component, state->observed_digest, state->revision, environment);
  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) > 0)
    {
      state->observed_release = rp_rows_int (rows, 0, 0);
      state->observed_version = g_strdup (rp_rows_text (rows, 0, 1));
    }
  return TRUE;
}

static gboolean
fill (RpTxn *txn, const char *app, const char *environment, const RpRows *rows, gsize row,
      RpTargetView *state, GError **error)
{
  state->local = g_ptr_array_new_with_free_func (g_free);
  state->name = g_strdup (rp_rows_text (rows, row, 0));
  state->component = g_strdup (rp_rows_text (rows, row, 1));
  state->agent = g_strdup (rp_rows_text (rows, row, 2));
  state->driver = g_strdup (rp_rows_text (rows, row, 3));
  state->revision = rp_rows_int (rows, row, 5);
  state->observed_digest = g_strdup (rp_rows_text (rows, row, 6));
  state->message = g_strdup (rp_rows_text (rows, row, 7));
  state->at_us = rp_rows_int (rows, row, 8);
  return rp_target_phase_parse (rp_rows_text (rows, row, 4), &state->phase, error)
         && load_local (txn, app, environment, state, error)
         && rp_target_view_find_release (txn, app, environment, state, error);
}

GPtrArray *
rp_target_view_load_all (RpEngine *engine, RpTxn *txn, const char *app, const char *environment,
                         GError **error)
{
  g_autoptr (GPtrArray) states = g_ptr_array_new_with_free_func (rp_target_view_free);
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT name, component, agent, driver, state, revision, observed_digest, message, at_us"
      " FROM target WHERE app = $1 AND environment = $2 AND present = 1 ORDER BY ordinal",
      "ss", app, environment);
  if (rows == NULL)
    return NULL;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpTargetView *state = g_new0 (RpTargetView, 1);
      g_ptr_array_add (states, state);
      if (!fill (txn, app, environment, rows, i, state, error))
        return NULL;
      add_seen (engine, app, environment, state);
    }
  return g_steal_pointer (&states);
}

gboolean
rp_target_view_has_local (const RpTargetView *state, const RpDigest *digest)
{
  char text[RP_DIGEST_STRING_SIZE];
  return g_ptr_array_find_with_equal_func (state->local, rp_digest_format (digest, text),
                                           g_str_equal, NULL);
}

/* ---- status ---- */

void
rp_status_free (RpStatus *status)
{
  if (status == NULL)
    return;
  g_free (status->app);
  g_free (status->environment);
  rp_revision_free (status->current);
  rp_pause_free (status->pause);
  rp_signal_watch_free (status->watch);
  g_clear_pointer (&status->targets, g_ptr_array_unref);
  g_clear_pointer (&status->holds, g_ptr_array_unref);
  g_free (status);
}

typedef struct
{
  RpEngine *engine;
  const char *app;
  const char *environment;
  gint64 after;
  gboolean force;
  RpStatus *status;
} Query;

static gboolean
is_converged (const RpStatus *status)
{
  if (status->current == NULL || status->current->outcome == RP_OUTCOME_FAILED)
    return FALSE;
  for (guint i = 0; i < status->targets->len; i++)
    {
      const RpTargetView *target = status->targets->pdata[i];
      if (target->phase != RP_PHASE_CONFIRMED || target->revision != status->current->number)
        return FALSE;
    }
  return TRUE;
}

static gboolean
status_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Query *query = user_data;
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, query->app, query->environment, error);
  if (environment == NULL)
    return FALSE;
  if (!query->force && environment->seq <= query->after)
    return TRUE;
  g_autoptr (RpStatus) status = g_new0 (RpStatus, 1);
  status->app = g_strdup (query->app);
  status->environment = g_strdup (query->environment);
  status->seq = environment->seq;
  status->pause = g_steal_pointer (&environment->pause);
  status->targets
      = rp_target_view_load_all (query->engine, txn, query->app, query->environment, error);
  status->holds = rp_release_hold_load (txn, query->app, query->environment, 0, error);
  if (status->targets == NULL || status->holds == NULL
      || !rp_revision_load_current (txn, query->app, query->environment, &status->current, error)
      || (status->current != NULL
          && !rp_signal_watch_load (txn, query->app, query->environment, status->current->number,
                                    &status->watch, error)))
    return FALSE;
  status->converged = is_converged (status);
  query->status = g_steal_pointer (&status);
  return TRUE;
}

gboolean
rp_status_get (RpEngine *engine, const char *app, const char *environment, gint64 after,
               gboolean force, RpStatus **out, GError **error)
{
  Query query = { engine, app, environment, after, force, NULL };
  if (!rp_db_read (engine->db, status_in_txn, &query, error))
    return FALSE;
  *out = query.status;
  return TRUE;
}
