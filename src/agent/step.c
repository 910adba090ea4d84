/* Invariants (checked by tests/unit/test_agent_step.c over random histories):
 *
 *  I1  A release is pointed to only as `work` in SWITCHING, as `confirmed` in RETURNING or as `undo.to`
 *      in UNDOING, and the state that says so is durable before (changed is TRUE when it is new).
 *  I2  A revision whose trial failed here is never switched to again; only a higher number moves on.
 *  I3  `work` never falls: order is the revision's number, never a clock.
 *  I4  Only a healthy probe while exactly that digest is seen makes a release `confirmed`.
 *  I5  A trial ends in failure only after a probe, at or after its deadline, that was unhealthy or did not
 *      see that digest, and a deadline is never further away than trial_ms.
 *  I6  A rollback that fails its trial never leads to another switch by itself.
 *  I7  An undo by hand is held until the pointer is newer than the one it undid.
 *  I8  Each end (confirmed, failed, reverted, undone) is reported in the very step that reaches it.
 *  I9  A change made by hand is told once and not fought, except one that is first seen at start.
 *  I10 At rest, with nothing new, a step changes nothing.
 *
 * Transitions (event or condition → function):
 *
 *  any but the four that finish first   newer pointer       → adopt        → PREPARING
 *  PREPARING     prepared                                   → prepared     → SWITCHING, or TRIAL if it runs
 *                may work later                             → stay, back off
 *                artifact is bad                            → fail         → FAILED
 *  SWITCHING     pointed                                    → begin_trial  → TRIAL
 *                failed, time is up                         → give_up      → RETURNING or FAILED
 *  TRIAL         healthy                                    → confirm      → CONFIRMED
 *                unhealthy, time is up                      → give_up      → RETURNING or FAILED
 *  RETURNING     pointed                                                   → RETURN_CHECK
 *  RETURN_CHECK  healthy, or time is up                     → returned     → RETURNED
 *  any           undo by hand                               → begin_undo   → UNDOING
 *  UNDOING       pointed                                                   → UNDO_CHECK
 *  UNDO_CHECK    healthy, or time is up                     → undone       → UNDONE
 *  at rest       something else runs                        → look_for_drift
 */
#include "agent/step.h"

#include <string.h>

void
rp_step_clear (RpStep *step)
{
  rp_entry_unref (step->artifact);
  g_free (step->message);
  memset (step, 0, sizeof *step);
}

static void G_GNUC_PRINTF (2, 3)
say (RpStep *out, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_free (out->message);
  out->message = g_utf8_make_valid (text, -1);
}

static void
report (RpTargetState *state, RpStep *out, const char *name, gint64 revision)
{
  out->report = name;
  out->report_revision = revision;
  out->changed = TRUE;
  g_free (state->message);
  state->message = g_strdup (out->message);
}

static void
learn (RpStep *out, RpLearn what, gint64 revision, const RpDigest *digest)
{
  out->learn = what;
  out->learn_revision = revision;
  out->learn_digest = *digest;
}

static void
enter (RpTargetState *state, RpStep *out, RpPhase phase)
{
  state->phase = phase;
  state->attempts = 0;
  state->not_before_us = 0;
  out->changed = TRUE;
}

static void
wait_for (RpStep *out, gint64 wait_ms)
{
  out->action = RP_ACTION_NONE;
  out->wait_ms = MAX (wait_ms, 10);
}

static void
act (RpStep *out, RpAction action, const RpEntry *artifact)
{
  out->action = action;
  rp_target_state_set (&out->artifact, artifact);
}

static void
expect (RpTargetState *state, const RpEntry *entry)
{
  state->has_expect = TRUE;
  state->expect = entry->digest;
  state->drifted = FALSE;
}

static void
set_deadline (RpTargetState *state, const RpLook *look)
{
  state->deadline_us = look->now_us + state->trial_ms * 1000;
}

static gboolean
time_is_up (const RpTargetState *state, const RpLook *look)
{
  return look->now_us >= state->deadline_us;
}

static gboolean
sees (const RpLook *look, const RpDigest *digest)
{
  return look->seen != NULL && look->seen->has_digest
         && rp_digest_equal (&look->seen->digest, digest);
}

static gboolean
runs_intact (const RpLook *look, const RpDigest *digest)
{
  return sees (look, digest) && look->seen->running && look->seen->intact;
}

/* A failed action is tried again, each time later. */
static void
back_off (RpTargetState *state, const RpLook *look, RpStep *out)
{
  guint shift = MIN (state->attempts, 6);
  gint64 wait_ms = MIN ((gint64) RP_STEP_RETRY_MS << shift, RP_STEP_RETRY_MAX_MS);

  state->attempts++;
  state->not_before_us = look->now_us + wait_ms * 1000;
  wait_for (out, wait_ms);
}

static gboolean
must_wait (RpTargetState *state, const RpLook *look, RpStep *out)
{
  gint64 left_us = state->not_before_us - look->now_us;

  /* More than was ever set: the clock was put back. */
  if (left_us <= 0 || left_us > (gint64) RP_STEP_RETRY_MAX_MS * 1000)
    return FALSE;
  wait_for (out, left_us / 1000 + 1);
  return TRUE;
}

static char *
describe_seen (const RpLook *look)
{
  g_autofree char *brief = NULL;

  if (look->seen == NULL)
    return g_strdup ("the target could not be looked at");
  if (!look->seen->has_digest)
    return g_strdup_printf ("%s%s%s", look->seen->running ? "something unknown" : "nothing",
                            look->seen->detail != NULL ? ": " : "",
                            look->seen->detail != NULL ? look->seen->detail : "");
  brief = rp_digest_brief (&look->seen->digest);
  return g_strdup_printf ("%s%s%s%s%s", brief, look->seen->running ? "" : ", not running",
                          look->seen->intact ? "" : ", changed by hand",
                          look->seen->detail != NULL ? ": " : "",
                          look->seen->detail != NULL ? look->seen->detail : "");
}

/* The last thing that failed, for people. */
static const char *
why (const RpLook *look)
{
  if (look->message != NULL)
    return look->message;
  return look->event == RP_EVENT_HEALTHY ? "the probe succeeds, but something else runs"
                                         : "no reason given";
}

/* ---- a new revision ---- */

static gboolean
pointer_is_new (const RpTargetState *state)
{
  if (state->pointer == NULL)
    return FALSE;
  if (state->work != NULL && state->pointer->revision <= state->work->revision)
    return FALSE;
  return state->undo.to == NULL || state->pointer->revision > state->undo.from_revision;
}

/* What was begun on the target is finished before something new begins, unless the new can be had at
 * once: an unconfirmed release must not be left alone while a slow pull goes on. */
static gboolean
may_adopt (const RpTargetState *state, const RpLook *look)
{
  switch (state->phase)
    {
    case RP_PHASE_SWITCHING:
      return look->pointer_ready;
    case RP_PHASE_TRIAL:
      return look->pointer_ready || state->drifted;
    case RP_PHASE_RETURNING:
      return state->attempts > 0; /* it is stuck, and that has been reported */
    case RP_PHASE_RETURN_CHECK:
    case RP_PHASE_UNDOING:
    case RP_PHASE_UNDO_CHECK:
      return FALSE;
    default:
      return TRUE;
    }
}

/* A host whose journal is new may run a release that the server knows to be good. What has just failed
 * its trial here is not that, whatever it is elsewhere. */
static void
recognise_running (RpTargetState *state, const RpLook *look)
{
  if (state->phase == RP_PHASE_FAILED)
    return;
  for (guint i = 0; state->confirmed == NULL && i < state->window->len; i++)
    {
      const RpEntry *entry = g_ptr_array_index (state->window, i);

      if (entry->good && runs_intact (look, &entry->digest))
        rp_target_state_set (&state->confirmed, entry);
    }
}

static void
adopt (RpTargetState *state, const RpLook *look, RpStep *out)
{
  g_autofree char *what = rp_entry_describe (state->pointer);

  recognise_running (state, look);
  rp_target_state_set (&state->work, state->pointer);
  rp_undo_clear (&state->undo);
  state->drifted = FALSE;
  enter (state, out, RP_PHASE_PREPARING);
  say (out, "laying %s ready", what);
  report (state, out, "preparing", state->work->revision);
  act (out, RP_ACTION_PREPARE, state->work);
}

/* ---- ends ---- */

static void
fail (RpTargetState *state, RpStep *out)
{
  enter (state, out, RP_PHASE_FAILED);
  report (state, out, "failed", state->work->revision);
  wait_for (out, RP_STEP_REST_MS);
}

static void
set_confirmed (RpTargetState *state, const RpEntry *entry)
{
  if (state->confirmed != NULL && !rp_entry_same (state->confirmed, entry))
    rp_target_state_set (&state->previous, state->confirmed);
  rp_target_state_set (&state->confirmed, entry);
}

static void
confirm (RpTargetState *state, RpStep *out)
{
  g_autofree char *what = rp_entry_describe (state->work);

  set_confirmed (state, state->work);
  enter (state, out, RP_PHASE_CONFIRMED);
  learn (out, RP_LEARN_CONFIRMED, state->work->revision, &state->work->digest);
  say (out, "%s runs and is healthy", what);
  report (state, out, "confirmed", state->work->revision);
  wait_for (out, RP_STEP_REST_MS);
}

/* The trial of `work` failed: `look->message` says why. */
static void
give_up (RpTargetState *state, const RpLook *look, RpStep *out)
{
  g_autofree char *what = rp_entry_describe (state->work);
  g_autofree char *back = NULL;

  learn (out, RP_LEARN_FAILED, state->work->revision, &state->work->digest);
  if (state->work->rollback)
    {
      say (out, "%s did not become healthy: %s; it is itself a rollback, so nothing else is tried: "
                "point the environment elsewhere",
           what, why (look));
      fail (state, out);
      return;
    }
  if (state->confirmed == NULL || rp_entry_same (state->confirmed, state->work))
    {
      say (out, "%s did not become healthy: %s; no other release was ever confirmed here, so there is "
                "nothing to go back to",
           what, why (look));
      fail (state, out);
      return;
    }
  back = rp_entry_describe (state->confirmed);
  enter (state, out, RP_PHASE_RETURNING);
  set_deadline (state, look);
  say (out, "%s did not become healthy: %s; going back to %s", what, why (look), back);
  g_free (state->message);
  state->message = g_strdup (out->message);
  act (out, RP_ACTION_POINT, state->confirmed);
}

static void
returned (RpTargetState *state, const RpLook *look, RpStep *out, gboolean healthy)
{
  g_autofree char *back = rp_entry_describe (state->confirmed);
  g_autofree char *story = g_strdup (state->message);

  enter (state, out, RP_PHASE_RETURNED);
  if (healthy)
    say (out, "%s: it runs again and is healthy", story != NULL ? story : back);
  else
    say (out, "%s: it runs again, BUT IS NOT HEALTHY: %s", story != NULL ? story : back, why (look));
  report (state, out, "reverted", state->work->revision);
  wait_for (out, RP_STEP_REST_MS);
}

static void
undone (RpTargetState *state, const RpLook *look, RpStep *out, gboolean healthy)
{
  g_autofree char *what = rp_entry_describe (state->undo.to);

  enter (state, out, RP_PHASE_UNDONE);
  if (healthy)
    {
      set_confirmed (state, state->undo.to);
      learn (out, RP_LEARN_CONFIRMED, state->undo.to->revision, &state->undo.to->digest);
      say (out, "went back to %s by hand on this host: it runs and is healthy", what);
    }
  else
    {
      learn (out, RP_LEARN_FAILED, state->undo.to->revision, &state->undo.to->digest);
      say (out, "went back to %s by hand on this host: it runs, BUT IS NOT HEALTHY: %s", what,
           why (look));
    }
  report (state, out, "undone", state->undo.from_revision);
  out->report_undo = TRUE;
  wait_for (out, RP_STEP_REST_MS);
}

/* ---- phases ---- */

static void
begin_trial (RpTargetState *state, const RpLook *look, RpStep *out)
{
  g_autofree char *what = rp_entry_describe (state->work);

  enter (state, out, RP_PHASE_TRIAL);
  set_deadline (state, look);
  expect (state, state->work);
  say (out, "%s is on trial for %.3g s", what, (double) state->trial_ms / 1000);
  report (state, out, "trial", state->work->revision);
  act (out, RP_ACTION_PROBE, NULL);
}

static void
prepared (RpTargetState *state, const RpLook *look, RpStep *out)
{
  g_autofree char *what = rp_entry_describe (state->work);

  if (runs_intact (look, &state->work->digest))
    {
      begin_trial (state, look, out);
      return;
    }
  enter (state, out, RP_PHASE_SWITCHING);
  set_deadline (state, look);
  say (out, "%s lies ready; switching to it", what);
  report (state, out, "prepared", state->work->revision);
  act (out, RP_ACTION_POINT, state->work);
}

static void
in_preparing (RpTargetState *state, const RpLook *look, RpStep *out)
{
  g_autofree char *what = rp_entry_describe (state->work);

  switch (look->event)
    {
    case RP_EVENT_PREPARED:
      prepared (state, look, out);
      return;
    case RP_EVENT_ARTIFACT_BAD:
      learn (out, RP_LEARN_FAILED, state->work->revision, &state->work->digest);
      say (out, "%s was refused and never ran: %s", what, why (look));
      fail (state, out);
      return;
    case RP_EVENT_PREPARE_FAILED:
      say (out, "cannot lay %s ready yet: %s; trying again", what, why (look));
      back_off (state, look, out);
      if (g_strcmp0 (state->message, out->message) != 0)
        report (state, out, "preparing", state->work->revision);
      return;
    default:
      if (!must_wait (state, look, out))
        act (out, RP_ACTION_PREPARE, state->work);
      return;
    }
}

static void
in_switching (RpTargetState *state, const RpLook *look, RpStep *out)
{
  switch (look->event)
    {
    case RP_EVENT_POINTED:
      begin_trial (state, look, out);
      return;
    case RP_EVENT_POINT_FAILED:
      if (time_is_up (state, look))
        {
          give_up (state, look, out);
          return;
        }
      say (out, "cannot switch: %s; trying again", why (look));
      back_off (state, look, out);
      return;
    default:
      /* Also after a crash in between: pointing is idempotent and includes the start or reload. */
      if (!must_wait (state, look, out))
        act (out, RP_ACTION_POINT, state->work);
      return;
    }
}

/* Something of another digest runs, though we pointed: it is told, and nothing is done about it. */
static gboolean
replaced_by_hand (RpTargetState *state, const RpLook *look, RpStep *out)
{
  g_autofree char *brief = NULL;
  g_autofree char *found = NULL;

  if (look->seen == NULL || !look->seen->has_digest || sees (look, &state->expect))
    {
      if (state->drifted)
        {
          state->drifted = FALSE;
          out->changed = TRUE;
        }
      return FALSE;
    }
  wait_for (out, RP_STEP_REST_MS);
  if (state->drifted)
    return TRUE;
  brief = rp_digest_brief (&state->expect);
  found = describe_seen (look);
  state->drifted = TRUE;
  say (out, "expected %s on trial, found %s: changed by hand, so it is left alone", brief, found);
  report (state, out, "drifted", state->work->revision);
  return TRUE;
}

static void
probe_again (const RpTargetState *state, const RpLook *look, RpStep *out)
{
  gint64 left_ms = (state->deadline_us - look->now_us) / 1000 + 1;

  wait_for (out, CLAMP (left_ms, 10, RP_STEP_PROBE_MS));
}

/* A clock that was put back must not make a trial longer. */
static void
shorten_deadline (RpTargetState *state, const RpLook *look, RpStep *out)
{
  if (state->deadline_us <= look->now_us + state->trial_ms * 1000)
    return;
  set_deadline (state, look);
  out->changed = TRUE;
}

static void
in_trial (RpTargetState *state, const RpLook *look, RpStep *out)
{
  shorten_deadline (state, look, out);
  if (replaced_by_hand (state, look, out))
    return;
  if (look->event == RP_EVENT_HEALTHY && sees (look, &state->work->digest))
    confirm (state, out);
  else if (look->event != RP_EVENT_UNHEALTHY && look->event != RP_EVENT_HEALTHY)
    act (out, RP_ACTION_PROBE, NULL);
  else if (time_is_up (state, look))
    give_up (state, look, out);
  else
    probe_again (state, look, out);
}

static void
in_returning (RpTargetState *state, const RpLook *look, RpStep *out)
{
  if (look->event == RP_EVENT_POINTED)
    {
      expect (state, state->confirmed);
      enter (state, out, RP_PHASE_RETURN_CHECK);
      set_deadline (state, look);
      act (out, RP_ACTION_PROBE, NULL);
      return;
    }
  if (look->event != RP_EVENT_POINT_FAILED)
    {
      if (!must_wait (state, look, out))
        act (out, RP_ACTION_POINT, state->confirmed);
      return;
    }
  if (state->attempts == 0)
    {
      g_autofree char *back = rp_entry_describe (state->confirmed);
      g_autofree char *story = g_strdup (state->message);

      say (out, "cannot go back to %s: %s; trying again", back, why (look));
      report (state, out, "failed", state->work->revision);
      g_free (state->message);
      state->message = g_steal_pointer (&story);
    }
  back_off (state, look, out);
}

static void
in_check (RpTargetState *state, const RpLook *look, RpStep *out,
          void (*end) (RpTargetState *, const RpLook *, RpStep *, gboolean))
{
  gboolean superseded = pointer_is_new (state);

  shorten_deadline (state, look, out);
  if (look->event == RP_EVENT_HEALTHY && sees (look, &state->expect))
    end (state, look, out, TRUE);
  else if (look->event != RP_EVENT_UNHEALTHY && look->event != RP_EVENT_HEALTHY)
    act (out, RP_ACTION_PROBE, NULL);
  else if (time_is_up (state, look) || superseded)
    end (state, look, out, FALSE);
  else
    probe_again (state, look, out);
}

static void
begin_undo (RpTargetState *state, const RpLook *look, RpStep *out)
{
  g_autofree char *what = NULL;

  rp_undo_clear (&state->undo);
  rp_undo_copy (look->undo, &state->undo);
  what = rp_entry_describe (state->undo.to);
  enter (state, out, RP_PHASE_UNDOING);
  set_deadline (state, look);
  if (state->undo.has_from_digest)
    learn (out, RP_LEARN_UNDONE, state->undo.from_revision, &state->undo.from_digest);
  say (out, "going back to %s: %s", what,
       state->undo.cause != NULL ? state->undo.cause : "asked for on this host");
  act (out, RP_ACTION_POINT, state->undo.to);
}

static void
in_undoing (RpTargetState *state, const RpLook *look, RpStep *out)
{
  if (look->event == RP_EVENT_POINTED)
    {
      expect (state, state->undo.to);
      enter (state, out, RP_PHASE_UNDO_CHECK);
      set_deadline (state, look);
      act (out, RP_ACTION_PROBE, NULL);
      return;
    }
  if (look->event == RP_EVENT_POINT_FAILED)
    {
      say (out, "cannot go back: %s; trying again", why (look));
      if (state->attempts == 0)
        report (state, out, "failed", state->undo.from_revision);
      back_off (state, look, out);
      return;
    }
  if (!must_wait (state, look, out))
    act (out, RP_ACTION_POINT, state->undo.to);
}

/* ---- at rest ---- */

const char *
rp_step_resting_report (const RpTargetState *state)
{
  if (state->drifted)
    return "drifted";
  switch (state->phase)
    {
    case RP_PHASE_IDLE:
      return "unknown";
    case RP_PHASE_CONFIRMED:
      return "confirmed";
    case RP_PHASE_RETURNED:
      return "reverted";
    case RP_PHASE_UNDONE:
      return "undone";
    default:
      return "failed";
    }
}

gint64
rp_step_resting_revision (const RpTargetState *state)
{
  if (state->phase == RP_PHASE_UNDONE)
    return state->undo.from_revision;
  return state->work != NULL ? state->work->revision : 0;
}

/* Something else ran already when this process began (a reboot, say): make it so again. */
static gboolean
repair_at_start (RpTargetState *state, const RpLook *look, RpStep *out)
{
  static const struct {
    RpPhase resting;
    RpPhase begin;
  } repairs[] = { { RP_PHASE_CONFIRMED, RP_PHASE_PREPARING },
                  { RP_PHASE_RETURNED, RP_PHASE_RETURNING },
                  { RP_PHASE_UNDONE, RP_PHASE_UNDOING } };

  for (guint i = 0; i < G_N_ELEMENTS (repairs); i++)
    if (state->phase == repairs[i].resting)
      {
        g_autofree char *brief = rp_digest_brief (&state->expect);
        g_autofree char *found = describe_seen (look);

        enter (state, out, repairs[i].begin);
        say (out, "expected %s at start, found %s; putting it right", brief, found);
        g_free (state->message);
        state->message = g_strdup (out->message);
        wait_for (out, 0);
        return TRUE;
      }
  return FALSE;
}

static void
look_for_drift (RpTargetState *state, const RpLook *look, RpStep *out)
{
  g_autofree char *brief = NULL;
  g_autofree char *found = NULL;

  wait_for (out, RP_STEP_REST_MS);
  if (!state->has_expect || look->seen == NULL)
    return;
  brief = rp_digest_brief (&state->expect);
  if (runs_intact (look, &state->expect))
    {
      if (!state->drifted)
        return;
      state->drifted = FALSE;
      say (out, "%s runs again, as expected", brief);
      report (state, out, rp_step_resting_report (state), rp_step_resting_revision (state));
      return;
    }
  if (state->drifted || (look->event == RP_EVENT_START && repair_at_start (state, look, out)))
    return;
  found = describe_seen (look);
  state->drifted = TRUE;
  say (out, "expected %s, found %s: changed by hand, so it is left alone", brief, found);
  report (state, out, "drifted", rp_step_resting_revision (state));
}

void
rp_step (RpTargetState *state, const RpLook *look, RpStep *out)
{
  memset (out, 0, sizeof *out);
  if (look->event == RP_EVENT_UNDO)
    {
      begin_undo (state, look, out);
      return;
    }
  if (pointer_is_new (state) && may_adopt (state, look))
    {
      adopt (state, look, out);
      return;
    }
  switch (state->phase)
    {
    case RP_PHASE_PREPARING:
      in_preparing (state, look, out);
      return;
    case RP_PHASE_SWITCHING:
      in_switching (state, look, out);
      return;
    case RP_PHASE_TRIAL:
      in_trial (state, look, out);
      return;
    case RP_PHASE_RETURNING:
      in_returning (state, look, out);
      return;
    case RP_PHASE_RETURN_CHECK:
      in_check (state, look, out, returned);
      return;
    case RP_PHASE_UNDOING:
      in_undoing (state, look, out);
      return;
    case RP_PHASE_UNDO_CHECK:
      in_check (state, look, out, undone);
      return;
    default:
      look_for_drift (state, look, out);
      return;
    }
}
