/* The tables of this room, computed from events and nothing else.
 *
 *   app.applied        the declaration of an app               → app, component, environment,
 * target release.created    a release                               → app_release,
 * release_component revision.created   an environment's pointer moved          → revision,
 * environment.seq revision.finished  a revision got its outcome              → revision
 *   revision.stopped   it failed and will not be rolled back by itself, and why → revision
 *   target.reported    what an agent saw, where that changed   → target, target_local, report
 *   release.held       a release is held in an environment     → release_hold
 *   release.unheld     it is held no longer                    → release_hold
 *   release.approved   somebody says yes to it in an environment → release_approval
 *   environment.paused, environment.resumed                    → environment_pause
 *   readiness.changed  it can go back, or can no longer          → readiness
 *   signal.begun, signal.measured, signal.judged               → signal_watch; the last → revision, if it is to be rolled back
 */
#include "base/json.h"
#include "release/engine.h"
#include "release/provenance.h"
#include "release/ready_record.h"
#include "release/signal_watch.h"

static const char schema[]
    = "CREATE TABLE IF NOT EXISTS app ("
      " name TEXT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL, at_us BIGINT NOT NULL);"
      "CREATE TABLE IF NOT EXISTS component ("
      " app TEXT NOT NULL, name TEXT NOT NULL, repository TEXT NOT NULL, ordinal BIGINT NOT NULL,"
      " PRIMARY KEY (app, name));"
      "CREATE TABLE IF NOT EXISTS environment ("
      " app TEXT NOT NULL, name TEXT NOT NULL, ordinal BIGINT NOT NULL, present BIGINT NOT NULL,"
      " window_size BIGINT NOT NULL, on_failure TEXT NOT NULL, trial_ms BIGINT NOT NULL,"
      " progress_deadline_ms BIGINT NOT NULL, seq BIGINT NOT NULL, pointer_seq BIGINT NOT NULL,"
      " PRIMARY KEY (app, name));"
      "CREATE TABLE IF NOT EXISTS target ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, name TEXT NOT NULL, component TEXT NOT NULL,"
      " ordinal BIGINT NOT NULL, present BIGINT NOT NULL, agent TEXT, driver TEXT,"
      " state TEXT NOT NULL, revision BIGINT NOT NULL, progress BIGINT NOT NULL,"
      " observed_digest TEXT, message TEXT, at_us BIGINT NOT NULL,"
      " PRIMARY KEY (app, environment, name));"
      "CREATE INDEX IF NOT EXISTS target_observed ON target (observed_digest);"
      "CREATE TABLE IF NOT EXISTS target_local ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, target TEXT NOT NULL, digest TEXT NOT NULL,"
      " PRIMARY KEY (app, environment, target, digest));"
      "CREATE TABLE IF NOT EXISTS app_release ("
      " app TEXT NOT NULL, number BIGINT NOT NULL, version TEXT NOT NULL, source_repository TEXT,"
      " source_commit TEXT, build TEXT, run_url TEXT, actor TEXT NOT NULL, at_us BIGINT NOT NULL,"
      " seq BIGINT NOT NULL, PRIMARY KEY (app, number));"
      "CREATE INDEX IF NOT EXISTS app_release_seq ON app_release (seq);"
      "CREATE UNIQUE INDEX IF NOT EXISTS app_release_version ON app_release (app, version);"
      "CREATE UNIQUE INDEX IF NOT EXISTS app_release_commit ON app_release (app, source_commit);"
      "CREATE TABLE IF NOT EXISTS release_component ("
      " app TEXT NOT NULL, release BIGINT NOT NULL, name TEXT NOT NULL, ordinal BIGINT NOT NULL,"
      " repository TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL,"
      " size_bytes BIGINT NOT NULL, requested TEXT NOT NULL, PRIMARY KEY (app, release, name));"
      "CREATE TABLE IF NOT EXISTS readiness ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, ready BIGINT NOT NULL, refused BIGINT NOT NULL,"
      " at_us BIGINT NOT NULL, PRIMARY KEY (app, environment));"
      "CREATE TABLE IF NOT EXISTS environment_window ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, for_ms BIGINT NOT NULL,"
      " PRIMARY KEY (app, environment));"
      "CREATE INDEX IF NOT EXISTS release_component_digest ON release_component (digest);"
      "CREATE TABLE IF NOT EXISTS release_provenance ("
      " app TEXT NOT NULL, release BIGINT NOT NULL, ordinal BIGINT NOT NULL, component TEXT,"
      " field TEXT NOT NULL, value TEXT NOT NULL, source TEXT NOT NULL, digest TEXT,"
      " trust BIGINT NOT NULL, attached TEXT, enveloped BIGINT NOT NULL,"
      " PRIMARY KEY (app, release, ordinal));"
      "CREATE TABLE IF NOT EXISTS release_disagreement ("
      " app TEXT NOT NULL, release BIGINT NOT NULL, ordinal BIGINT NOT NULL, line TEXT NOT NULL,"
      " PRIMARY KEY (app, release, ordinal));"
      "CREATE TABLE IF NOT EXISTS revision ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, number BIGINT NOT NULL, kind TEXT NOT NULL,"
      " release BIGINT NOT NULL, cause TEXT NOT NULL, actor TEXT NOT NULL, at_us BIGINT NOT NULL,"
      " expected_revision BIGINT NOT NULL, outcome TEXT NOT NULL, outcome_reason TEXT,"
      " outcome_at_us BIGINT NOT NULL, restores BIGINT NOT NULL, rolled_back_by BIGINT NOT NULL,"
      " rollback_due BIGINT NOT NULL, progress_at_us BIGINT NOT NULL, seq BIGINT NOT NULL,"
      " PRIMARY KEY (app, environment, number));"
      "CREATE INDEX IF NOT EXISTS revision_release ON revision (app, release, environment, number);"
      "CREATE INDEX IF NOT EXISTS revision_open ON revision (app, environment, number)"
      " WHERE outcome = 'progressing' OR rollback_due = 1;"
      "CREATE TABLE IF NOT EXISTS release_hold ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, release BIGINT NOT NULL,"
      " revision BIGINT NOT NULL, actor TEXT NOT NULL, because TEXT NOT NULL, at_us BIGINT NOT NULL,"
      " seq BIGINT NOT NULL, PRIMARY KEY (app, environment, release));"
      "CREATE INDEX IF NOT EXISTS release_hold_release ON release_hold (app, release);"
      "CREATE TABLE IF NOT EXISTS environment_pause ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, actor TEXT NOT NULL, because TEXT NOT NULL,"
      " at_us BIGINT NOT NULL, PRIMARY KEY (app, environment));"
      "CREATE TABLE IF NOT EXISTS release_approval ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, release BIGINT NOT NULL, account TEXT NOT NULL,"
      " actor TEXT NOT NULL, because TEXT, groups TEXT NOT NULL, at_us BIGINT NOT NULL,"
      " seq BIGINT NOT NULL, PRIMARY KEY (app, environment, release, account));"
      "CREATE TABLE IF NOT EXISTS environment_gates ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, rules TEXT NOT NULL,"
      " PRIMARY KEY (app, environment));"
      "CREATE TABLE IF NOT EXISTS environment_signals ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, rules TEXT NOT NULL,"
      " PRIMARY KEY (app, environment));"
      "CREATE TABLE IF NOT EXISTS signal_watch ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, number BIGINT NOT NULL, state TEXT NOT NULL,"
      " began_us BIGINT NOT NULL, until_us BIGINT NOT NULL, reason TEXT, action TEXT, but TEXT,"
      " judged_us BIGINT NOT NULL, tallies TEXT NOT NULL, PRIMARY KEY (app, environment, number));"
      "CREATE INDEX IF NOT EXISTS signal_watch_open ON signal_watch (app, environment)"
      " WHERE state = 'watching';"
      "CREATE TABLE IF NOT EXISTS revision_override ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, number BIGINT NOT NULL, gates TEXT NOT NULL,"
      " PRIMARY KEY (app, environment, number));"
      "CREATE TABLE IF NOT EXISTS report ("
      " app TEXT NOT NULL, environment TEXT NOT NULL, target TEXT NOT NULL, id TEXT NOT NULL,"
      " content TEXT NOT NULL, seq BIGINT NOT NULL,"
      " PRIMARY KEY (app, environment, target, id, content));"
      "CREATE TABLE IF NOT EXISTS idempotency ("
      " scope TEXT NOT NULL, idem_key TEXT NOT NULL, content TEXT NOT NULL, number BIGINT NOT NULL,"
      " PRIMARY KEY (scope, idem_key));";

static const char *const tables[]
    = { "app",          "component",   "environment", "target",
        "target_local", "app_release", "revision",    "release_component",
        "report",       "idempotency", "release_provenance", "release_disagreement",
        "environment_window", "release_hold", "environment_pause",
        "environment_gates", "revision_override", "release_approval", "readiness",
        "environment_signals", "signal_watch", NULL };

/* Moves the marks that long polls compare; `pointer` if agents get something else from now on. */
static gboolean
touch (RpTxn *txn, const RpEvent *event, gboolean pointer, GError **error)
{
  const char *app = rp_json_str (event->body, "app");
  const char *environment = rp_json_str (event->body, "environment");
  if (!rp_txn_exec (txn, error, NULL,
                    "UPDATE environment SET seq = $1 WHERE app = $2 AND name = $3", "iss",
                    event->seq, app, environment))
    return FALSE;
  return !pointer
         || rp_txn_exec (txn, error, NULL,
                         "UPDATE environment SET pointer_seq = $1 WHERE app = $2 AND name = $3",
                         "iss", event->seq, app, environment);
}

static gboolean
apply_components (RpTxn *txn, const RpEvent *event, const char *app, GError **error)
{
  if (!rp_txn_exec (txn, error, NULL, "DELETE FROM component WHERE app = $1", "s", app))
    return FALSE;
  size_t i;
  json_t *component;
  json_array_foreach (json_object_get (event->body, "components"), i, component)
  {
    if (!rp_txn_exec (txn, error, NULL, "INSERT INTO component VALUES ($1, $2, $3, $4)", "sssi",
                      app, rp_json_str (component, "name"), rp_json_str (component, "repository"),
                      (gint64) i + 1))
      return FALSE;
  }
  return TRUE;
}

static gboolean
apply_targets (RpTxn *txn, const char *app, json_t *environment, GError **error)
{
  size_t i;
  json_t *target;
  json_array_foreach (json_object_get (environment, "targets"), i, target)
  {
    if (!rp_txn_exec (txn, error, NULL,
                      "INSERT INTO target VALUES ($1, $2, $3, $4, $5, 1, NULL, NULL, 'unknown', 0,"
                      " 0, NULL, NULL, 0) ON CONFLICT (app, environment, name) DO UPDATE SET"
                      " component = excluded.component, ordinal = excluded.ordinal, present = 1",
                      "ssssi", app, rp_json_str (environment, "name"), rp_json_str (target, "name"),
                      rp_json_str (target, "component"), (gint64) i + 1))
      return FALSE;
  }
  return TRUE;
}

/* Gates or signals: events of before there were any do not have them. */
static gboolean
apply_rules (RpTxn *txn, const char *app, const json_t *environment, const char *key, const char *sql,
             GError **error)
{
  const json_t *declared = json_object_get (environment, key);
  if (declared == NULL)
    return TRUE;
  g_autofree char *rules = rp_json_canonical (declared);
  return rp_txn_exec (txn, error, NULL, sql, "sss", app, rp_json_str (environment, "name"), rules);
}

static gboolean
apply_environments (RpTxn *txn, const RpEvent *event, const char *app, GError **error)
{
  static const char set_gates[] = "INSERT INTO environment_gates VALUES ($1, $2, $3)"
                                  " ON CONFLICT (app, environment) DO UPDATE SET rules = excluded.rules";
  static const char set_signals[] = "INSERT INTO environment_signals VALUES ($1, $2, $3)"
                                    " ON CONFLICT (app, environment) DO UPDATE SET rules = excluded.rules";
  size_t i;
  json_t *environment;
  json_array_foreach (json_object_get (event->body, "environments"), i, environment)
  {
    if (!rp_txn_exec (
            txn, error, NULL,
            "INSERT INTO environment VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, $8)"
            " ON CONFLICT (app, name) DO UPDATE SET ordinal = excluded.ordinal, present = 1,"
            " window_size = excluded.window_size, on_failure = excluded.on_failure,"
            " trial_ms = excluded.trial_ms,"
            " progress_deadline_ms = excluded.progress_deadline_ms",
            "ssiisiii", app, rp_json_str (environment, "name"), (gint64) i + 1,
            rp_json_int (environment, "window"), rp_json_str (environment, "on_failure"),
            rp_json_int (environment, "trial_ms"),
            rp_json_int (environment, "progress_deadline_ms"), event->seq)
        || !rp_txn_exec (txn, error, NULL,
                         "INSERT INTO environment_window VALUES ($1, $2, $3)"
                         " ON CONFLICT (app, environment) DO UPDATE SET for_ms = excluded.for_ms",
                         "ssi", app, rp_json_str (environment, "name"),
                         rp_json_int (environment, "window_for_ms"))
        || !apply_rules (txn, app, environment, "gates", set_gates, error)
        || !apply_rules (txn, app, environment, "signals", set_signals, error)
        || !apply_targets (txn, app, environment, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
app_applied (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *app = rp_json_str (event->body, "app");
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO app VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET"
                      " seq = excluded.seq, at_us = excluded.at_us",
                      "sii", app, event->seq, event->at_us)
         && rp_txn_exec (txn, error, NULL, "UPDATE environment SET present = 0 WHERE app = $1", "s",
                         app)
         && rp_txn_exec (txn, error, NULL, "UPDATE target SET present = 0 WHERE app = $1", "s", app)
         && apply_components (txn, event, app, error) && apply_environments (txn, event, app, error)
         && rp_txn_exec (txn, error, NULL,
                         "UPDATE environment SET seq = $1, pointer_seq = $1 WHERE app = $2", "is",
                         event->seq, app);
}

/* Remembers which number a request's key made. */
static gboolean
remember_key (RpTxn *txn, const RpEvent *event, GError **error)
{
  json_t *idempotency = json_object_get (event->body, "idempotency");
  if (!json_is_object (idempotency))
    return TRUE;
  return rp_txn_exec (txn, error, NULL, "INSERT INTO idempotency VALUES ($1, $2, $3, $4)", "sssi",
                      rp_json_str (idempotency, "scope"), rp_json_str (idempotency, "key"),
                      rp_json_str (idempotency, "content"), rp_json_int (event->body, "number"));
}

static gboolean
release_created (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *app = rp_json_str (event->body, "app");
  gint64 number = rp_json_int (event->body, "number");
  json_t *source = json_object_get (event->body, "source");
  if (!rp_txn_exec (txn, error, NULL,
                    "INSERT INTO app_release VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                    "sissssssii", app, number, rp_json_str (event->body, "version"),
                    rp_json_str (source, "repository"), rp_json_str (source, "commit"),
                    rp_json_str (source, "build"), rp_json_str (source, "run_url"), event->actor,
                    event->at_us, event->seq))
    return FALSE;
  size_t i;
  json_t *component;
  json_array_foreach (json_object_get (event->body, "components"), i, component)
  {
    if (!rp_txn_exec (txn, error, NULL,
                      "INSERT INTO release_component VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                      "sisisssis", app, number, rp_json_str (component, "name"), (gint64) i + 1,
                      rp_json_str (component, "repository"), rp_json_str (component, "digest"),
                      rp_json_str (component, "media_type"), rp_json_int (component, "size_bytes"),
                      rp_json_str (component, "requested")))
      return FALSE;
  }
  return rp_provenance_project (txn, app, number, event->body, error)
         && remember_key (txn, event, error);
}

/* What is left behind: rolled back from, if the event says so, and no longer due to be rolled back
 * by itself. */
static gboolean
leave_revision (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *app = rp_json_str (event->body, "app");
  const char *environment = rp_json_str (event->body, "environment");
  gint64 number = rp_json_int (event->body, "number");
  return rp_txn_exec (txn, error, NULL,
                      "UPDATE revision SET rollback_due = 0"
                      " WHERE app = $1 AND environment = $2 AND number < $3 AND rollback_due = 1",
                      "ssi", app, environment, number)
         && rp_txn_exec (txn, error, NULL,
                         "UPDATE revision SET rolled_back_by = $1"
                         " WHERE app = $2 AND environment = $3 AND number = $4",
                         "issi", number, app, environment, rp_json_int (event->body, "rolls_back"));
}

/* `revision`: the rollback that places it; 0: by hand. */
static gboolean
place_hold (RpTxn *txn, const RpEvent *event, gint64 release, gint64 revision, const char *because,
            GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO release_hold VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                      " ON CONFLICT (app, environment, release) DO UPDATE SET"
                      " revision = excluded.revision, actor = excluded.actor,"
                      " because = excluded.because, at_us = excluded.at_us, seq = excluded.seq",
                      "ssiissii", rp_json_str (event->body, "app"),
                      rp_json_str (event->body, "environment"), release, revision, event->actor,
                      because, event->at_us, event->seq);
}

static gboolean
release_held (RpTxn *txn, const RpEvent *event, GError **error)
{
  return place_hold (txn, event, rp_json_int (event->body, "release"), 0,
                     rp_json_str (event->body, "because"), error)
         && touch (txn, event, FALSE, error);
}

static gboolean
release_unheld (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "DELETE FROM release_hold WHERE app = $1 AND environment = $2 AND release = $3",
                      "ssi", rp_json_str (event->body, "app"),
                      rp_json_str (event->body, "environment"), rp_json_int (event->body, "release"))
         && touch (txn, event, FALSE, error);
}

static gboolean
release_approved (RpTxn *txn, const RpEvent *event, GError **error)
{
  json_t *body = event->body;
  g_autofree char *groups = rp_json_print (json_object_get (body, "groups"));
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO release_approval VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
                      " ON CONFLICT (app, environment, release, account) DO UPDATE SET"
                      " actor = excluded.actor, because = excluded.because, groups = excluded.groups,"
                      " at_us = excluded.at_us, seq = excluded.seq",
                      "ssissssii", rp_json_str (body, "app"), rp_json_str (body, "environment"),
                      rp_json_int (body, "release"), rp_json_str (body, "account"), event->actor,
                      rp_json_str (body, "because"), groups, event->at_us, event->seq)
         && touch (txn, event, FALSE, error);
}

static gboolean
environment_paused (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO environment_pause VALUES ($1, $2, $3, $4, $5)"
                      " ON CONFLICT (app, environment) DO UPDATE SET actor = excluded.actor,"
                      " because = excluded.because, at_us = excluded.at_us",
                      "ssssi", rp_json_str (event->body, "app"),
                      rp_json_str (event->body, "environment"), event->actor,
                      rp_json_str (event->body, "because"), event->at_us)
         && touch (txn, event, FALSE, error);
}

static gboolean
environment_resumed (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "DELETE FROM environment_pause WHERE app = $1 AND environment = $2", "ss",
                      rp_json_str (event->body, "app"), rp_json_str (event->body, "environment"))
         && touch (txn, event, FALSE, error);
}

/* Only rows of the event itself: each knows its number, but for a pause, of which there is one a time. */
static gboolean
event_redacted (RpTxn *txn, const RpEvent *event, GError **error)
{
  gint64 seq = rp_json_int (event->body, "seq");

  return rp_txn_exec (txn, error, NULL, "UPDATE revision SET cause = $1 WHERE seq = $2", "si",
                      RP_LEDGER_REDACTED, seq)
         && rp_txn_exec (txn, error, NULL, "UPDATE release_hold SET because = $1 WHERE seq = $2", "si",
                         RP_LEDGER_REDACTED, seq)
         && rp_txn_exec (txn, error, NULL,
                         "UPDATE release_approval SET because = $1 WHERE seq = $2 AND because IS NOT NULL", "si",
                         RP_LEDGER_REDACTED, seq)
         && rp_txn_exec (txn, error, NULL,
                         "UPDATE environment_pause SET because = $1"
                         " WHERE app = $2 AND environment = $3 AND at_us = $4",
                         "sssi", RP_LEDGER_REDACTED, rp_json_str (event->body, "app"),
                         rp_json_str (event->body, "environment"), rp_json_int (event->body, "at_us"));
}

/* What a rollback left is held, if the event says so: those of before there were holds do not. */
static gboolean
hold_left (RpTxn *txn, const RpEvent *event, GError **error)
{
  gint64 release = rp_json_int (event->body, "holds");
  return release == 0
         || place_hold (txn, event, release, rp_json_int (event->body, "number"),
                        rp_json_str (event->body, "cause"), error);
}

/* Gates that were closed, and that somebody who may went through. */
static gboolean
keep_overrides (RpTxn *txn, const RpEvent *event, GError **error)
{
  json_t *overrides = json_object_get (event->body, "overrides");
  if (overrides == NULL)
    return TRUE;
  g_autofree char *gates = rp_json_canonical (overrides);
  return rp_txn_exec (txn, error, NULL, "INSERT INTO revision_override VALUES ($1, $2, $3, $4)", "ssis",
                      rp_json_str (event->body, "app"), rp_json_str (event->body, "environment"),
                      rp_json_int (event->body, "number"), gates);
}

static gboolean
revision_created (RpTxn *txn, const RpEvent *event, GError **error)
{
  json_t *body = event->body;
  return leave_revision (txn, event, error) && rp_signal_watch_apply_left (txn, event, error)
         && hold_left (txn, event, error)
         && keep_overrides (txn, event, error)
         && rp_txn_exec (
             txn, error, NULL,
             "INSERT INTO revision VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
             " 'progressing', NULL, 0, $10, 0, 0, $8, $11)",
             "ssisissiiii", rp_json_str (body, "app"), rp_json_str (body, "environment"),
             rp_json_int (body, "number"), rp_json_str (body, "kind"),
             rp_json_int (body, "release"), rp_json_str (body, "cause"), event->actor, event->at_us,
             rp_json_int (body, "expected_revision"), rp_json_int (body, "restores"), event->seq)
         && remember_key (txn, event, error) && touch (txn, event, TRUE, error);
}

static gboolean
revision_finished (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "UPDATE revision SET outcome = $1, outcome_reason = $2, outcome_at_us = $3,"
                      " rollback_due = $4 WHERE app = $5 AND environment = $6 AND number = $7",
                      "ssiissi", rp_json_str (event->body, "outcome"),
                      rp_json_str (event->body, "reason"), event->at_us,
                      (gint64) rp_json_bool (event->body, "rollback_due"),
                      rp_json_str (event->body, "app"), rp_json_str (event->body, "environment"),
                      rp_json_int (event->body, "number"))
         && touch (txn, event, TRUE, error);
}

static gboolean
revision_stopped (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "UPDATE revision SET rollback_due = 0,"
                      " outcome_reason = outcome_reason || '; ' || $1"
                      " WHERE app = $2 AND environment = $3 AND number = $4",
                      "sssi", rp_json_str (event->body, "reason"), rp_json_str (event->body, "app"),
                      rp_json_str (event->body, "environment"), rp_json_int (event->body, "number"))
         && touch (txn, event, FALSE, error);
}

static gboolean
apply_local (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *app = rp_json_str (event->body, "app");
  const char *environment = rp_json_str (event->body, "environment");
  const char *target = rp_json_str (event->body, "target");
  if (!rp_txn_exec (txn, error, NULL,
                    "DELETE FROM target_local WHERE app = $1 AND environment = $2 AND target = $3",
                    "sss", app, environment, target))
    return FALSE;
  size_t i;
  json_t *digest;
  json_array_foreach (json_object_get (event->body, "local"), i, digest)
  {
    if (!rp_txn_exec (txn, error, NULL,
                      "INSERT INTO target_local VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                      "ssss", app, environment, target, json_string_value (digest)))
      return FALSE;
  }
  return TRUE;
}

static gboolean
apply_target_state (RpTxn *txn, const RpEvent *event, GError **error)
{
  json_t *body = event->body;
  return rp_txn_exec (txn, error, NULL,
                      "UPDATE target SET agent = $1, driver = $2, state = $3, revision = $4,"
                      " progress = $5, observed_digest = $6, message = $7, at_us = $8"
                      " WHERE app = $9 AND environment = $10 AND name = $11",
                      "sssiississs", rp_json_str (body, "agent"), rp_json_str (body, "driver"),
                      rp_json_str (body, "state"), rp_json_int (body, "revision"),
                      rp_json_int (body, "progress"), rp_json_str (body, "observed_digest"),
                      rp_json_str (body, "message"), event->at_us, rp_json_str (body, "app"),
                      rp_json_str (body, "environment"), rp_json_str (body, "target"))
         && apply_local (txn, event, error);
}

static gboolean
target_reported (RpTxn *txn, const RpEvent *event, GError **error)
{
  json_t *body = event->body;
  if (!rp_txn_exec (txn, error, NULL,
                    "INSERT INTO report VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                    "sssssi", rp_json_str (body, "app"), rp_json_str (body, "environment"),
                    rp_json_str (body, "target"), rp_json_str (body, "id"),
                    rp_json_str (body, "content"), event->seq))
    return FALSE;
  if (!rp_json_bool (body, "stale") && !apply_target_state (txn, event, error))
    return FALSE;
  if (rp_json_bool (body, "advanced")
      && !rp_txn_exec (txn, error, NULL,
                       "UPDATE revision SET progress_at_us = $1"
                       " WHERE app = $2 AND environment = $3 AND number = $4",
                       "issi", event->at_us, rp_json_str (body, "app"),
                       rp_json_str (body, "environment"), rp_json_int (body, "revision")))
    return FALSE;
  return touch (txn, event, FALSE, error);
}

static gboolean
signal_begun (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_signal_watch_apply_begun (txn, event, error) && touch (txn, event, FALSE, error);
}

static gboolean
signal_measured (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_signal_watch_apply_measured (txn, event, error) && touch (txn, event, FALSE, error);
}

static gboolean
signal_judged (RpTxn *txn, const RpEvent *event, GError **error)
{
  /* One that failed is no longer good, and agents keep and go back to what is good. */
  gboolean failed = g_strcmp0 (rp_json_str (event->body, "state"), "failed") == 0;
  return rp_signal_watch_apply_judged (txn, event, error) && touch (txn, event, failed, error);
}

static const struct
{
  const char *kind;
  gboolean (*apply) (RpTxn *txn, const RpEvent *event, GError **error);
} kinds[] = {
  { "app.applied", app_applied },           { "release.created", release_created },
  { "revision.created", revision_created }, { "revision.finished", revision_finished },
  { "revision.stopped", revision_stopped }, { "target.reported", target_reported },
  { "release.held", release_held },         { "release.unheld", release_unheld },
  { "release.approved", release_approved },
  { "environment.paused", environment_paused },
  { "environment.resumed", environment_resumed },
  { RP_EVENT_REDACTED, event_redacted },
  { "readiness.changed", rp_ready_record_apply },
  { "signal.begun", signal_begun },
  { "signal.measured", signal_measured },
  { "signal.judged", signal_judged },
};

static gboolean
apply (RpTxn *txn, const RpEvent *event, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_equal (event->kind, kinds[i].kind))
      return kinds[i].apply (txn, event, error);
  return TRUE;
}

const RpProjector rp_release_projector = {
  .name = "release",
  .schema = schema,
  .tables = tables,
  .apply = apply,
};
