#include "agent/state.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"

#define TRIAL_DEFAULT_MS 60000

static const struct {
  const char *name;
  gboolean rests;
} phases[] = {
#define X(phase, name, rests) [RP_PHASE_##phase] = { name, rests },
  RP_PHASE_TABLE (X)
#undef X
};

const char *
rp_phase_name (RpPhase phase)
{
  return phases[phase].name;
}

gboolean
rp_phase_rests (RpPhase phase)
{
  return phases[phase].rests;
}

void
rp_undo_clear (RpUndo *undo)
{
  rp_entry_unref (undo->to);
  g_free (undo->cause);
  g_free (undo->actor);
  memset (undo, 0, sizeof *undo);
}

void
rp_undo_copy (const RpUndo *from, RpUndo *to)
{
  *to = *from;
  to->to = rp_entry_ref (from->to);
  to->cause = g_strdup (from->cause);
  to->actor = g_strdup (from->actor);
}

RpTargetState *
rp_target_state_new (void)
{
  RpTargetState *state = g_new0 (RpTargetState, 1);

  state->window = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_entry_unref);
  state->trial_ms = TRIAL_DEFAULT_MS;
  return state;
}

RpTargetState *
rp_target_state_copy (const RpTargetState *state)
{
  RpTargetState *copy = g_new (RpTargetState, 1);

  *copy = *state;
  copy->pointer = rp_entry_ref (state->pointer);
  copy->window = g_ptr_array_ref (state->window);
  copy->work = rp_entry_ref (state->work);
  copy->confirmed = rp_entry_ref (state->confirmed);
  copy->previous = rp_entry_ref (state->previous);
  copy->message = g_strdup (state->message);
  memset (&copy->undo, 0, sizeof copy->undo);
  rp_undo_copy (&state->undo, &copy->undo);
  return copy;
}

void
rp_target_state_free (RpTargetState *state)
{
  if (state == NULL)
    return;
  rp_entry_unref (state->pointer);
  g_ptr_array_unref (state->window);
  rp_entry_unref (state->work);
  rp_entry_unref (state->confirmed);
  rp_entry_unref (state->previous);
  g_free (state->message);
  rp_undo_clear (&state->undo);
  g_free (state);
}

void
rp_target_state_set (RpEntry **field, const RpEntry *entry)
{
  RpEntry *old = *field;

  *field = rp_entry_ref (entry);
  rp_entry_unref (old);
}

static gboolean
entry_equal (const RpEntry *a, const RpEntry *b)
{
  if (a == NULL || b == NULL)
    return a == b;
  return a->revision == b->revision && a->release_number == b->release_number
         && a->good == b->good && a->rollback == b->rollback && rp_entry_same (a, b)
         && strcmp (a->version, b->version) == 0 && strcmp (a->repository, b->repository) == 0;
}

static gboolean
window_equal (const GPtrArray *a, const GPtrArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (!entry_equal (g_ptr_array_index (a, i), g_ptr_array_index (b, i)))
      return FALSE;
  return TRUE;
}

GPtrArray *
rp_target_state_needs (const RpTargetState *state)
{
  RpEntry *const more[]
      = { state->pointer, state->work, state->confirmed, state->previous, state->undo.to };
  GPtrArray *needs = g_ptr_array_new ();

  for (guint i = 0; i < state->window->len; i++)
    g_ptr_array_add (needs, g_ptr_array_index (state->window, i));
  for (guint i = 0; i < G_N_ELEMENTS (more); i++)
    if (more[i] != NULL)
      g_ptr_array_add (needs, more[i]);
  return needs;
}

gboolean
rp_target_state_take (RpTargetState *state, const RpPointer *pointer)
{
  gboolean same;

  if (state->pointer != NULL
      && (pointer->current == NULL || pointer->current->revision < state->pointer->revision))
    return FALSE;
  same = entry_equal (state->pointer, pointer->current)
         && window_equal (state->window, pointer->window) && state->trial_ms == pointer->trial_ms;
  state->seq = pointer->seq;
  if (same)
    return FALSE;
  state->trial_ms = pointer->trial_ms;
  rp_target_state_set (&state->pointer, pointer->current);
  g_ptr_array_unref (state->window);
  state->window = g_ptr_array_ref (pointer->window);
  return TRUE;
}

static json_t *
undo_to_json (const RpUndo *undo)
{
  char text[RP_DIGEST_STRING_SIZE];

  if (undo->to == NULL)
    return json_null ();
  return json_pack ("{s:o, s:I, s:s?, s:s?, s:s?}", "to", rp_entry_to_json (undo->to),
                    "from_revision", (json_int_t) undo->from_revision, "from_digest",
                    undo->has_from_digest ? rp_digest_format (&undo->from_digest, text) : NULL,
                    "cause", undo->cause, "actor", undo->actor);
}

json_t *
rp_target_state_to_json (const RpTargetState *state)
{
  char text[RP_DIGEST_STRING_SIZE];
  json_t *window = json_array ();

  for (guint i = 0; i < state->window->len; i++)
    json_array_append_new (window, rp_entry_to_json (g_ptr_array_index (state->window, i)));
  return json_pack (
      "{s:I, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:I, s:s?, s:b, s:s?, s:o}", "seq",
      (json_int_t) state->seq, "trial_ms", (json_int_t) state->trial_ms, "pointer",
      rp_entry_to_json (state->pointer), "window", window, "phase", rp_phase_name (state->phase),
      "work", rp_entry_to_json (state->work), "confirmed", rp_entry_to_json (state->confirmed),
      "previous", rp_entry_to_json (state->previous), "deadline_us", (json_int_t) state->deadline_us, "expect",
      state->has_expect ? rp_digest_format (&state->expect, text) : NULL, "drifted", state->drifted,
      "message", state->message, "undo", undo_to_json (&state->undo));
}

static gboolean
opt_digest (const json_t *object, const char *key, gboolean *has, RpDigest *out, GError **error)
{
  const char *text = NULL;

  if (!rp_json_opt_string (object, key, "journal", &text, error))
    return FALSE;
  *has = text != NULL;
  return text == NULL || rp_digest_parse (text, out, error);
}

static gboolean
undo_from_json (const json_t *value, RpUndo *undo, GError **error)
{
  const char *cause = NULL;
  const char *actor = NULL;

  if (value == NULL || json_is_null (value))
    return TRUE;
  if (!rp_json_need_int (value, "from_revision", "journal.undo", &undo->from_revision, error)
      || !opt_digest (value, "from_digest", &undo->has_from_digest, &undo->from_digest, error)
      || !rp_json_opt_string (value, "cause", "journal.undo", &cause, error)
      || !rp_json_opt_string (value, "actor", "journal.undo", &actor, error))
    return FALSE;
  undo->cause = g_strdup (cause);
  undo->actor = g_strdup (actor);
  return rp_entry_from_json (json_object_get (value, "to"), "journal.undo.to", &undo->to, error);
}

static gboolean
phase_from_name (const char *name, RpPhase *out, GError **error)
{
  for (guint i = 0; i < RP_N_PHASES; i++)
    if (strcmp (phases[i].name, name) == 0)
      {
        *out = i;
        return TRUE;
      }
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "journal.phase: \"%s\" is not known; was this "
               "journal written by a newer repoint?", name);
  return FALSE;
}

static gboolean
window_from_journal (const json_t *items, GPtrArray *window, GError **error)
{
  const json_t *item;
  size_t i;

  json_array_foreach (items, i, item)
    {
      RpEntry *entry = NULL;

      if (!rp_entry_from_json (item, "journal.window[]", &entry, error))
        return FALSE;
      if (entry != NULL)
        g_ptr_array_add (window, entry);
    }
  return TRUE;
}

RpTargetState *
rp_target_state_from_json (const json_t *document, GError **error)
{
  g_autoptr (RpTargetState) state = rp_target_state_new ();
  const char *where = "journal";
  const char *phase;
  const char *message = NULL;
  json_t *window;

  if (!rp_json_need_int (document, "seq", where, &state->seq, error)
      || !rp_json_need_int (document, "trial_ms", where, &state->trial_ms, error)
      || !rp_json_need_string (document, "phase", where, &phase, error)
      || !phase_from_name (phase, &state->phase, error)
      || !rp_json_need_int (document, "deadline_us", where, &state->deadline_us, error)
      || !rp_json_opt_bool (document, "drifted", where, &state->drifted, error)
      || !rp_json_opt_string (document, "message", where, &message, error)
      || !rp_json_need_array (document, "window", where, &window, error)
      || !window_from_journal (window, state->window, error)
      || !opt_digest (document, "expect", &state->has_expect, &state->expect, error)
      || !rp_entry_from_json (json_object_get (document, "pointer"), "journal.pointer",
                              &state->pointer, error)
      || !rp_entry_from_json (json_object_get (document, "work"), "journal.work", &state->work,
                              error)
      || !rp_entry_from_json (json_object_get (document, "confirmed"), "journal.confirmed",
                              &state->confirmed, error)
      || !rp_entry_from_json (json_object_get (document, "previous"), "journal.previous",
                              &state->previous, error)
      || !undo_from_json (json_object_get (document, "undo"), &state->undo, error))
    return NULL;
  state->message = g_strdup (message);
  return g_steal_pointer (&state);
}
