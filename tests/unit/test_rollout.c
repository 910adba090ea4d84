/* The rollout of a revision: every transition, then random histories against the invariants of
 * rollout.c. */
#include "check.h"

#include "release/rollout.h"

#define DEADLINE 1000

static RpRollout
make_state (guint n_targets, RpOutcome outcome)
{
  static const char *const names[] = { "a", "b", "c" };
  RpRollout state = { .revision = 5,
                      .outcome = outcome,
                      .rollback_on_failure = TRUE,
                      .progress_deadline_us = DEADLINE,
                      .targets = g_array_new (FALSE, TRUE, sizeof (RpRolloutTarget)) };
  for (guint i = 0; i < n_targets; i++)
    {
      RpRolloutTarget target
          = { .name = names[i], .revision = 4, .phase = RP_PHASE_CONFIRMED, .progress = 4 };
      g_array_append_val (state.targets, target);
    }
  return state;
}

static RpRolloutEvent
report (const char *target, gint64 revision, RpTargetPhase phase)
{
  return (RpRolloutEvent){ .kind = RP_ROLLOUT_REPORTED,
                           .now_us = 10,
                           .target = target,
                           .revision = revision,
                           .phase = phase,
                           .message = "because" };
}

typedef struct
{
  const char *name;
  guint n_targets;
  RpOutcome before;
  RpRolloutEvent events[4]; /* the last one is looked at */
  guint n_events;
  gboolean finish;
  RpOutcome outcome;
  gboolean roll_back;
  const char *reason;
} Case;

#define REPORT(t, r, p)                                                                            \
  {                                                                                                \
    .kind = RP_ROLLOUT_REPORTED, .now_us = 10, .target = t, .revision = r, .phase = p,             \
    .message = "because"                                                                           \
  }
#define PLAIN(k, now)                                                                              \
  {                                                                                                \
    .kind = k, .now_us = now                                                                       \
  }

static const Case cases[] = {
  { "without targets healthy at once",
    0,
    RP_OUTCOME_PROGRESSING,
    { PLAIN (RP_ROLLOUT_STARTED, 1) },
    1,
    TRUE,
    RP_OUTCOME_HEALTHY,
    FALSE,
    "no targets declared" },
  { "with targets not",
    1,
    RP_OUTCOME_PROGRESSING,
    { PLAIN (RP_ROLLOUT_STARTED, 1) },
    1,
    FALSE,
    0,
    FALSE,
    NULL },
  { "confirmed by its only target",
    1,
    RP_OUTCOME_PROGRESSING,
    { REPORT ("a", 5, RP_PHASE_CONFIRMED) },
    1,
    TRUE,
    RP_OUTCOME_HEALTHY,
    FALSE,
    "its target confirmed it" },
  { "one of two is not all",
    2,
    RP_OUTCOME_PROGRESSING,
    { REPORT ("a", 5, RP_PHASE_CONFIRMED) },
    1,
    FALSE,
    0,
    FALSE,
    NULL },
  { "both",
    2,
    RP_OUTCOME_PROGRESSING,
    { REPORT ("a", 5, RP_PHASE_CONFIRMED), REPORT ("b", 5, RP_PHASE_CONFIRMED) },
    2,
    TRUE,
    RP_OUTCOME_HEALTHY,
    FALSE,
    "all 2 targets confirmed it" },
  { "confirmed an older revision",
    1,
    RP_OUTCOME_PROGRESSING,
    { REPORT ("a", 4, RP_PHASE_CONFIRMED) },
    1,
    FALSE,
    0,
    FALSE,
    NULL },
  { "failed",
    2,
    RP_OUTCOME_PROGRESSING,
    { REPORT ("b", 5, RP_PHASE_FAILED) },
    1,
    TRUE,
    RP_OUTCOME_FAILED,
    TRUE,
    "target b failed: because" },
  { "went back",
    1,
    RP_OUTCOME_PROGRESSING,
    { REPORT ("a", 5, RP_PHASE_REVERTED) },
    1,
    TRUE,
    RP_OUTCOME_FAILED,
    TRUE,
    "target a went back by itself: because" },
  { "failed an older revision",
    1,
    RP_OUTCOME_PROGRESSING,
    { REPORT ("a", 4, RP_PHASE_FAILED) },
    1,
    FALSE,
    0,
    FALSE,
    NULL },
  { "drifted is no verdict",
    1,
    RP_OUTCOME_PROGRESSING,
    { REPORT ("a", 5, RP_PHASE_DRIFTED) },
    1,
    FALSE,
    0,
    FALSE,
    NULL },
  { "an unknown target",
    1,
    RP_OUTCOME_PROGRESSING,
    { REPORT ("z", 5, RP_PHASE_FAILED) },
    1,
    FALSE,
    0,
    FALSE,
    NULL },
  { "in time",
    1,
    RP_OUTCOME_PROGRESSING,
    { PLAIN (RP_ROLLOUT_STARTED, 1), PLAIN (RP_ROLLOUT_TICK, 1 + DEADLINE) },
    2,
    FALSE,
    0,
    FALSE,
    NULL },
  { "too late",
    1,
    RP_OUTCOME_PROGRESSING,
    { PLAIN (RP_ROLLOUT_STARTED, 1), PLAIN (RP_ROLLOUT_TICK, 2 + DEADLINE) },
    2,
    TRUE,
    RP_OUTCOME_FAILED,
    TRUE,
    "waited for: a (nothing heard)" },
  { "progress puts the deadline off",
    1,
    RP_OUTCOME_PROGRESSING,
    { PLAIN (RP_ROLLOUT_STARTED, 1), REPORT ("a", 5, RP_PHASE_PREPARED),
      PLAIN (RP_ROLLOUT_TICK, 2 + DEADLINE) },
    3,
    FALSE,
    0,
    FALSE,
    NULL },
  { "I7: going in circles does not",
    1,
    RP_OUTCOME_PROGRESSING,
    { REPORT ("a", 5, RP_PHASE_TRIAL), REPORT ("a", 5, RP_PHASE_PREPARING),
      PLAIN (RP_ROLLOUT_TICK, 11 + DEADLINE) },
    3,
    TRUE,
    RP_OUTCOME_FAILED,
    TRUE,
    "waited for: a (preparing: because)" },
  { "moved on",
    1,
    RP_OUTCOME_PROGRESSING,
    { PLAIN (RP_ROLLOUT_MOVED_ON, 0) },
    1,
    TRUE,
    RP_OUTCOME_SUPERSEDED,
    FALSE,
    "the pointer moved on" },
  { "I1: healthy stays",
    1,
    RP_OUTCOME_HEALTHY,
    { REPORT ("a", 5, RP_PHASE_FAILED) },
    1,
    FALSE,
    0,
    FALSE,
    NULL },
  { "I1: healthy is not superseded",
    1,
    RP_OUTCOME_HEALTHY,
    { PLAIN (RP_ROLLOUT_MOVED_ON, 0) },
    1,
    FALSE,
    0,
    FALSE,
    NULL },
  { "I1: failed stays",
    1,
    RP_OUTCOME_FAILED,
    { REPORT ("a", 5, RP_PHASE_CONFIRMED) },
    1,
    FALSE,
    0,
    FALSE,
    NULL },
  { "declared anew, nobody confirmed",
    1,
    RP_OUTCOME_PROGRESSING,
    { PLAIN (RP_ROLLOUT_DECLARED, 0) },
    1,
    FALSE,
    0,
    FALSE,
    NULL },
  { "declared anew without targets is no success",
    0,
    RP_OUTCOME_PROGRESSING,
    { PLAIN (RP_ROLLOUT_DECLARED, 0) },
    1,
    FALSE,
    0,
    FALSE,
    NULL },
};

static void
check_case (const Case *one)
{
  g_auto (RpRollout) state = make_state (one->n_targets, one->before);
  print_message ("%s\n", one->name);
  for (guint i = 0; i < one->n_events; i++)
    {
      g_auto (RpRolloutActions) actions = { 0 };
      rp_rollout_step (&state, &one->events[i], &actions);
      gboolean last = i + 1 == one->n_events;
      assert_int_equal (actions.finish, last && one->finish);
      if (!actions.finish)
        continue;
      assert_int_equal (actions.outcome, one->outcome);
      assert_int_equal (actions.roll_back, one->roll_back);
      check_contains (actions.reason, one->reason);
    }
}

static void
test_table (void **unused)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    check_case (&cases[i]);
}

/* R45 */
static void
test_no_rollback_loop (void **unused)
{
  static const struct
  {
    gboolean on_failure;
    gboolean is_rollback;
    gboolean before;
    gboolean rolls_back;
    const char *says;
  } table[] = {
    { TRUE, FALSE, FALSE, TRUE, "target a failed: because" },
    { FALSE, FALSE, FALSE, FALSE, "target a failed: because" },
    { TRUE, TRUE, FALSE, FALSE, "it is a rollback" },
    { TRUE, FALSE, TRUE, FALSE, "once for this release" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_auto (RpRollout) state = make_state (1, RP_OUTCOME_PROGRESSING);
      g_auto (RpRolloutActions) actions = { 0 };
      RpRolloutEvent event = report ("a", 5, RP_PHASE_FAILED);
      state.rollback_on_failure = table[i].on_failure;
      state.is_rollback = table[i].is_rollback;
      state.rolled_back_before = table[i].before;
      rp_rollout_step (&state, &event, &actions);
      assert_int_equal (actions.outcome, RP_OUTCOME_FAILED);
      assert_int_equal (actions.roll_back, table[i].rolls_back);
      check_contains (actions.reason, table[i].says);
    }
}

static void
test_stale_reports (void **unused)
{
  g_auto (RpRollout) state = make_state (1, RP_OUTCOME_PROGRESSING);
  const RpRolloutTarget *a = &g_array_index (state.targets, RpRolloutTarget, 0);
  static const struct
  {
    gint64 revision;
    gboolean takes;
  } table[] = { { 5, TRUE }, { 4, FALSE }, { 5, TRUE }, { 0, TRUE } };
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_auto (RpRolloutActions) actions = { 0 };
      RpRolloutEvent event = report ("a", table[i].revision, RP_PHASE_PREPARING);
      gint64 before = a->revision;
      rp_rollout_step (&state, &event, &actions);
      assert_int_equal (actions.takes, table[i].takes);
      assert_int_equal (a->revision, table[i].takes ? table[i].revision : before);
    }
}

static gboolean
all_confirmed (const RpRollout *state)
{
  for (guint i = 0; i < state->targets->len; i++)
    {
      const RpRolloutTarget *target = &g_array_index (state->targets, RpRolloutTarget, i);
      if (target->revision != state->revision || target->phase != RP_PHASE_CONFIRMED)
        return FALSE;
    }
  return TRUE;
}

static RpRolloutEvent
random_event (GRand *rand, gint64 now)
{
  static const char *const names[] = { "a", "b", "c", "z" };
  RpRolloutEvent event
      = { .kind = (RpRolloutEventKind) g_rand_int_range (rand, 1, 5), .now_us = now };
  if (event.kind == RP_ROLLOUT_MOVED_ON && g_rand_int_range (rand, 0, 8) != 0)
    event.kind = RP_ROLLOUT_REPORTED;
  event.target = names[g_rand_int_range (rand, 0, 4)];
  event.revision = g_rand_int_range (rand, 3, 8) % 7;
  event.phase = (RpTargetPhase) g_rand_int_range (rand, 0, 9);
  if (g_rand_boolean (rand)) /* lucky runs, so that healthy is reached too */
    {
      event.revision = 5;
      event.phase = (RpTargetPhase) g_rand_int_range (rand, 1, 5);
    }
  return event;
}

static void
check_invariants (const RpRollout *state, RpOutcome before, const RpRolloutEvent *event,
                  const RpRolloutActions *actions)
{
  if (before != RP_OUTCOME_PROGRESSING) /* I1 */
    assert_false (actions->finish || state->outcome != before);
  assert_int_equal (actions->finish, state->outcome != before);
  if (actions->finish && actions->outcome == RP_OUTCOME_HEALTHY) /* I2 */
    assert_true (all_confirmed (state));
  if (actions->finish && actions->outcome == RP_OUTCOME_FAILED) /* I3 */
    assert_true (event->kind == RP_ROLLOUT_TICK
                 || (event->kind == RP_ROLLOUT_REPORTED && event->revision == state->revision));
  if (actions->roll_back) /* I4, I5 */
    assert_true (actions->finish && actions->outcome == RP_OUTCOME_FAILED && !state->is_rollback
                 && !state->rolled_back_before && state->rollback_on_failure);
}

static void
test_random_histories (void **unused)
{
  guint seen[4] = { 0 };
  for (guint32 seed = 0; seed < 3000; seed++)
    {
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
      g_auto (RpRollout) state
          = make_state ((guint) g_rand_int_range (rand, 1, 4), RP_OUTCOME_PROGRESSING);
      state.is_rollback = g_rand_boolean (rand);
      state.rolled_back_before = g_rand_boolean (rand);
      state.rollback_on_failure = g_rand_boolean (rand);
      gint64 now = 0;
      for (guint i = 0; i < 40; i++)
        {
          g_auto (RpRolloutActions) actions = { 0 };
          now += g_rand_int_range (rand, 0, DEADLINE / 4);
          RpRolloutEvent event = random_event (rand, now);
          RpOutcome before = state.outcome;
          rp_rollout_step (&state, &event, &actions);
          check_invariants (&state, before, &event, &actions);
        }
      seen[state.outcome]++;
    }
  assert_true (seen[RP_OUTCOME_HEALTHY] > 0 && seen[RP_OUTCOME_FAILED] > 0
               && seen[RP_OUTCOME_SUPERSEDED] > 0);
}

static void
test_phase_names (void **unused)
{
  GError *error = NULL;
  RpTargetPhase phase;
  for (int i = RP_PHASE_UNKNOWN; i <= RP_PHASE_UNDONE; i++)
    {
      check_ok (rp_target_phase_parse (rp_target_phase_name ((RpTargetPhase) i), &phase, &error));
      assert_int_equal (phase, i);
    }
  check_fails (rp_target_phase_parse ("happy", &phase, &error), RP_ERROR_INVALID);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_table),         cmocka_unit_test (test_no_rollback_loop),
    cmocka_unit_test (test_stale_reports), cmocka_unit_test (test_random_histories),
    cmocka_unit_test (test_phase_names),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
