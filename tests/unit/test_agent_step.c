/* Every transition as a line of a table, then random histories (failures, kills, clock jumps, hand-made
 * changes, undos) held against the invariants that src/agent/step.c states.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/step.h"
#include "base/json.h"

#define TRIAL_MS 5000
#define NOW ((gint64) 1000000000)
#define LATE (NOW + (gint64) (TRIAL_MS + 1) * 1000)

static RpDigest
digest_of (int which)
{
  return rp_digest_of (RP_DIGEST_SHA256, &which, sizeof which);
}

static RpEntry *
entry (gint64 revision, int which, gboolean good, gboolean rollback)
{
  g_autofree char *version = g_strdup_printf ("v%d", which);
  RpDigest digest = digest_of (which);

  return rp_entry_new (revision, which, version, "shop/web", &digest, good, rollback);
}

static RpObservation
sight (int which)
{
  RpObservation seen = { .running = which != 0, .has_digest = which != 0, .intact = which != 0 };

  if (which != 0)
    seen.digest = digest_of (which);
  return seen;
}

/* ---- the table ----
 *
 * Releases are numbers: release n was revision n. 0 is none.  `see` is what runs. */
typedef struct {
  const char *name;
  RpPhase phase;
  int pointer, work, confirmed;
  gboolean rollback; /* `work` and `pointer` are rollbacks */
  RpAgentEvent event;
  gint64 now_us;
  int see;
  gboolean pointer_ready;
  /* what must come of it */
  RpPhase then;
  RpAction action;
  int artifact;
  const char *report;
  RpLearn learn;
} Row;

static const Row rows[] = {
  { "nothing known", RP_PHASE_IDLE, 0, 0, 0, FALSE, RP_EVENT_START, NOW, 0, FALSE, RP_PHASE_IDLE,
    RP_ACTION_NONE, 0, NULL, 0 },
  { "first revision", RP_PHASE_IDLE, 1, 0, 0, FALSE, RP_EVENT_TICK, NOW, 0, FALSE,
    RP_PHASE_PREPARING, RP_ACTION_PREPARE, 1, "preparing", 0 },
  { "prepared", RP_PHASE_PREPARING, 2, 2, 1, FALSE, RP_EVENT_PREPARED, NOW, 1, TRUE,
    RP_PHASE_SWITCHING, RP_ACTION_POINT, 2, "prepared", 0 },
  { "prepared and running already", RP_PHASE_PREPARING, 2, 2, 1, FALSE, RP_EVENT_PREPARED, NOW, 2,
    TRUE, RP_PHASE_TRIAL, RP_ACTION_PROBE, 0, "trial", 0 },
  { "cannot be fetched yet", RP_PHASE_PREPARING, 2, 2, 1, FALSE, RP_EVENT_PREPARE_FAILED, NOW, 1,
    FALSE, RP_PHASE_PREPARING, RP_ACTION_NONE, 0, "preparing", 0 },
  { "bad bytes", RP_PHASE_PREPARING, 2, 2, 1, FALSE, RP_EVENT_ARTIFACT_BAD, NOW, 1, FALSE,
    RP_PHASE_FAILED, RP_ACTION_NONE, 0, "failed", RP_LEARN_FAILED },
  { "newer while preparing", RP_PHASE_PREPARING, 3, 2, 1, FALSE, RP_EVENT_PREPARED, NOW, 1, FALSE,
    RP_PHASE_PREPARING, RP_ACTION_PREPARE, 3, "preparing", 0 },
  { "killed while switching", RP_PHASE_SWITCHING, 2, 2, 1, FALSE, RP_EVENT_START, NOW, 2, TRUE,
    RP_PHASE_SWITCHING, RP_ACTION_POINT, 2, NULL, 0 },
  { "switched", RP_PHASE_SWITCHING, 2, 2, 1, FALSE, RP_EVENT_POINTED, NOW, 2, TRUE,
    RP_PHASE_TRIAL, RP_ACTION_PROBE, 0, "trial", 0 },
  { "cannot switch", RP_PHASE_SWITCHING, 2, 2, 1, FALSE, RP_EVENT_POINT_FAILED, NOW, 1, TRUE,
    RP_PHASE_SWITCHING, RP_ACTION_NONE, 0, NULL, 0 },
  { "cannot switch in time", RP_PHASE_SWITCHING, 2, 2, 1, FALSE, RP_EVENT_POINT_FAILED, LATE, 1,
    TRUE, RP_PHASE_RETURNING, RP_ACTION_POINT, 1, NULL, RP_LEARN_FAILED },
  { "healthy", RP_PHASE_TRIAL, 2, 2, 1, FALSE, RP_EVENT_HEALTHY, NOW, 2, TRUE, RP_PHASE_CONFIRMED,
    RP_ACTION_NONE, 0, "confirmed", RP_LEARN_CONFIRMED },
  { "healthy at the last moment", RP_PHASE_TRIAL, 2, 2, 1, FALSE, RP_EVENT_HEALTHY, LATE, 2, TRUE,
    RP_PHASE_CONFIRMED, RP_ACTION_NONE, 0, "confirmed", RP_LEARN_CONFIRMED },
  { "unhealthy, time left", RP_PHASE_TRIAL, 2, 2, 1, FALSE, RP_EVENT_UNHEALTHY, NOW, 2, TRUE,
    RP_PHASE_TRIAL, RP_ACTION_NONE, 0, NULL, 0 },
  { "R44 unhealthy, time is up", RP_PHASE_TRIAL, 2, 2, 1, FALSE, RP_EVENT_UNHEALTHY, LATE, 2, TRUE,
    RP_PHASE_RETURNING, RP_ACTION_POINT, 1, NULL, RP_LEARN_FAILED },
  { "killed in the trial: one more probe", RP_PHASE_TRIAL, 2, 2, 1, FALSE, RP_EVENT_START, LATE, 2,
    TRUE, RP_PHASE_TRIAL, RP_ACTION_PROBE, 0, NULL, 0 },
  { "nothing to go back to", RP_PHASE_TRIAL, 2, 2, 0, FALSE, RP_EVENT_UNHEALTHY, LATE, 2, TRUE,
    RP_PHASE_FAILED, RP_ACTION_NONE, 0, "failed", RP_LEARN_FAILED },
  { "the same release was confirmed before", RP_PHASE_TRIAL, 2, 2, 2, FALSE, RP_EVENT_UNHEALTHY,
    LATE, 2, TRUE, RP_PHASE_FAILED, RP_ACTION_NONE, 0, "failed", RP_LEARN_FAILED },
  { "R45 a rollback that fails stays", RP_PHASE_TRIAL, 2, 2, 1, TRUE, RP_EVENT_UNHEALTHY, LATE, 2,
    TRUE, RP_PHASE_FAILED, RP_ACTION_NONE, 0, "failed", RP_LEARN_FAILED },
  { "the trial goes on while the next is slow", RP_PHASE_TRIAL, 3, 2, 1, FALSE, RP_EVENT_TICK, NOW,
    2, FALSE, RP_PHASE_TRIAL, RP_ACTION_PROBE, 0, NULL, 0 },
  { "the trial gives way to what lies ready", RP_PHASE_TRIAL, 3, 2, 1, FALSE, RP_EVENT_TICK, NOW, 2,
    TRUE, RP_PHASE_PREPARING, RP_ACTION_PREPARE, 3, "preparing", 0 },
  { "changed by hand in the trial", RP_PHASE_TRIAL, 2, 2, 1, FALSE, RP_EVENT_UNHEALTHY, LATE, 9,
    TRUE, RP_PHASE_TRIAL, RP_ACTION_NONE, 0, "drifted", 0 },
  { "died in the trial", RP_PHASE_TRIAL, 2, 2, 1, FALSE, RP_EVENT_UNHEALTHY, LATE, 0, TRUE,
    RP_PHASE_RETURNING, RP_ACTION_POINT, 1, NULL, RP_LEARN_FAILED },
  { "healthy, but not what is seen", RP_PHASE_TRIAL, 2, 2, 1, FALSE, RP_EVENT_HEALTHY, NOW, 0, TRUE,
    RP_PHASE_TRIAL, RP_ACTION_NONE, 0, NULL, 0 },
  { "back", RP_PHASE_RETURNING, 2, 2, 1, FALSE, RP_EVENT_POINTED, NOW, 1, TRUE,
    RP_PHASE_RETURN_CHECK, RP_ACTION_PROBE, 0, NULL, 0 },
  { "killed going back", RP_PHASE_RETURNING, 2, 2, 1, FALSE, RP_EVENT_START, NOW, 2, TRUE,
    RP_PHASE_RETURNING, RP_ACTION_POINT, 1, NULL, 0 },
  { "cannot go back yet", RP_PHASE_RETURNING, 2, 2, 1, FALSE, RP_EVENT_POINT_FAILED, NOW, 2, TRUE,
    RP_PHASE_RETURNING, RP_ACTION_NONE, 0, "failed", 0 },
  { "first finish going back", RP_PHASE_RETURNING, 3, 2, 1, FALSE, RP_EVENT_TICK, NOW, 2, TRUE,
    RP_PHASE_RETURNING, RP_ACTION_POINT, 1, NULL, 0 },
  { "back and healthy", RP_PHASE_RETURN_CHECK, 2, 2, 1, FALSE, RP_EVENT_HEALTHY, NOW, 1, TRUE,
    RP_PHASE_RETURNED, RP_ACTION_NONE, 0, "reverted", 0 },
  { "back, not healthy yet", RP_PHASE_RETURN_CHECK, 2, 2, 1, FALSE, RP_EVENT_UNHEALTHY, NOW, 1,
    TRUE, RP_PHASE_RETURN_CHECK, RP_ACTION_NONE, 0, NULL, 0 },
  { "back, never healthy", RP_PHASE_RETURN_CHECK, 2, 2, 1, FALSE, RP_EVENT_UNHEALTHY, LATE, 1, TRUE,
    RP_PHASE_RETURNED, RP_ACTION_NONE, 0, "reverted", 0 },
  { "told before the next begins", RP_PHASE_RETURN_CHECK, 3, 2, 1, FALSE, RP_EVENT_UNHEALTHY, NOW,
    1, TRUE, RP_PHASE_RETURNED, RP_ACTION_NONE, 0, "reverted", 0 },
  { "never tried again by itself", RP_PHASE_RETURNED, 2, 2, 1, FALSE, RP_EVENT_START, NOW, 1, TRUE,
    RP_PHASE_RETURNED, RP_ACTION_NONE, 0, NULL, 0 },
  { "a new number moves on", RP_PHASE_RETURNED, 3, 2, 1, FALSE, RP_EVENT_TICK, NOW, 1, FALSE,
    RP_PHASE_PREPARING, RP_ACTION_PREPARE, 3, "preparing", 0 },
  { "a failed one moves on too", RP_PHASE_FAILED, 3, 2, 0, FALSE, RP_EVENT_TICK, NOW, 2, FALSE,
    RP_PHASE_PREPARING, RP_ACTION_PREPARE, 3, "preparing", 0 },
  { "at rest", RP_PHASE_CONFIRMED, 2, 2, 2, FALSE, RP_EVENT_TICK, NOW, 2, TRUE, RP_PHASE_CONFIRMED,
    RP_ACTION_NONE, 0, NULL, 0 },
  { "R31 changed by hand", RP_PHASE_CONFIRMED, 2, 2, 2, FALSE, RP_EVENT_TICK, NOW, 9, TRUE,
    RP_PHASE_CONFIRMED, RP_ACTION_NONE, 0, "drifted", 0 },
  { "gone by hand", RP_PHASE_CONFIRMED, 2, 2, 2, FALSE, RP_EVENT_TICK, NOW, 0, TRUE,
    RP_PHASE_CONFIRMED, RP_ACTION_NONE, 0, "drifted", 0 },
  { "something else at start", RP_PHASE_CONFIRMED, 2, 2, 2, FALSE, RP_EVENT_START, NOW, 1, TRUE,
    RP_PHASE_PREPARING, RP_ACTION_NONE, 0, NULL, 0 },
  { "went back, something else at start", RP_PHASE_RETURNED, 2, 2, 1, FALSE, RP_EVENT_START, NOW, 2,
    TRUE, RP_PHASE_RETURNING, RP_ACTION_NONE, 0, NULL, 0 },
};

static RpTargetState *
state_of (const Row *row)
{
  RpTargetState *state = rp_target_state_new ();
  int runs = row->phase == RP_PHASE_RETURN_CHECK || row->phase == RP_PHASE_RETURNED
                     || row->phase == RP_PHASE_RETURNING
                 ? row->confirmed
                 : row->work;

  state->trial_ms = TRIAL_MS;
  state->phase = row->phase;
  state->deadline_us = NOW + (gint64) TRIAL_MS * 1000;
  if (row->pointer != 0)
    state->pointer = entry (row->pointer, row->pointer, FALSE, row->rollback);
  if (row->work != 0)
    state->work = entry (row->work, row->work, FALSE, row->rollback);
  if (row->confirmed != 0)
    state->confirmed = entry (row->confirmed, row->confirmed, TRUE, FALSE);
  if (runs != 0 && row->phase != RP_PHASE_PREPARING && row->phase != RP_PHASE_SWITCHING)
    {
      state->has_expect = TRUE;
      state->expect = digest_of (runs);
    }
  return state;
}

static void
check_row (const Row *row)
{
  g_autoptr (RpTargetState) state = state_of (row);
  g_auto (RpStep) step = { 0 };
  RpObservation seen = sight (row->see);
  RpLook look = { .event = row->event,
                  .now_us = row->now_us,
                  .seen = &seen,
                  .message = "the probe says no",
                  .pointer_ready = row->pointer_ready };
  RpDigest want = digest_of (row->artifact);

  rp_step (state, &look, &step);
  if (state->phase != row->then)
    fail_msg ("%s: phase %s, expected %s", row->name, rp_phase_name (state->phase),
              rp_phase_name (row->then));
  if (step.action != row->action || g_strcmp0 (step.report, row->report) != 0
      || step.learn != row->learn)
    fail_msg ("%s: action %d, report %s, learn %d", row->name, step.action,
              step.report != NULL ? step.report : "none", step.learn);
  if (row->artifact != 0 && !rp_digest_equal (&step.artifact->digest, &want))
    fail_msg ("%s: another artifact", row->name);
  if ((row->phase != row->then || row->report != NULL) && !step.changed)
    fail_msg ("%s: not recorded", row->name);
  if (row->report != NULL && (step.message == NULL || step.message[0] == '\0'))
    fail_msg ("%s: a report without a word", row->name);
}

static void
test_transitions (void **data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    check_row (&rows[i]);
}

/* What a failed trial tells: the last probe error, and what it went back to. */
static void
test_R44_the_story_of_going_back (void **data)
{
  const Row row = { .phase = RP_PHASE_TRIAL, .pointer = 2, .work = 2, .confirmed = 1 };
  g_autoptr (RpTargetState) state = state_of (&row);
  RpObservation seen = sight (2);
  RpLook look = { .now_us = LATE, .seen = &seen, .message = "HTTP 500 from /healthz" };
  g_auto (RpStep) failed = { 0 };
  g_auto (RpStep) pointed = { 0 };
  g_auto (RpStep) healthy = { 0 };

  look.event = RP_EVENT_UNHEALTHY;
  rp_step (state, &look, &failed);
  seen = sight (1);
  look.event = RP_EVENT_POINTED;
  rp_step (state, &look, &pointed);
  look.event = RP_EVENT_HEALTHY;
  look.message = NULL;
  rp_step (state, &look, &healthy);
  assert_string_equal (healthy.report, "reverted");
  assert_int_equal (healthy.report_revision, 2);
  assert_non_null (strstr (healthy.message, "HTTP 500 from /healthz"));
  assert_non_null (strstr (healthy.message, "v1"));
}

/* A release that is good elsewhere and runs here: taken for confirmed by a new journal, but not after it failed
 * its trial here. */
static void
test_what_runs_is_recognised_unless_it_failed (void **data)
{
  const RpPhase phases[] = { RP_PHASE_IDLE, RP_PHASE_FAILED };

  for (gsize i = 0; i < G_N_ELEMENTS (phases); i++)
    {
      const Row row = { .phase = phases[i], .pointer = 2, .work = 1 };
      g_autoptr (RpTargetState) state = state_of (&row);
      RpObservation seen = sight (1);
      RpLook look = { .event = RP_EVENT_TICK, .now_us = NOW, .seen = &seen };
      g_auto (RpStep) step = { 0 };

      g_ptr_array_add (state->window, entry (1, 1, TRUE, FALSE));
      rp_step (state, &look, &step);
      assert_int_equal (state->phase, RP_PHASE_PREPARING);
      assert_int_equal (state->confirmed != NULL, phases[i] == RP_PHASE_IDLE);
    }
}

/* ---- random histories ---- */

#define RELEASES 6
#define HISTORIES 400
#define STEPS 400

typedef struct {
  GRand *random;
  RpTargetState *state;   /* in memory */
  RpTargetState *durable; /* what a new process finds */
  gint64 now_us;
  gint64 revision;
  int runs;               /* the digest on the target, 0 none */
  gboolean healthy[RELEASES + 1];
  GHashTable *failed_here; /* revisions whose trial failed */
  gint64 last_work;
} World;

static gboolean
chance (World *world, int percent)
{
  return g_rand_int_range (world->random, 0, 100) < percent;
}

static void
move_pointer (World *world)
{
  g_autoptr (RpPointer) pointer = g_new0 (RpPointer, 1);
  int which = g_rand_int_range (world->random, 1, RELEASES + 1);

  world->revision++;
  pointer->seq = world->revision;
  pointer->trial_ms = TRIAL_MS;
  pointer->window = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_entry_unref);
  pointer->current = entry (world->revision, which, FALSE, chance (world, 30));
  g_ptr_array_add (pointer->window, rp_entry_ref (pointer->current));
  for (guint i = 0; i < MIN (world->state->window->len, 3); i++)
    g_ptr_array_add (pointer->window,
                     rp_entry_ref (g_ptr_array_index (world->state->window, i)));
  rp_target_state_take (world->state, pointer);
}

static RpAgentEvent
perform (World *world, const RpStep *step)
{
  switch (step->action)
    {
    case RP_ACTION_PREPARE:
      world->now_us += g_rand_int_range (world->random, 0, 2000000);
      return chance (world, 70)  ? RP_EVENT_PREPARED
             : chance (world, 80) ? RP_EVENT_PREPARE_FAILED
                                  : RP_EVENT_ARTIFACT_BAD;
    case RP_ACTION_POINT:
      if (chance (world, 15))
        return RP_EVENT_POINT_FAILED;
      world->runs = (int) step->artifact->release_number;
      return RP_EVENT_POINTED;
    case RP_ACTION_PROBE:
      return world->runs != 0 && world->healthy[world->runs] && chance (world, 60)
                 ? RP_EVENT_HEALTHY
                 : RP_EVENT_UNHEALTHY;
    default:
      world->now_us += step->wait_ms * 1000;
      return RP_EVENT_TICK;
    }
}

static void
check_point (const World *world, const RpTargetState *state, const RpStep *step)
{
  const RpEntry *allowed = state->phase == RP_PHASE_SWITCHING   ? state->work
                           : state->phase == RP_PHASE_RETURNING ? state->confirmed
                           : state->phase == RP_PHASE_UNDOING   ? state->undo.to
                                                                : NULL;

  assert_non_null (allowed); /* I1 */
  assert_true (rp_entry_same (allowed, step->artifact));
  if (state->phase == RP_PHASE_SWITCHING) /* I2 */
    assert_false (g_hash_table_contains (world->failed_here, &state->work->revision));
  if (state->phase == RP_PHASE_RETURNING) /* I6 */
    assert_false (state->work->rollback);
}

static gboolean
is_end (RpPhase phase)
{
  return phase == RP_PHASE_CONFIRMED || phase == RP_PHASE_RETURNED || phase == RP_PHASE_FAILED
         || phase == RP_PHASE_UNDONE;
}

static void
check_step (World *world, const RpTargetState *before, const RpLook *look, const RpStep *step)
{
  const RpTargetState *after = world->state;

  if (step->action == RP_ACTION_POINT)
    check_point (world, after, step);
  if (after->work != NULL) /* I3 */
    {
      assert_true (after->work->revision >= world->last_work);
      world->last_work = after->work->revision;
    }
  if (step->learn == RP_LEARN_CONFIRMED) /* I4 */
    {
      assert_int_equal (look->event, RP_EVENT_HEALTHY);
      assert_true (look->seen->has_digest);
      assert_true (rp_digest_equal (&look->seen->digest, &step->learn_digest));
    }
  if (after->phase == RP_PHASE_TRIAL) /* I5 */
    assert_true (after->deadline_us <= look->now_us + (gint64) TRIAL_MS * 1000);
  if (before->phase == RP_PHASE_TRIAL
      && (after->phase == RP_PHASE_RETURNING || after->phase == RP_PHASE_FAILED))
    assert_true (look->now_us >= before->deadline_us
                 && (look->event == RP_EVENT_UNHEALTHY || look->event == RP_EVENT_HEALTHY));
  if (before->undo.to != NULL && look->event != RP_EVENT_UNDO
      && (after->undo.to == NULL || !rp_entry_same (before->undo.to, after->undo.to))) /* I7 */
    assert_true (after->pointer->revision > before->undo.from_revision);
  if (is_end (after->phase) && before->phase != after->phase) /* I8 */
    assert_non_null (step->report);
  if (step->report != NULL || before->phase != after->phase)
    assert_true (step->changed);
}

static void
note_ends (World *world, const RpTargetState *before, const RpStep *step)
{
  gboolean of_trial = before->phase == RP_PHASE_TRIAL || before->phase == RP_PHASE_SWITCHING;

  if (step->learn == RP_LEARN_FAILED && of_trial)
    g_hash_table_add (world->failed_here, g_memdup2 (&step->learn_revision, sizeof (gint64)));
}

/* I10, I9: at rest, and with nothing new, another look changes nothing; a drift is told once. */
static void
check_rest (const RpTargetState *state, const RpLook *look)
{
  g_autoptr (RpTargetState) copy = rp_target_state_copy (state);
  g_autoptr (json_t) before = rp_target_state_to_json (state);
  g_autoptr (json_t) after = NULL;
  g_auto (RpStep) first = { 0 };
  g_auto (RpStep) second = { 0 };
  RpLook tick = *look;

  tick.event = RP_EVENT_TICK;
  if (!rp_phase_rests (state->phase)
      || (state->pointer != NULL
          && (state->work == NULL || state->pointer->revision > state->work->revision)))
    return;
  rp_step (copy, &tick, &first);
  assert_int_not_equal (first.action, RP_ACTION_POINT);
  rp_step (copy, &tick, &second);
  assert_null (second.report);
  assert_false (second.changed);
  if (first.changed)
    return;
  after = rp_target_state_to_json (copy);
  assert_true (json_equal (before, after));
}

static RpAgentEvent
one_step (World *world, RpAgentEvent event, const RpUndo *undo)
{
  g_autoptr (RpTargetState) before = rp_target_state_copy (world->state);
  g_auto (RpStep) step = { 0 };
  RpObservation seen = sight (world->runs);
  RpLook look = { .event = event,
                  .now_us = world->now_us,
                  .seen = chance (world, 95) || event == RP_EVENT_HEALTHY ? &seen : NULL,
                  .message = "no",
                  .pointer_ready = chance (world, 50),
                  .undo = undo };

  rp_step (world->state, &look, &step);
  if (look.seen != NULL)
    {
      check_step (world, before, &look, &step);
      check_rest (world->state, &look);
    }
  note_ends (world, before, &step);
  if (step.changed)
    {
      rp_target_state_free (world->durable);
      world->durable = rp_target_state_copy (world->state);
    }
  return perform (world, &step);
}

/* What a new process has: the durable state, by way of its bytes. */
static RpAgentEvent
kill_and_restart (World *world)
{
  g_autoptr (json_t) document = rp_target_state_to_json (world->durable);
  g_autoptr (GError) error = NULL;

  rp_target_state_free (world->state);
  world->state = rp_target_state_from_json (document, &error);
  assert_non_null (world->state);
  world->last_work = world->state->work != NULL ? world->state->work->revision : 0;
  return RP_EVENT_START;
}

static RpAgentEvent
undo_by_hand (World *world)
{
  RpUndo undo = { .to = rp_entry_ref (g_ptr_array_index (
                      world->state->window,
                      (guint) g_rand_int_range (world->random, 0,
                                                (gint32) world->state->window->len))),
                  .from_revision = world->state->pointer->revision,
                  .has_from_digest = world->runs != 0,
                  .from_digest = digest_of (world->runs),
                  .cause = g_strdup ("test"),
                  .actor = g_strdup ("me") };
  RpAgentEvent event = one_step (world, RP_EVENT_UNDO, &undo);

  rp_undo_clear (&undo);
  return event;
}

/* Left alone, with a world that works again, it comes to rest within bounded time. */
static void
must_come_to_rest (World *world, RpAgentEvent event)
{
  for (int i = 0; i < 2000; i++)
    {
      if (rp_phase_rests (world->state->phase)
          && (world->state->pointer == NULL || world->state->work == NULL
              || world->state->pointer->revision <= world->state->work->revision
              || world->state->undo.to != NULL))
        return;
      if (world->state->drifted && world->state->has_expect)
        for (int which = 1; which <= RELEASES; which++)
          {
            RpDigest digest = digest_of (which);

            if (rp_digest_equal (&digest, &world->state->expect))
              world->runs = which;
          }
      event = one_step (world, event, NULL);
    }
  fail_msg ("does not come to rest: %s", rp_phase_name (world->state->phase));
}

static void
live (guint32 seed)
{
  World world = { .random = g_rand_new_with_seed (seed), .now_us = NOW };
  RpAgentEvent event = RP_EVENT_START;

  world.state = rp_target_state_new ();
  world.durable = rp_target_state_copy (world.state);
  world.failed_here = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  for (int i = 1; i <= RELEASES; i++)
    world.healthy[i] = chance (&world, 60);
  for (int i = 0; i < STEPS; i++)
    {
      if (chance (&world, 4))
        move_pointer (&world);
      if (chance (&world, 2))
        world.runs = g_rand_int_range (world.random, 0, RELEASES + 3);
      if (world.runs > RELEASES)
        world.runs = 0;
      if (chance (&world, 1))
        world.now_us += (gint64) g_rand_int_range (world.random, -100, 100) * 1000000;
      if (chance (&world, 5))
        event = kill_and_restart (&world);
      else if (chance (&world, 1) && world.state->window->len > 0)
        event = undo_by_hand (&world);
      else
        event = one_step (&world, event, NULL);
    }
  must_come_to_rest (&world, event);
  rp_target_state_free (world.state);
  rp_target_state_free (world.durable);
  g_hash_table_unref (world.failed_here);
  g_rand_free (world.random);
}

static void
test_random_histories_keep_the_invariants (void **data)
{
  for (guint32 seed = 1; seed <= HISTORIES; seed++)
    live (seed);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_transitions),
    cmocka_unit_test (test_R44_the_story_of_going_back),
    cmocka_unit_test (test_what_runs_is_recognised_unless_it_failed),
    cmocka_unit_test (test_random_histories_keep_the_invariants),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
