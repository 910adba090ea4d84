#include "release/report.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "release/engine_priv.h"
#include "release/move.h"
#include "release/rollout_run.h"

#define TEXT_MAX  2048 /* bytes of an id, a name or a message */
#define LOCAL_MAX 1000 /* digests */
#define ACTOR_MAX 256  /* bytes; what the ledger takes */

typedef struct
{
  RpEngine *engine;
  const RpReport *report;
  char *actor;
  char *content; /* hash of all that the report says */
  gint64 now_us;
  gint64 seq;
  gint64 pointer_revision;
} Take;

static void
take_clear (Take *take)
{
  g_free (take->actor);
  g_free (take->content);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Take, take_clear)

/* ---- check ---- */

static gboolean
check_text (const char *field, const char *text, gboolean needed, GError **error)
{
  gboolean sane = text != NULL ? strlen (text) <= TEXT_MAX : !needed;
  if (sane && needed)
    sane = text[0] != '\0';
  if (!sane)
    g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "report.%s: expected %s%d bytes of text", field,
                 needed ? "1 to " : "at most ", TEXT_MAX);
  return sane;
}

static gboolean
check_digest (const char *field, const char *text, GError **error)
{
  RpDigest digest;
  if (text == NULL || rp_digest_parse (text, &digest, error))
    return TRUE;
  g_prefix_error (error, "report.%s: ", field);
  return FALSE;
}

static gboolean
check_local (json_t *local, GError **error)
{
  size_t i;
  json_t *digest;
  if (json_array_size (local) > LOCAL_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE, "report.local: more than %d digests",
                   LOCAL_MAX);
      return FALSE;
    }
  json_array_foreach (local, i, digest)
  {
    if (!json_is_string (digest))
      {
        g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "report.local: expected digests");
        return FALSE;
      }
    if (!check_digest ("local", json_string_value (digest), error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
check_undo (const RpReport *report, GError **error)
{
  if (!report->undone)
    return TRUE;
  if (report->undo_to_digest == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "report.undo.to_digest: missing");
      return FALSE;
    }
  return check_digest ("undo.to_digest", report->undo_to_digest, error)
         && check_text ("undo.cause", report->undo_cause, FALSE, error)
         && check_text ("undo.actor", report->undo_actor, FALSE, error);
}

static gboolean
check (const RpReport *report, GError **error)
{
  if (report->revision < 0)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "report.revision: expected 0 or more");
      return FALSE;
    }
  return check_text ("id", report->id, TRUE, error)
         && check_text ("agent", report->agent, TRUE, error)
         && check_text ("driver", report->driver, TRUE, error)
         && check_text ("message", report->message, FALSE, error)
         && check_text ("at", report->at, FALSE, error)
         && check_digest ("observed_digest", report->observed_digest, error)
         && check_local (report->local, error) && check_undo (report, error);
}

/* ---- the event ---- */

static void
set_text (json_t *object, const char *key, const char *text)
{
  if (text != NULL)
    json_object_set_new (object, key, json_string (text));
}

static int
compare_strings (const void *a, const void *b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Sorted and each once, so that the same set reads the same. */
static json_t *
normal_local (json_t *local)
{
  gsize count = json_array_size (local);
  g_autofree const char **digests = g_new0 (const char *, count + 1);
  json_t *sorted = json_array ();
  for (gsize i = 0; i < count; i++)
    digests[i] = json_string_value (json_array_get (local, i));
  qsort (digests, count, sizeof *digests, compare_strings);
  for (gsize i = 0; i < count; i++)
    if (i == 0 || !g_str_equal (digests[i], digests[i - 1]))
      json_array_append_new (sorted, json_string (digests[i]));
  return sorted;
}

static json_t *
undo_to_json (const RpReport *report)
{
  json_t *undo = json_object ();
  set_text (undo, "to_digest", report->undo_to_digest);
  json_object_set_new (undo, "to_revision", json_integer (report->undo_to_revision));
  json_object_set_new (undo, "from_revision", json_integer (report->undo_from_revision));
  set_text (undo, "cause", report->undo_cause);
  set_text (undo, "actor", report->undo_actor);
  return undo;
}

static json_t *
report_to_json (const RpReport *report)
{
  json_t *body = json_object ();
  json_object_set_new (body, "app", json_string (report->app));
  json_object_set_new (body, "environment", json_string (report->environment));
  json_object_set_new (body, "target", json_string (report->target));
  json_object_set_new (body, "id", json_string (report->id));
  json_object_set_new (body, "agent", json_string (report->agent));
  json_object_set_new (body, "driver", json_string (report->driver));
  json_object_set_new (body, "revision", json_integer (report->revision));
  json_object_set_new (body, "state", json_string (rp_target_phase_name (report->phase)));
  set_text (body, "observed_digest", report->observed_digest);
  set_text (body, "message", report->message);
  set_text (body, "at", report->at);
  json_object_set_new (body, "local", normal_local (report->local));
  if (report->undone)
    json_object_set_new (body, "undo", undo_to_json (report));
  return body;
}

/* Whoever it was on the host, as far as the account vouches for it. */
static char *
vouched (const RpReport *report, const char *actor)
{
  g_autofree char *text = NULL;

  if (report->account == NULL)
    return g_strdup (actor);
  text = g_strconcat (report->account, " (", actor, ")", NULL);
  return strlen (text) <= ACTOR_MAX ? g_steal_pointer (&text) : g_strdup (report->account);
}

static char *
hash_content (json_t *body)
{
  g_autofree char *text = rp_json_canonical (body);
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

/* ---- has it changed anything? ---- */

static gboolean
is_repeated (RpTxn *txn, const Take *take, gboolean *out, GError **error)
{
  const RpReport *report = take->report;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT 1 FROM report WHERE app = $1 AND environment = $2 AND target = $3"
      " AND id = $4 AND content = $5",
      "sssss", report->app, report->environment, report->target, report->id, take->content);
  if (rows == NULL)
    return FALSE;
  *out = rp_rows_count (rows) > 0;
  return TRUE;
}

static gboolean
same_local (const RpTargetView *state, json_t *body)
{
  const json_t *local = json_object_get (body, "local");
  if (json_array_size (local) != state->local->len)
    return FALSE;
  for (guint i = 0; i < state->local->len; i++)
    if (!g_str_equal (state->local->pdata[i], json_string_value (json_array_get (local, i))))
      return FALSE;
  return TRUE;
}

static gboolean
same_as_known (const RpTargetView *state, const RpReport *report, json_t *body)
{
  return !report->undone && state->at_us != 0 && state->phase == report->phase
         && state->revision == report->revision && g_strcmp0 (state->agent, report->agent) == 0
         && g_strcmp0 (state->driver, report->driver) == 0
         && g_strcmp0 (state->observed_digest, report->observed_digest) == 0
         && g_strcmp0 (state->message, report->message) == 0 && same_local (state, body);
}

static const RpTargetView *
find_target (const GPtrArray *targets, const RpReport *report, GError **error)
{
  for (guint i = 0; i < targets->len; i++)
    {
      const RpTargetView *state = targets->pdata[i];
      if (g_str_equal (state->name, report->target))
        return state;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "%s/%s has no target \"%s\"; declare it in repoint.yaml", report->app,
               report->environment, report->target);
  return NULL;
}

/* ---- record ---- */

static gint64
target_progress (const RpRollout *state, const char *name)
{
  for (guint i = 0; i < state->targets->len; i++)
    {
      const RpRolloutTarget *target = &g_array_index (state->targets, RpRolloutTarget, i);
      if (g_str_equal (target->name, name))
        return target->progress;
    }
  return 0;
}

static gboolean
record (RpTxn *txn, const Take *take, json_t *body, GError **error)
{
  const RpReport *report = take->report;
  g_auto (RpRollout) state = { 0 };
  g_auto (RpRolloutActions) actions = { 0 };
  g_autoptr (RpRows) rows = NULL;
  if (!rp_rollout_load (txn, report->app, report->environment, &state, &rows, error))
    return FALSE;
  RpRolloutEvent event = { .kind = RP_ROLLOUT_REPORTED,
                           .now_us = take->now_us,
                           .target = report->target,
                           .revision = report->revision,
                           .phase = report->phase,
                           .message = report->message };
  rp_rollout_step (&state, &event, &actions);
  json_object_set_new (body, "content", json_string (take->content));
  json_object_set_new (body, "stale", json_boolean (!actions.takes));
  json_object_set_new (body, "advanced", json_boolean (actions.advanced));
  json_object_set_new (body, "progress", json_integer (target_progress (&state, report->target)));
  return rp_ledger_append (take->engine->ledger, txn, take->actor, "target.reported", body, NULL,
                           error)
         && rp_rollout_record (take->engine, txn, report->app, report->environment, state.revision,
                               &actions, take->actor, error);
}

/* ---- undone on the host ---- */

/* The revision whose release the host went back to: the one it names if that has the digest, else
 * the newest that has; 0 if none. */
static gboolean
find_undone_to (RpTxn *txn, const RpReport *report, const RpTargetView *state, gint64 *out,
                GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT r.number FROM revision r JOIN release_component c"
                      " ON c.app = r.app AND c.release = r.release AND c.name = $3"
                      " WHERE r.app = $1 AND r.environment = $2 AND c.digest = $4 AND r.number < $6"
                      " ORDER BY CASE WHEN r.number = $5 THEN 0 ELSE 1 END, r.number DESC LIMIT 1",
                      "ssssii", report->app, report->environment, state->component,
                      report->undo_to_digest, report->undo_to_revision, report->undo_from_revision);
  if (rows == NULL)
    return FALSE;
  *out = rp_rows_count (rows) == 0 ? 0 : rp_rows_int (rows, 0, 0);
  return TRUE;
}

static char *
undone_cause (const RpReport *report)
{
  const char *cause = report->undo_cause;
  return g_strdup_printf ("undone on the host by agent %s (target %s)%s%s", report->agent,
                          report->target, cause != NULL && cause[0] != '\0' ? ": " : "",
                          cause != NULL ? cause : "");
}

static gboolean
repoint_undone (RpTxn *txn, const Take *take, RpEnvironment *environment, gint64 restored_number,
                GError **error)
{
  const RpReport *report = take->report;
  gint64 number;
  g_autoptr (RpRevision) restored
      = rp_revision_load (txn, report->app, report->environment, restored_number, error);
  if (restored == NULL)
    return FALSE;
  if (restored->release->number == environment->current->release->number)
    return TRUE;
  g_autofree char *cause = undone_cause (report);
  RpDecision move = { .environment = environment,
                      .release = restored->release,
                      .restores = restored->number,
                      .cause = cause };
  g_autofree char *actor = report->undo_actor != NULL && report->undo_actor[0] != '\0'
                               ? vouched (report, report->undo_actor)
                               : g_strdup (take->actor);
  return rp_revision_append (take->engine, txn, &move, RP_KIND_ROLLBACK, actor, NULL, &number,
                             error);
}

/* The pointer follows what happened on the host, if nobody moved it elsewhere since. */
static gboolean
follow_undone (RpTxn *txn, const Take *take, const RpTargetView *state, GError **error)
{
  const RpReport *report = take->report;
  gint64 restored;
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, report->app, report->environment, error);
  if (environment == NULL
      || !rp_revision_load_current (txn, report->app, report->environment, &environment->current,
                                    error)
      || !find_undone_to (txn, report, state, &restored, error))
    return FALSE;
  if (restored == 0 || environment->current == NULL
      || environment->current->number != report->undo_from_revision)
    return TRUE;
  return repoint_undone (txn, take, environment, restored, error);
}

/* ---- take ---- */

static gboolean
answer (RpTxn *txn, Take *take, GError **error)
{
  const RpReport *report = take->report;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT seq, (SELECT MAX(number) FROM revision r WHERE r.app = e.app"
                      " AND r.environment = e.name) FROM environment e"
                      " WHERE e.app = $1 AND e.name = $2",
                      "ss", report->app, report->environment);
  if (rows == NULL)
    return FALSE;
  take->seq = rp_rows_int (rows, 0, 0);
  take->pointer_revision = rp_rows_int (rows, 0, 1);
  return TRUE;
}

static gboolean
take_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Take *take = user_data;
  const RpReport *report = take->report;
  gboolean repeated;
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, report->app, report->environment, error);
  if (environment == NULL)
    return FALSE;
  g_autoptr (GPtrArray) targets
      = rp_target_view_load_all (take->engine, txn, report->app, report->environment, error);
  const RpTargetView *state = targets == NULL ? NULL : find_target (targets, report, error);
  if (state == NULL)
    return FALSE;
  g_autoptr (json_t) body = report_to_json (report);
  take->content = hash_content (body);
  if (!is_repeated (txn, take, &repeated, error))
    return FALSE;
  if (repeated || same_as_known (state, report, body))
    return answer (txn, take, error);
  return record (txn, take, body, error)
         && (!report->undone || follow_undone (txn, take, state, error))
         && answer (txn, take, error);
}

gboolean
rp_report_take (RpEngine *engine, const RpReport *report, gint64 *out_seq,
                gint64 *out_pointer_revision, GError **error)
{
  g_auto (Take) take = { .engine = engine, .report = report, .now_us = rp_clock_now_us () };
  if (!check (report, error))
    return FALSE;
  g_autofree char *agent = g_strconcat ("agent:", report->agent, NULL);
  take.actor = vouched (report, agent);
  if (!rp_db_write (engine->db, take_in_txn, &take, error))
    return FALSE;
  rp_target_seen (engine, report->app, report->environment, report->target,
                  &(RpAgentWord){ .agent = report->agent, .driver = report->driver }, take.now_us);
  *out_seq = take.seq;
  *out_pointer_revision = take.pointer_revision;
  return TRUE;
}
