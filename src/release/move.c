#include "release/move.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "release/engine_priv.h"
#include "release/gate_facts.h"
#include "release/key.h"
#include "release/plan.h"
#include "release/rollout_run.h"

static void
passed_over_free (gpointer data)
{
  RpPassedOver *passed = data;
  g_free (passed->version);
  g_free (passed->why);
  g_free (passed);
}

void
rp_decision_free (RpDecision *move)
{
  if (move == NULL)
    return;
  rp_environment_free (move->environment);
  rp_release_free (move->release);
  g_free (move->cause);
  g_clear_pointer (&move->skipped, g_ptr_array_unref);
  g_free (move->caution);
  g_clear_pointer (&move->gates, g_ptr_array_unref);
  g_free (move->webhook);
  g_strfreev (move->keys);
  g_free (move);
}

/* `1.2.0 (revision 4)` */
static char *
revision_label (const RpRevision *revision)
{
  return revision == NULL ? g_strdup ("nothing")
                          : g_strdup_printf ("%s (revision %" G_GINT64_FORMAT ")",
                                             revision->release->version, revision->number);
}

/* ---- where the pointer is expected to be ---- */

static gboolean
set_moved (RpTxn *txn, const RpMoveRequest *request, const RpRevision *current, GError **error)
{
  if (current == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_MOVED,
                   "%s/%s is at no revision yet, not at %" G_GINT64_FORMAT
                   ": nothing was ever deployed there; expect revision 0",
                   request->app, request->environment, request->expected_revision);
      return FALSE;
    }
  g_autoptr (RpRevision) before = NULL;
  if (current->number > 1)
    {
      before
          = rp_revision_load (txn, request->app, request->environment, current->number - 1, error);
      if (before == NULL)
        return FALSE;
    }
  g_autofree char *from = revision_label (before);
  g_autofree char *to = revision_label (current);
  g_autofree char *at = rp_clock_format (current->at_us);
  g_set_error (
      error, RP_ERROR, RP_ERROR_MOVED,
      "%s/%s is at revision %" G_GINT64_FORMAT ", not at %" G_GINT64_FORMAT
      ": %s moved it at %s from %s to %s (%s: %s); nothing was changed now. Look at it, and if"
      " you still want to, repeat with expected revision %" G_GINT64_FORMAT,
      request->app, request->environment, current->number, request->expected_revision,
      current->actor, at, from, to, rp_kind_name (current->kind), current->cause, current->number);
  return FALSE;
}

static gboolean
check_expected (RpTxn *txn, const RpMoveRequest *request, const RpRevision *current, GError **error)
{
  gint64 number = current == NULL ? 0 : current->number;
  if (request->expected_revision == RP_ANY_REVISION || request->expected_revision == number)
    return TRUE;
  return set_moved (txn, request, current, error);
}

/* ---- deploy ---- */

static gboolean
decide_deploy (RpTxn *txn, const RpMoveRequest *request, RpDecision *move, GError **error)
{
  if (request->release == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "a deploy needs a release: its version, number, commit or digest");
      return FALSE;
    }
  move->release = rp_release_find (txn, request->app, request->release, error);
  if (move->release == NULL)
    return FALSE;
  move->cause = g_strdup_printf ("deploy %s", move->release->version);
  return TRUE;
}

/* ---- promote ---- */

static RpEnvironment *
load_source (RpTxn *txn, const RpMoveRequest *request, const RpEnvironment *into, GError **error)
{
  if (request->from != NULL)
    return rp_environment_load (txn, request->app, request->from, error);
  g_autoptr (RpGateRules) rules = rp_gate_rules_from_text (into->gates, error);
  if (rules == NULL)
    return NULL;
  if (rules->from != NULL && rules->from[0] != NULL)
    return rp_environment_load (txn, request->app, rules->from[0], error);
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT name FROM environment WHERE app = $1 AND present = 1 AND ordinal < $2"
                      " ORDER BY ordinal DESC LIMIT 1",
                      "si", request->app, into->order);
  if (rows == NULL)
    return NULL;
  if (rp_rows_count (rows) > 0)
    return rp_environment_load (txn, request->app, rp_rows_text (rows, 0, 0), error);
  g_set_error (
      error, RP_ERROR, RP_ERROR_INVALID,
      "%s is the first environment of %s: there is none before it to promote from; name one"
      " or deploy a release",
      into->name, request->app);
  return NULL;
}

static gboolean
check_source_healthy (const RpEnvironment *source, GError **error)
{
  const RpRevision *current = source->current;
  if (current == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
                   "nothing was ever deployed to %s/%s, so there is nothing to promote",
                   source->app, source->name);
      return FALSE;
    }
  if (current->signals_failed)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
                   "the signals of %s failed in %s (revision %" G_GINT64_FORMAT "); `repoint rollout status %s/%s`"
                   " says which. Repair it there, or deploy the release by name",
                   current->release->version, source->name, current->number, source->app, source->name);
      return FALSE;
    }
  if (current->outcome == RP_OUTCOME_HEALTHY)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
               "%s is not healthy in %s (revision %" G_GINT64_FORMAT
               " is %s%s%s); only what is healthy"
               " there is promoted. Wait for it or repair it, or deploy the release by name",
               current->release->version, source->name, current->number,
               rp_outcome_name (current->outcome), current->outcome_reason != NULL ? ": " : "",
               current->outcome_reason != NULL ? current->outcome_reason : "");
  return FALSE;
}

static gboolean
check_asked_release (RpTxn *txn, const RpMoveRequest *request, const RpEnvironment *source,
                     GError **error)
{
  if (request->release == NULL)
    return TRUE;
  g_autoptr (RpRelease) asked = rp_release_find (txn, request->app, request->release, error);
  if (asked == NULL)
    return FALSE;
  if (asked->number == source->current->release->number)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
               "%s is not what is current in %s (that is %s), and only that is promoted",
               asked->version, source->name, source->current->release->version);
  return FALSE;
}

static gboolean
decide_promote (RpTxn *txn, const RpMoveRequest *request, RpDecision *move, GError **error)
{
  g_autoptr (RpEnvironment) source = load_source (txn, request, move->environment, error);
  if (source == NULL)
    return FALSE;
  if (g_str_equal (source->name, request->environment))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s cannot be promoted from itself",
                   source->name);
      return FALSE;
    }
  if (!rp_revision_load_current (txn, source->app, source->name, &source->current, error)
      || !check_source_healthy (source, error)
      || !check_asked_release (txn, request, source, error))
    return FALSE;
  move->release = rp_release_copy (source->current->release);
  move->cause = g_strdup_printf ("promote %s from %s revision %" G_GINT64_FORMAT,
                                 move->release->version, source->name, source->current->number);
  return TRUE;
}

/* ---- rollback ---- */

static const char same_release[] = "the same release as the current one";

static char *
explain (RpTxn *txn, const RpMoveRequest *request, const RpSkipped *skipped,
         const RpRevision *revision)
{
  switch (skipped->why)
    {
    case RP_SKIP_SAME_RELEASE:
      return g_strdup (same_release);
    case RP_SKIP_FAILED:
      return g_strdup ("it failed"); /* its own record says why, at length */
    case RP_SKIP_ROLLED_BACK:
      return g_strdup_printf ("was rolled back from, by revision %" G_GINT64_FORMAT,
                              skipped->other);
    case RP_SKIP_SIGNALS_FAILED:
      return g_strdup ("its signals failed");
    case RP_SKIP_NEVER_HEALTHY:
      return g_strdup_printf ("never became healthy (%s)", rp_outcome_name (revision->outcome));
    case RP_SKIP_RELEASE_FAILED_LATER:
      return g_strdup_printf ("its release failed later, in revision %" G_GINT64_FORMAT,
                              skipped->other);
    case RP_SKIP_RELEASE_ROLLED_BACK_LATER:
      return g_strdup_printf (
          "its release was rolled back from later, in revision %" G_GINT64_FORMAT, skipped->other);
    }
  g_assert_not_reached ();
}

#define SKIPPED_SHOWN 20 /* more are history, not help */

static gboolean
load_skipped (RpTxn *txn, const RpMoveRequest *request, const GArray *skipped, RpDecision *move,
              GError **error)
{
  move->skipped = g_ptr_array_new_with_free_func (passed_over_free);
  for (guint i = 0; i < MIN (skipped->len, SKIPPED_SHOWN); i++)
    {
      const RpSkipped *one = &g_array_index (skipped, RpSkipped, i);
      g_autoptr (RpRevision) revision
          = rp_revision_load (txn, request->app, request->environment, one->revision, error);
      if (revision == NULL)
        return FALSE;
      RpPassedOver *passed = g_new0 (RpPassedOver, 1);
      passed->revision = one->revision;
      passed->version = g_strdup (revision->release->version);
      passed->why = explain (txn, request, one, revision);
      g_ptr_array_add (move->skipped, passed);
    }
  return TRUE;
}

static gboolean
set_no_known_good (const RpMoveRequest *request, const RpDecision *move, GError **error)
{
  g_autoptr (GString) looked = g_string_new (NULL);
  for (guint i = 0; i < move->skipped->len; i++)
    {
      const RpPassedOver *passed = move->skipped->pdata[i];
      if (g_str_equal (passed->why, same_release))
        continue;
      g_string_append_printf (looked, "%srevision %" G_GINT64_FORMAT " (%s): %s",
                              looked->len == 0 ? "" : "; ", passed->revision, passed->version, passed->why);
    }
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "%s/%s has no known good release to go back to; looked at: %s. Name one with"
               " --to-revision N, or deploy another release",
               request->app, request->environment,
               looked->len > 0 ? looked->str : "nothing, no other release ever ran here");
  return FALSE;
}

static gboolean
choose_known_good (RpTxn *txn, const RpMoveRequest *request, const GArray *history,
                   RpDecision *move, gint64 *out_revision, GError **error)
{
  g_auto (RpKnownGood) known = { 0 };
  rp_known_good_select ((const RpHistoryRow *) (gconstpointer)history->data, history->len,
                        move->environment->window, &known);
  if (!load_skipped (txn, request, known.skipped, move, error))
    return FALSE;
  if (known.undo_revision == 0)
    return set_no_known_good (request, move, error);
  *out_revision = known.undo_revision;
  return TRUE;
}

/* The newest revision of the release here that is good, else the newest of it at all. */
static gboolean
choose_revision_of (RpTxn *txn, const RpMoveRequest *request, const GArray *history,
                    gint64 *out_revision, GError **error)
{
  const RpHistoryRow *rows = (const RpHistoryRow *) (gconstpointer)history->data;
  g_autoptr (RpRelease) release = rp_release_find (txn, request->app, request->release, error);
  gint64 newest = 0;
  if (release == NULL)
    return FALSE;
  for (guint i = 0; i < history->len; i++)
    {
      if (rows[i].release != release->number)
        continue;
      if (newest == 0)
        newest = rows[i].number;
      if (rp_known_good_is (rows, history->len, rows[i].number))
        {
          *out_revision = rows[i].number;
          return TRUE;
        }
    }
  *out_revision = newest;
  if (newest != 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
               "%s never ran in %s/%s, so it cannot be gone back to; `deploy` it instead",
               release->version, request->app, request->environment);
  return FALSE;
}

static gboolean
choose_restored (RpTxn *txn, const RpMoveRequest *request, const GArray *history, RpDecision *move,
                 gint64 *out, GError **error)
{
  if (request->to_revision != 0)
    {
      *out = request->to_revision;
      return TRUE;
    }
  if (request->release != NULL)
    return choose_revision_of (txn, request, history, out, error);
  return choose_known_good (txn, request, history, move, out, error);
}

static gboolean
check_restored (const RpRevision *restored, const RpRevision *current, GError **error)
{
  if (restored->release->number == current->release->number)
    {
      g_set_error (
          error, RP_ERROR, RP_ERROR_BLOCKED,
          "%s is what %s/%s is pointed at already (revision %" G_GINT64_FORMAT
          "): going back to it would change nothing; `deploy --again` it to have its targets take"
          " it up again",
          restored->release->version, restored->app, restored->environment, current->number);
      return FALSE;
    }
  return TRUE;
}

static void
caution_not_good (const RpRevision *restored, RpDecision *move)
{
  if (restored->good)
    return;
  if (restored->signals_failed)
    move->caution = g_strdup_printf ("not known good: the signals of revision %" G_GINT64_FORMAT " failed",
                                     restored->number);
  else if (restored->rolled_back_by != 0)
    move->caution = g_strdup_printf ("not known good: revision %" G_GINT64_FORMAT
                                     " was rolled back from, by revision %" G_GINT64_FORMAT,
                                     restored->number, restored->rolled_back_by);
  else
    move->caution = g_strdup_printf ("not known good: revision %" G_GINT64_FORMAT " is %s%s%s",
                                     restored->number, rp_outcome_name (restored->outcome),
                                     restored->outcome == RP_OUTCOME_HEALTHY
                                         ? ", but its release failed or was rolled back from since"
                                     : restored->outcome_reason != NULL ? ": "
                                                                        : "",
                                     restored->outcome != RP_OUTCOME_HEALTHY
                                             && restored->outcome_reason != NULL
                                         ? restored->outcome_reason
                                         : "");
}

static gboolean
decide_rollback (RpTxn *txn, const RpMoveRequest *request, RpDecision *move, GError **error)
{
  const RpRevision *current = move->environment->current;
  gint64 number;
  if (current == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
                   "nothing was ever deployed to %s/%s: there is nothing to go back from",
                   request->app, request->environment);
      return FALSE;
    }
  if (request->to_revision != 0 && request->release != NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "a rollback takes a release or a revision to go back to, not both");
      return FALSE;
    }
  g_autoptr (GArray) history
      = rp_revision_load_history (txn, request->app, request->environment, error);
  if (history == NULL || !choose_restored (txn, request, history, move, &number, error))
    return FALSE;
  g_autoptr (RpRevision) restored
      = rp_revision_load (txn, request->app, request->environment, number, error);
  if (restored == NULL || !check_restored (restored, current, error))
    return FALSE;
  caution_not_good (restored, move);
  g_autofree char *from = revision_label (current);
  g_autofree char *to = revision_label (restored);
  move->cause = g_strdup_printf ("roll back from %s to %s", from, to);
  move->restores = restored->number;
  move->release = rp_release_copy (restored->release);
  return TRUE;
}

/* ---- decide ---- */

/* Deploying what was rolled back from here is allowed, but not in silence. */
static gboolean
caution_rolled_back (RpTxn *txn, const RpMoveRequest *request, RpDecision *move, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT r.number, b.number, b.actor, b.cause, r.outcome, r.outcome_reason FROM revision r"
      " LEFT JOIN revision b ON b.app = r.app AND b.environment = r.environment"
      " AND b.number = r.rolled_back_by WHERE r.app = $1 AND r.environment = $2 AND r.release = $3"
      " AND (r.rolled_back_by <> 0 OR r.outcome IN ('healthy', 'failed'))"
      " ORDER BY r.number DESC LIMIT 1",
      "ssi", request->app, request->environment, move->release->number);
  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  if (!rp_rows_is_null (rows, 0, 1))
    move->caution = g_strdup_printf ("was rolled back from in %s: revision %" G_GINT64_FORMAT
                                     ", by %s in revision %" G_GINT64_FORMAT " (%s)",
                                     request->environment, rp_rows_int (rows, 0, 0),
                                     rp_rows_text (rows, 0, 2), rp_rows_int (rows, 0, 1),
                                     rp_rows_text (rows, 0, 3));
  else if (g_str_equal (rp_rows_text (rows, 0, 4), "failed"))
    move->caution = g_strdup_printf (
        "failed in %s when it was last there: revision %" G_GINT64_FORMAT " (%s)",
        request->environment, rp_rows_int (rows, 0, 0), rp_rows_text (rows, 0, 5));
  return TRUE;
}

static gboolean
judge_gates (RpTxn *txn, const RpMoveRequest *request, RpDecision *move, GError **error)
{
  g_auto (RpGateFacts) facts = { 0 };
  if (!rp_gate_facts_load (txn, move->environment, move->release, rp_clock_now_us (), &facts, error))
    return FALSE;
  facts.answer = request->answer;
  facts.signatures = request->signatures;
  move->keys = g_strdupv (facts.rules->keys);
  move->webhook = g_strdup (facts.rules->webhook);
  move->webhook_timeout_ms = facts.rules->webhook_timeout_ms;
  move->gates = rp_gates_judge (&facts, request->overrides);
  return TRUE;
}

/* Is the release current, healthy, and what every target runs? A target that drifted is reason enough to point at it
 * again. */
static gboolean
find_already (RpTxn *txn, const RpMoveRequest *request, RpDecision *move, GError **error)
{
  const RpRevision *current = move->environment->current;
  if (request->again || current == NULL || current->release->number != move->release->number
      || current->outcome != RP_OUTCOME_HEALTHY)
    return TRUE;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT 1 FROM target t LEFT JOIN release_component c ON c.app = t.app AND c.release = $3"
      " AND c.name = t.component WHERE t.app = $1 AND t.environment = $2 AND t.present = 1"
      " AND (t.state <> 'confirmed' OR t.revision <> $4 OR t.observed_digest <> c.digest) LIMIT 1",
      "ssii", request->app, request->environment, move->release->number, current->number);
  if (rows == NULL)
    return FALSE;
  move->already = rp_rows_count (rows) == 0;
  return TRUE;
}

static gboolean
check_overrides (const RpMoveRequest *request, GError **error)
{
  if (request->overrides == NULL || request->overrides[0] == NULL)
    return TRUE;
  if (!rp_gates_check_overrides (request->overrides, error))
    return FALSE;
  if (request->cause != NULL && request->cause[0] != '\0')
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                       "whoever overrides a gate says why: give a cause with the overrides");
  return FALSE;
}

static gboolean
decide_by_kind (RpTxn *txn, const RpMoveRequest *request, RpDecision *move, GError **error)
{
  if (rp_kind_is_rollback (request->kind))
    return decide_rollback (txn, request, move, error);
  if (request->to_revision != 0)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "to_revision is for a rollback; a %s takes a release",
                   rp_kind_name (request->kind));
      return FALSE;
    }
  return check_overrides (request, error)
         && (request->kind == RP_KIND_PROMOTE ? decide_promote (txn, request, move, error)
                                           : decide_deploy (txn, request, move, error))
         && caution_rolled_back (txn, request, move, error) && find_already (txn, request, move, error)
         && (move->already || judge_gates (txn, request, move, error));
}

RpDecision *
rp_move_decide (RpTxn *txn, const RpMoveRequest *request, GError **error)
{
  g_autoptr (RpDecision) move = g_new0 (RpDecision, 1);
  move->environment = rp_environment_load (txn, request->app, request->environment, error);
  if (move->environment == NULL || !rp_environment_require_present (move->environment, error)
      || !rp_revision_load_current (txn, request->app, request->environment,
                                    &move->environment->current, error)
      || !check_expected (txn, request, move->environment->current, error)
      || !decide_by_kind (txn, request, move, error))
    return NULL;
  if (move->skipped == NULL)
    move->skipped = g_ptr_array_new_with_free_func (passed_over_free);
  if (move->gates == NULL)
    move->gates = g_ptr_array_new ();
  if (request->cause != NULL && request->cause[0] != '\0')
    {
      g_free (move->cause);
      move->cause = g_strdup (request->cause);
    }
  return g_steal_pointer (&move);
}

/* ---- move ---- */

#define BACK_AND_FORTH 100 /* revisions that are looked at, no more */

/* Which release a rollback holds: the one that it leaves. One that takes back the rollback before it, and so goes
 * forward again, accuses nothing; one that takes that back does. 0: none. */
static gboolean
find_held (RpTxn *txn, const RpDecision *move, gint64 *out, GError **error)
{
  const RpRevision *current = move->environment->current;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT kind, release FROM revision WHERE app = $1 AND environment = $2"
                      " ORDER BY number DESC LIMIT $3",
                      "ssi", current->app, current->environment, (gint64) BACK_AND_FORTH);
  if (rows == NULL)
    return FALSE;
  gint64 to = move->release->number;
  gboolean takes_back = FALSE;
  for (gsize i = 0; i + 1 < rp_rows_count (rows); i++)
    {
      gboolean rollback = g_str_has_suffix (rp_rows_text (rows, i, 0), "rollback");
      if (!rollback || rp_rows_int (rows, i + 1, 1) != to)
        break;
      takes_back = !takes_back;
      to = rp_rows_int (rows, i, 1);
    }
  *out = takes_back ? 0 : current->release->number;
  return TRUE;
}

gboolean
rp_revision_append (RpEngine *engine, RpTxn *txn, const RpDecision *move, RpRevisionKind kind,
                    const char *actor, json_t *idempotency, gint64 *out_number, GError **error)
{
  const char *app = move->environment->app;
  const char *environment = move->environment->name;
  gint64 from = move->environment->current == NULL ? 0 : move->environment->current->number;
  if (from != 0 && !rp_rollout_run_moved_on (engine, txn, app, environment, actor, error))
    return FALSE;
  g_autoptr (json_t) body = json_object ();
  json_t *overrides = rp_gates_overridden_json (move->gates);
  if (overrides != NULL)
    json_object_set_new (body, "overrides", overrides);
  json_object_set_new (body, "app", json_string (app));
  json_object_set_new (body, "environment", json_string (environment));
  json_object_set_new (body, "number", json_integer (from + 1));
  json_object_set_new (body, "kind", json_string (rp_kind_name (kind)));
  json_object_set_new (body, "release", json_integer (move->release->number));
  json_object_set_new (body, "version", json_string (move->release->version));
  json_object_set_new (body, "cause", json_string (move->cause));
  json_object_set_new (body, "expected_revision", json_integer (from));
  if (rp_kind_is_rollback (kind))
    {
      gint64 held;
      if (!find_held (txn, move, &held, error))
        return FALSE;
      json_object_set_new (body, "restores", json_integer (move->restores));
      json_object_set_new (body, "rolls_back", json_integer (from));
      if (held != 0)
        json_object_set_new (body, "holds", json_integer (held));
    }
  if (idempotency != NULL)
    json_object_set (body, "idempotency", idempotency);
  if (!rp_ledger_append (engine->ledger, txn, actor, "revision.created", body, NULL, error)
      || !rp_rollout_run_started (engine, txn, app, environment, actor, error))
    return FALSE;
  *out_number = from + 1;
  return TRUE;
}

typedef struct
{
  RpEngine *engine;
  const RpMoveRequest *request;
  const RpPlan *plan; /* NULL: only look for an earlier answer to the same key */
  char *scope;
  RpRevision *revision;
  gboolean created;
} Move;

/* TRUE with move->revision set if this key was answered before. */
static gboolean
replay_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Move *move = user_data;
  const RpMoveRequest *request = move->request;
  gint64 number;
  if (!rp_key_find (txn, move->scope, request->idempotency_key, request->request_hash, &number,
                    error))
    return FALSE;
  if (number == 0)
    return TRUE;
  move->revision = rp_revision_load (txn, request->app, request->environment, number, error);
  return move->revision != NULL;
}

static gboolean
move_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Move *move = user_data;
  const RpMoveRequest *request = move->request;
  gint64 number;
  if (!replay_in_txn (txn, user_data, error))
    return FALSE;
  if (move->revision != NULL)
    return TRUE;
  g_autoptr (RpDecision) decided = rp_move_decide (txn, request, error);
  if (decided == NULL)
    return FALSE;
  /* Somebody moved the pointer between the plan and now and the choice would be another: not what
   * was shown, and not what was verified. */
  if (decided->release->number != move->plan->move->release->number)
    {
      RpMoveRequest planned = *request;
      planned.expected_revision = rp_plan_expected_revision (move->plan);
      return set_moved (txn, &planned, decided->environment->current, error);
    }
  if (decided->already)
    {
      move->revision = g_steal_pointer (&decided->environment->current);
      return TRUE;
    }
  if (!rp_gates_require_open (decided->gates, error)
      || !rp_release_check_present (txn, decided->release, error))
    return FALSE;
  g_autoptr (json_t) key
      = rp_key_to_json (move->scope, request->idempotency_key, request->request_hash);
  if (!rp_revision_append (move->engine, txn, decided, request->kind, request->actor, key, &number,
                           error))
    return FALSE;
  move->created = TRUE;
  move->revision = rp_revision_load (txn, request->app, request->environment, number, error);
  return move->revision != NULL;
}

RpRevision *
rp_revision_move (RpEngine *engine, const RpMoveRequest *request, gboolean *out_created,
                  GError **error)
{
  g_autofree char *scope = g_strdup_printf ("%s/%s/revisions", request->app, request->environment);
  Move move = { .engine = engine, .request = request, .scope = scope };
  if (!rp_db_read (engine->db, replay_in_txn, &move, error))
    return NULL;
  if (move.revision == NULL)
    {
      RpMoveRequest executed = *request;
      executed.executing = TRUE;
      g_autoptr (RpPlan) plan = rp_plan_compute (engine, &executed, RP_VERIFY_PRESENT, error);
      if (plan == NULL || !rp_plan_require_open (plan, error))
        return NULL;
      executed.answer = plan->answer;
      executed.signatures = plan->signatures;
      move.request = &executed;
      move.plan = plan;
      if (!rp_db_write (engine->db, move_in_txn, &move, error))
        {
          rp_revision_free (move.revision);
          return NULL;
        }
    }
  *out_created = move.created;
  return move.revision;
}
