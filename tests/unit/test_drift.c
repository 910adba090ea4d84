/* Does a target run what it is pointed at? A table of all that its agent may have said. */
#include "check.h"

#include "release/drift.h"

#define NOW_US (1000 * G_TIME_SPAN_MINUTE)
#define RIGHT  "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define WRONG  "sha256:2222222222222222222222222222222222222222222222222222222222222222"

static RpRevision *
make_revision (RpOutcome outcome)
{
  GError *error = NULL;
  RpRevision *revision = g_new0 (RpRevision, 1);
  revision->number = 7;
  revision->outcome = outcome;
  revision->release = rp_release_new ("shop");
  revision->release->number = 3;
  revision->release->version = g_strdup ("1.3");
  RpReleaseComponent *web = g_new0 (RpReleaseComponent, 1);
  web->name = g_strdup ("web");
  check_ok (rp_digest_parse (RIGHT, &web->digest, &error));
  g_ptr_array_add (revision->release->components, web);
  return revision;
}

static const struct
{
  RpOutcome outcome; /* of the current revision, 7 */
  gint64 revision;   /* that the target works on */
  RpTargetPhase phase;
  const char *observed;
  gint64 release; /* that has it; 0: none */
  gint64 at_us, seen_at_us;
  RpDriftVerdict verdict;
  const char *says;
} cases[] = {
  { RP_OUTCOME_HEALTHY, 7, RP_PHASE_CONFIRMED, RIGHT, 3, 1, NOW_US, RP_DRIFT_FOLLOWS, "pointed at" },
  { RP_OUTCOME_FAILED, 7, RP_PHASE_CONFIRMED, RIGHT, 3, 1, NOW_US, RP_DRIFT_FOLLOWS, "pointed at" },
  { RP_OUTCOME_HEALTHY, 7, RP_PHASE_DRIFTED, RIGHT, 3, 1, NOW_US, RP_DRIFT_DRIFTED, "1.2" },
  { RP_OUTCOME_HEALTHY, 7, RP_PHASE_CONFIRMED, WRONG, 2, 1, NOW_US, RP_DRIFT_DRIFTED, "runs 1.2 (release 2), not 1.3 (release 3)" },
  { RP_OUTCOME_HEALTHY, 6, RP_PHASE_UNDONE, WRONG, 2, 1, NOW_US, RP_DRIFT_DRIFTED, "somebody went back on the host" },
  { RP_OUTCOME_FAILED, 7, RP_PHASE_REVERTED, WRONG, 2, 1, NOW_US, RP_DRIFT_DRIFTED, "went back by itself" },
  { RP_OUTCOME_HEALTHY, 7, RP_PHASE_CONFIRMED, WRONG, 0, 1, NOW_US, RP_DRIFT_DRIFTED, "in no release of this app" },
  { RP_OUTCOME_HEALTHY, 7, RP_PHASE_CONFIRMED, NULL, 0, 1, NOW_US, RP_DRIFT_DRIFTED, "nothing that its agent knows" },
  { RP_OUTCOME_PROGRESSING, 6, RP_PHASE_CONFIRMED, WRONG, 2, 1, NOW_US, RP_DRIFT_MOVING, "on its way" },
  { RP_OUTCOME_PROGRESSING, 7, RP_PHASE_TRIAL, WRONG, 2, 1, NOW_US, RP_DRIFT_MOVING, "on its way" },
  { RP_OUTCOME_PROGRESSING, 7, RP_PHASE_FAILED, WRONG, 2, 1, NOW_US, RP_DRIFT_DRIFTED, "failed to follow" },
  { RP_OUTCOME_HEALTHY, 0, RP_PHASE_UNKNOWN, NULL, 0, 0, 0, RP_DRIFT_UNKNOWN, "never reported" },
  { RP_OUTCOME_HEALTHY, 7, RP_PHASE_CONFIRMED, RIGHT, 3, 1, NOW_US - RP_TARGET_SILENT_US, RP_DRIFT_FOLLOWS, "pointed at" },
  { RP_OUTCOME_HEALTHY, 7, RP_PHASE_CONFIRMED, RIGHT, 3, 1, NOW_US - RP_TARGET_SILENT_US - 1, RP_DRIFT_UNKNOWN, "silent for 3 min" },
  { RP_OUTCOME_HEALTHY, 7, RP_PHASE_CONFIRMED, WRONG, 2, 1, NOW_US - RP_TARGET_SILENT_US - 1, RP_DRIFT_UNKNOWN, "it ran 1.2 (release 2) then" },
};

static RpTargetView
make_target (gsize i)
{
  return (RpTargetView){ .name = (char *) "web-1",
                         .component = (char *) "web",
                         .phase = cases[i].phase,
                         .revision = cases[i].revision,
                         .observed_digest = (char *) cases[i].observed,
                         .observed_release = cases[i].release,
                         .observed_version = (char *) "1.2",
                         .at_us = cases[i].at_us,
                         .seen_at_us = cases[i].seen_at_us };
}

static void
test_every_verdict (void **unused)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (RpRevision) current = make_revision (cases[i].outcome);
      g_autofree char *reason = NULL;
      RpTargetView target = make_target (i);
      RpDriftVerdict verdict = rp_drift_judge (&target, current, NOW_US, &reason);
      if (verdict != cases[i].verdict || strstr (reason, cases[i].says) == NULL)
        fail_msg ("case %zu: %s: %s", i, rp_drift_name (verdict), reason);
    }
}

static void
test_nothing_deployed (void **unused)
{
  g_autofree char *never = NULL;
  g_autofree char *nothing = NULL;
  g_autofree char *something = NULL;
  RpTargetView target = { .name = (char *) "web-1", .component = (char *) "web" };
  assert_int_equal (rp_drift_judge (&target, NULL, NOW_US, &never), RP_DRIFT_FOLLOWS);
  target.at_us = target.seen_at_us = NOW_US;
  assert_int_equal (rp_drift_judge (&target, NULL, NOW_US, &nothing), RP_DRIFT_FOLLOWS);
  target.observed_digest = (char *) WRONG;
  assert_int_equal (rp_drift_judge (&target, NULL, NOW_US, &something), RP_DRIFT_DRIFTED);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_every_verdict),
    cmocka_unit_test (test_nothing_deployed),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
