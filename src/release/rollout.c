/* Invariants
 *   I1  An outcome is final: no event changes one that is not `progressing`.
 *   I2  `healthy` needs every declared target confirmed with this very revision, or that none is
 * declared at the start. I3  Only a report about this revision, or time without any progress, makes
 * it `failed`. I4  roll_back only comes together with `failed`. I5  A rollback is never rolled back
 * by itself, and a release at most once in an environment. I6  A report about an older revision
 * than the target is at changes nothing. I7  Only what brings a target further than it ever was
 * with this revision counts as progress, so a target that goes in circles does not put off the
 * deadline for ever.
 *
 * Transitions of the outcome
 *   progressing → healthy      STARTED without targets; REPORTED, DECLARED: all targets confirmed
 * (check_complete) progressing → failed       REPORTED failed or reverted (step_reported); TICK
 * after the deadline (step_tick) progressing → superseded   MOVED_ON (rp_rollout_step)
 */
#include "release/rollout.h"

#include "base/clock.h"
#include "base/error.h"

static const char *const phase_names[] = {
  [RP_PHASE_UNKNOWN] = "unknown",     [RP_PHASE_PREPARING] = "preparing",
  [RP_PHASE_PREPARED] = "prepared",   [RP_PHASE_TRIAL] = "trial",
  [RP_PHASE_CONFIRMED] = "confirmed", [RP_PHASE_FAILED] = "failed",
  [RP_PHASE_REVERTED] = "reverted",   [RP_PHASE_DRIFTED] = "drifted",
  [RP_PHASE_UNDONE] = "undone",
};

const char *
rp_target_phase_name (RpTargetPhase phase)
{
  return phase_names[phase];
}

gboolean
rp_target_phase_parse (const char *name, RpTargetPhase *out, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (phase_names); i++)
    {
      if (g_strcmp0 (name, phase_names[i]) == 0)
        {
          *out = (RpTargetPhase) i;
          return TRUE;
        }
      g_string_append_printf (known, "%s%s", i == 0 ? "" : ", ", phase_names[i]);
    }
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "\"%s\" is no state of a target; use one of: %s",
               name, known->str);
  return FALSE;
}

void
rp_rollout_clear (RpRollout *rollout)
{
  g_clear_pointer (&rollout->targets, g_array_unref);
}

void
rp_rollout_actions_clear (RpRolloutActions *actions)
{
  g_clear_pointer (&actions->reason, g_free);
}

static gint64
progress_of (RpTargetPhase phase)
{
  return phase <= RP_PHASE_CONFIRMED ? (gint64) phase : 0;
}

static RpRolloutTarget *
find_target (RpRollout *state, const char *name)
{
  for (guint i = 0; i < state->targets->len; i++)
    {
      RpRolloutTarget *target = &g_array_index (state->targets, RpRolloutTarget, i);
      if (g_strcmp0 (target->name, name) == 0)
        return target;
    }
  return NULL;
}

static void
finish (RpRollout *state, RpOutcome outcome, char *reason, RpRolloutActions *out)
{
  state->outcome = outcome;
  out->finish = TRUE;
  out->outcome = outcome;
  out->reason = reason;
}

static void
fail (RpRollout *state, char *reason, RpRolloutActions *out)
{
  const char *but = "";
  out->roll_back = state->rollback_on_failure && !state->is_rollback && !state->rolled_back_before;
  if (state->rollback_on_failure && state->is_rollback)
    but = "; not rolled back by itself: it is a rollback";
  else if (state->rollback_on_failure && state->rolled_back_before)
    but = "; not rolled back by itself: that was done once for this release";
  finish (state, RP_OUTCOME_FAILED, g_strconcat (reason, but, NULL), out);
  g_free (reason);
}

static void
check_complete (RpRollout *state, RpRolloutActions *out)
{
  for (guint i = 0; i < state->targets->len; i++)
    {
      const RpRolloutTarget *target = &g_array_index (state->targets, RpRolloutTarget, i);
      if (target->revision != state->revision || target->phase != RP_PHASE_CONFIRMED)
        return;
    }
  if (state->targets->len > 0)
    finish (state, RP_OUTCOME_HEALTHY,
            state->targets->len == 1
                ? g_strdup ("its target confirmed it")
                : g_strdup_printf ("all %u targets confirmed it", state->targets->len),
            out);
}

static void
take_report (RpRolloutTarget *target, const RpRolloutEvent *event, RpRolloutActions *out)
{
  if (event->revision != 0 && event->revision < target->revision)
    return;
  out->takes = TRUE;
  if (event->revision != target->revision)
    target->progress = 0;
  target->revision = event->revision;
  target->phase = event->phase;
  target->message = event->message;
  gint64 progress = progress_of (event->phase);
  out->advanced = event->revision != 0 && progress > target->progress;
  target->progress = MAX (progress, target->progress);
}

static void
step_reported (RpRollout *state, const RpRolloutEvent *event, RpRolloutActions *out)
{
  RpRolloutTarget *target = find_target (state, event->target);
  if (target == NULL)
    return;
  take_report (target, event, out);
  if (!out->takes || event->revision != state->revision)
    {
      out->advanced = FALSE;
      return;
    }
  if (state->outcome != RP_OUTCOME_PROGRESSING)
    return;
  if (out->advanced)
    state->progress_at_us = event->now_us;
  const char *message = event->message != NULL && event->message[0] != '\0'
                            ? event->message
                            : "its agent gave no reason";
  if (event->phase == RP_PHASE_FAILED)
    fail (state, g_strdup_printf ("target %s failed: %s", target->name, message), out);
  else if (event->phase == RP_PHASE_REVERTED)
    fail (state, g_strdup_printf ("target %s went back by itself: %s", target->name, message), out);
  else
    check_complete (state, out);
}

/* `web-1 (preparing: the disk is full), web-2 (nothing heard)` */
static char *
describe_waiting (const RpRollout *state)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < state->targets->len; i++)
    {
      const RpRolloutTarget *target = &g_array_index (state->targets, RpRolloutTarget, i);
      gboolean heard = target->revision == state->revision;
      if (heard && target->phase == RP_PHASE_CONFIRMED)
        continue;
      gboolean said = heard && target->message != NULL && *target->message != '\0';
      g_string_append_printf (text, "%s%s (%s%s%s)", text->len > 0 ? ", " : "", target->name,
                              heard ? rp_target_phase_name (target->phase) : "nothing heard",
                              said ? ": " : "", said ? target->message : "");
    }
  return g_strdup (text->len > 0 ? text->str : "no target is declared any more");
}

static void
step_tick (RpRollout *state, gint64 now_us, RpRolloutActions *out)
{
  if (now_us - state->progress_at_us <= state->progress_deadline_us)
    return;
  g_autofree char *waiting = describe_waiting (state);
  g_autofree char *age = rp_clock_format_age (state->progress_deadline_us);
  fail (state, g_strdup_printf ("no progress for %s; waited for: %s", age, waiting), out);
}

void
rp_rollout_step (RpRollout *state, const RpRolloutEvent *event, RpRolloutActions *out)
{
  *out = (RpRolloutActions){ 0 };
  if (event->kind == RP_ROLLOUT_REPORTED)
    {
      step_reported (state, event, out);
      return;
    }
  if (state->outcome != RP_OUTCOME_PROGRESSING)
    return;
  switch (event->kind)
    {
    case RP_ROLLOUT_STARTED:
      state->progress_at_us = event->now_us;
      if (state->targets->len == 0)
        finish (state, RP_OUTCOME_HEALTHY, g_strdup ("no targets declared"), out);
      break;
    case RP_ROLLOUT_DECLARED:
      check_complete (state, out);
      break;
    case RP_ROLLOUT_TICK:
      step_tick (state, event->now_us, out);
      break;
    case RP_ROLLOUT_MOVED_ON:
      finish (state, RP_OUTCOME_SUPERSEDED,
              g_strdup ("the pointer moved on before its targets confirmed it"), out);
      break;
    case RP_ROLLOUT_REPORTED:
      break;
    }
}
