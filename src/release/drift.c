#include "release/drift.h"

#include "base/clock.h"
#include "release/json_out.h"

static const char *const names[] = {
  [RP_DRIFT_FOLLOWS] = "follows",
  [RP_DRIFT_MOVING] = "moving",
  [RP_DRIFT_UNKNOWN] = "unknown",
  [RP_DRIFT_DRIFTED] = "drifted",
};

const char *
rp_drift_name (RpDriftVerdict verdict)
{
  return names[verdict];
}

/* What it is pointed at; NULL: nothing. g_free(). */
static char *
expected_digest (const RpTargetView *target, const RpRevision *current)
{
  const RpReleaseComponent *component
      = current == NULL ? NULL : rp_release_component (current->release, target->component);
  return component == NULL ? NULL : rp_digest_to_string (&component->digest);
}

/* `1.0 (release 1)`, a digest, or nothing. */
static char *
describe_observed (const RpTargetView *target)
{
  if (target->observed_release != 0)
    return g_strdup_printf ("%s (release %" G_GINT64_FORMAT ")", target->observed_version,
                            target->observed_release);
  if (target->observed_digest != NULL)
    return g_strdup_printf ("%s, which is in no release of this app", target->observed_digest);
  return g_strdup ("nothing that its agent knows");
}

static const char *
describe_cause (RpTargetPhase phase)
{
  switch (phase)
    {
    case RP_PHASE_REVERTED:
      return "; it went back by itself";
    case RP_PHASE_UNDONE:
      return "; somebody went back on the host";
    case RP_PHASE_FAILED:
      return "; it failed to follow";
    default:
      return "";
    }
}

static gboolean
is_on_its_way (const RpTargetView *target, const RpRevision *current)
{
  if (current == NULL || current->outcome != RP_OUTCOME_PROGRESSING)
    return FALSE;
  return target->revision != current->number || target->phase == RP_PHASE_PREPARING
         || target->phase == RP_PHASE_PREPARED || target->phase == RP_PHASE_TRIAL;
}

/* It may run the right thing for the wrong reason: not if its agent says that something is amiss. */
static gboolean
runs_what_it_should (const RpTargetView *target, const char *expected)
{
  return g_strcmp0 (target->observed_digest, expected) == 0 && target->phase != RP_PHASE_FAILED
         && target->phase != RP_PHASE_DRIFTED;
}

RpDriftVerdict
rp_drift_judge (const RpTargetView *target, const RpRevision *current, gint64 now_us,
                char **out_reason)
{
  g_autofree char *expected = expected_digest (target, current);
  g_autofree char *runs = describe_observed (target);
  if (target->at_us == 0)
    {
      *out_reason = g_strdup ("its agent has never reported what it runs");
      return current == NULL ? RP_DRIFT_FOLLOWS : RP_DRIFT_UNKNOWN;
    }
  if (now_us - target->seen_at_us > RP_TARGET_SILENT_US)
    {
      g_autofree char *age = rp_clock_format_age (now_us - target->seen_at_us);
      *out_reason = g_strdup_printf ("its agent is silent for %s; it ran %s then", age, runs);
      return RP_DRIFT_UNKNOWN;
    }
  if (runs_what_it_should (target, expected))
    {
      *out_reason = g_strdup (current == NULL ? "nothing was deployed here yet, and nothing runs"
                                              : "it runs what it is pointed at");
      return RP_DRIFT_FOLLOWS;
    }
  if (is_on_its_way (target, current))
    {
      *out_reason = g_strdup_printf ("on its way: it runs %s", runs);
      return RP_DRIFT_MOVING;
    }
  g_autofree char *wanted = current == NULL ? NULL : rp_release_label (current->release);
  *out_reason = g_strdup_printf ("it runs %s, not %s%s", runs, wanted != NULL ? wanted : "nothing",
                                 describe_cause (target->phase));
  return RP_DRIFT_DRIFTED;
}

static RpDriftVerdict
add_target (json_t *targets, const RpTargetView *target, const RpRevision *current, gint64 now_us)
{
  g_autofree char *expected = expected_digest (target, current);
  g_autofree char *reason = NULL;
  RpDriftVerdict verdict = rp_drift_judge (target, current, now_us, &reason);
  json_t *json = rp_target_view_to_json (target);
  json_object_set_new (json, "verdict", json_string (rp_drift_name (verdict)));
  json_object_set_new (json, "reason", json_string (reason));
  json_object_set_new (json, "expected_digest", rp_json_text_or_null (expected));
  json_array_append_new (targets, json);
  return verdict;
}

json_t *
rp_drift_look (RpEngine *engine, const char *app, const char *environment, GError **error)
{
  RpStatus *raw = NULL;
  if (!rp_status_get (engine, app, environment, 0, TRUE, &raw, error))
    return NULL;
  g_autoptr (RpStatus) status = raw;
  RpDriftVerdict worst = RP_DRIFT_FOLLOWS;
  gint64 now_us = rp_clock_now_us ();
  json_t *targets = json_array ();
  for (guint i = 0; i < status->targets->len; i++)
    worst = MAX (worst, add_target (targets, status->targets->pdata[i], status->current, now_us));
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (app));
  json_object_set_new (json, "environment", json_string (environment));
  json_object_set_new (json, "revision", rp_revision_to_json_or_null (status->current));
  json_object_set_new (json, "verdict", json_string (rp_drift_name (worst)));
  json_object_set_new (json, "targets", targets);
  return json;
}
