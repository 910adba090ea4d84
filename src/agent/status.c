#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/control.h"
#include "agent/host.h"
#include "agent/undo.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

/* What one target's rows are made from. */
typedef struct {
  const RpAgentConfig *config;
  const RpTargetConfig *target;
  RpJournal *journal;
  RpTargetState *state;
  GHashTable *ready;
  RpObservation *seen; /* NULL: could not look */
} View;

/* ---- looking ---- */

static gboolean
observe (const View *view, const RpDriverOps *const *drivers, RpStore *store, RpObservation *out,
         GError **error)
{
  const RpDriverOps *ops = rp_host_driver (drivers, view->target, error);
  gint cancelled = 0;
  RpDriverContext context = { .name = view->target->name,
                              .state_dir = view->target->state_dir,
                              .store = store,
                              .registry = view->config->registry,
                              .cancelled = &cancelled };
  gpointer driver;
  gboolean ok;

  if (ops == NULL)
    return FALSE;
  if (view->target->options == NULL)
    return rp_yaml_error (view->target->node, error, "options: absent; the driver %s needs them",
                          view->target->driver);
  driver = ops->open (&context, view->target->options, error);
  if (driver == NULL)
    return FALSE;
  ok = ops->observe (driver, out, error);
  ops->close (driver);
  return ok;
}

/* ---- the window ---- */

static gboolean
known_to_journal (const RpEntry *entry, RpLearn *out, gpointer user_data, GError **error)
{
  const View *view = user_data;

  return rp_journal_known (view->journal, view->target->name, &entry->digest, out, error);
}

/* Status does not hash: it believes the mark of the last time, and says when that was. */
static gboolean
marked_ready (const RpEntry *entry, gpointer user_data, GError **error)
{
  const View *view = user_data;

  if (g_hash_table_contains (view->ready, &entry->digest))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_BLOB_UNKNOWN, "never laid ready");
  return FALSE;
}

static RpEntry *
undo_target (View *view)
{
  RpUndoFacts facts = { known_to_journal, marked_ready, view };
  g_autoptr (json_t) skipped = NULL;
  g_autoptr (GError) refused = NULL;
  RpEntry *entry = NULL;

  return rp_undo_choose (view->state, view->seen, 0, &facts, &entry, &skipped, &refused) ? entry
                                                                                        : NULL;
}

static json_t *
window_row (View *view, const RpEntry *entry, const RpEntry *undo)
{
  char text[RP_DIGEST_STRING_SIZE];
  const gint64 *verified_us = g_hash_table_lookup (view->ready, &entry->digest);
  g_autofree char *verified = verified_us != NULL ? rp_clock_format (*verified_us) : NULL;
  g_autoptr (GError) error = NULL;
  RpLearn known = RP_LEARN_NOTHING;
  gboolean current = view->seen != NULL && view->seen->has_digest
                     && rp_digest_equal (&view->seen->digest, &entry->digest);

  if (!known_to_journal (entry, &known, view, &error))
    known = RP_LEARN_NOTHING;
  return json_pack ("{s:I, s:I, s:s, s:s, s:b, s:b, s:b, s:s?, s:b, s:b}", "revision",
                    (json_int_t) entry->revision, "release", (json_int_t) entry->release_number,
                    "version", entry->version, "digest", rp_digest_format (&entry->digest, text),
                    "good", entry->good, "confirmed_here", known == RP_LEARN_CONFIRMED, "local",
                    verified_us != NULL, "verified_at", verified, "current", current,
                    "undo_target", undo != NULL && undo->revision == entry->revision);
}

static json_t *
window_rows (View *view)
{
  g_autoptr (RpEntry) undo = undo_target (view);
  json_t *rows = json_array ();

  for (guint i = 0; i < view->state->window->len; i++)
    json_array_append_new (rows,
                           window_row (view, g_ptr_array_index (view->state->window, i), undo));
  return rows;
}

/* ---- one target ---- */

static const RpEntry *
observed_entry (const View *view)
{
  const RpTargetState *state = view->state;
  const RpEntry *own[] = { state->work, state->confirmed, state->undo.to, state->previous };

  if (view->seen == NULL || !view->seen->has_digest)
    return NULL;
  for (guint i = 0; i < state->window->len; i++)
    {
      const RpEntry *entry = g_ptr_array_index (state->window, i);

      if (rp_digest_equal (&entry->digest, &view->seen->digest))
        return entry;
    }
  for (guint i = 0; i < G_N_ELEMENTS (own); i++)
    if (own[i] != NULL && rp_digest_equal (&own[i]->digest, &view->seen->digest))
      return own[i];
  return NULL;
}

static json_t *
revision_or_null (const RpEntry *entry)
{
  return entry == NULL ? json_null () : json_integer (entry->revision);
}

static void
add_observed (const View *view, json_t *row)
{
  char text[RP_DIGEST_STRING_SIZE];
  const RpEntry *entry = observed_entry (view);
  gboolean has_digest = view->seen != NULL && view->seen->has_digest;

  json_object_set_new (row, "observed_digest",
                       has_digest ? json_string (rp_digest_format (&view->seen->digest, text))
                                  : json_null ());
  json_object_set_new (row, "observed_revision", revision_or_null (entry));
  json_object_set_new (row, "observed_release",
                       entry == NULL ? json_null ()
                                     : json_pack ("{s:I, s:s}", "number",
                                                  (json_int_t) entry->release_number, "version",
                                                  entry->version));
  json_object_set_new (row, "runs", json_boolean (view->seen != NULL && view->seen->running));
  json_object_set_new (row, "intact", json_boolean (view->seen != NULL && view->seen->intact));
}

static json_t *
override_of (const RpTargetState *state)
{
  if (state->undo.to == NULL)
    return json_null ();
  return json_pack ("{s:o, s:I, s:s?, s:s?}", "to", rp_entry_to_json (state->undo.to),
                    "from_revision", (json_int_t) state->undo.from_revision, "cause",
                    state->undo.cause, "actor", state->undo.actor);
}

static json_t *
target_row (View *view, GError **error)
{
  const RpTargetState *state = view->state;
  const RpTargetConfig *target = view->target;
  g_autofree char *deadline
      = state->phase == RP_PHASE_TRIAL ? rp_clock_format (state->deadline_us) : NULL;
  gint64 waiting;
  gint64 refused;
  json_t *row;

  if (!rp_journal_count (view->journal, target->name, &waiting, &refused, error))
    return NULL;
  row = json_pack (
      "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s?, s:s?, s:o, s:I, s:I}",
      "target", target->name, "app", target->app, "environment", target->environment, "name",
      target->target, "driver", target->driver, "phase", rp_phase_name (state->phase), "state",
      rp_phase_rests (state->phase) ? rp_step_resting_report (state) : rp_phase_name (state->phase),
      "pointer_revision", revision_or_null (state->pointer), "working_revision",
      revision_or_null (state->work), "confirmed_revision", revision_or_null (state->confirmed),
      "override", override_of (state), "trial_deadline", deadline, "message", state->message,
      "window", window_rows (view), "outbox", (json_int_t) waiting, "outbox_refused",
      (json_int_t) refused);
  add_observed (view, row);
  return row;
}

static json_t *
view_target (const RpAgentConfig *config, const RpTargetConfig *target, RpJournal *journal,
             RpStore *store, const RpDriverOps *const *drivers, GError **error)
{
  g_auto (RpObservation) seen = { 0 };
  g_autoptr (GError) unseen = NULL;
  g_autoptr (RpTargetState) state = rp_journal_load (journal, target->name, error);
  g_autoptr (GHashTable) ready = NULL;
  View view = { config, target, journal, state, NULL, NULL };
  json_t *row;

  if (state == NULL)
    return NULL;
  ready = view.ready = rp_journal_ready (journal, target->name, error);
  if (ready == NULL)
    return NULL;
  if (observe (&view, drivers, store, &seen, &unseen))
    view.seen = &seen;
  row = target_row (&view, error);
  if (row != NULL && unseen != NULL)
    json_object_set_new (row, "observe_error", json_string (unseen->message));
  return row;
}

/* ---- the whole ---- */

/* What only the running process knows. */
static void
add_process (const char *state_dir, json_t *status, json_t *rows)
{
  g_autoptr (json_t) request = json_pack ("{s:s}", "op", "ping");
  g_autoptr (json_t) answer = NULL;
  g_autoptr (GError) error = NULL;
  gboolean running = rp_control_ask (state_dir, request, &answer, &error);
  json_t *row;
  size_t i;

  json_object_set_new (status, "running", json_boolean (running));
  json_object_set_new (status, "pid",
                       running ? json_integer (rp_json_int (answer, "pid")) : json_null ());
  json_array_foreach (rows, i, row)
    {
      json_t *seen = json_object_get (json_object_get (answer, "server_seen"),
                                      rp_json_str (row, "target"));

      if (seen != NULL)
        json_object_set (row, "server_seen_at", seen);
      else
        json_object_set_new (row, "server_seen_at", json_null ());
    }
}

gboolean
rp_agent_status (const char *config_path, const RpDriverOps *const *drivers, json_t **out,
                 GError **error)
{
  g_autoptr (RpAgentConfig) config = rp_agent_config_load (
      config_path != NULL ? config_path : RP_AGENT_DEFAULT_CONFIG, error);
  g_autoptr (RpJournal) journal = NULL;
  g_autoptr (RpStore) store = NULL;
  g_autoptr (json_t) status = NULL;
  g_autofree char *store_path = NULL;
  json_t *rows;

  if (config == NULL)
    return FALSE;
  store_path = g_build_filename (config->state, "store", NULL);
  journal = rp_journal_open (config->state, error);
  store = journal == NULL ? NULL : rp_store_open (store_path, error);
  if (store == NULL)
    return FALSE;
  rows = json_array ();
  status = json_pack ("{s:s, s:s, s:s, s:o}", "agent", config->agent, "server", config->server,
                      "state", config->state, "targets", rows);
  for (guint i = 0; i < config->targets->len; i++)
    {
      json_t *row = view_target (config, g_ptr_array_index (config->targets, i), journal, store,
                                 drivers != NULL ? drivers : rp_drivers, error);

      if (row == NULL)
        return FALSE;
      json_array_append_new (rows, row);
    }
  add_process (config->state, status, rows);
  *out = g_steal_pointer (&status);
  return TRUE;
}
