/* What agents get and what is shown of what they say. */
#include "release/json_out.h"
#include "release/pointer.h"
#include "release/target_view.h"
#include "release/trace.h"

static json_t *
entry_to_json (const RpPointerEntry *entry)
{
  json_t *release = json_object ();
  json_object_set_new (release, "number", json_integer (entry->release->number));
  json_object_set_new (release, "version", json_string (entry->release->version));
  json_object_set_new (release, "commit", rp_json_text_or_null (entry->release->commit));
  json_t *json = json_object ();
  json_object_set_new (json, "revision", json_integer (entry->number));
  json_object_set_new (json, "release", release);
  json_object_set_new (json, "repository", json_string (entry->component->repository));
  json_object_set_new (json, "digest", rp_json_digest (&entry->component->digest));
  json_object_set_new (json, "good", json_boolean (entry->good));
  return json;
}

json_t *
rp_pointer_view_to_json (const RpPointerView *pointer)
{
  json_t *window = json_array ();
  for (guint i = 0; i < pointer->window->len; i++)
    json_array_append_new (window, entry_to_json (pointer->window->pdata[i]));
  json_t *json = json_object ();
  json_object_set_new (json, "seq", json_integer (pointer->seq));
  json_object_set_new (json, "revision", rp_revision_to_json_or_null (pointer->revision));
  json_object_set_new (json, "component", json_string (pointer->component));
  json_object_set_new (json, "trial_ms", json_integer (pointer->trial_ms));
  json_object_set_new (json, "window", window);
  return json;
}

static json_t *
observed_release_to_json (const RpTargetView *state)
{
  if (state->observed_release == 0)
    return json_null ();
  json_t *json = json_object ();
  json_object_set_new (json, "number", json_integer (state->observed_release));
  json_object_set_new (json, "version", json_string (state->observed_version));
  return json;
}

json_t *
rp_target_view_to_json (const RpTargetView *state)
{
  json_t *json = json_object ();
  json_object_set_new (json, "name", json_string (state->name));
  json_object_set_new (json, "component", json_string (state->component));
  json_object_set_new (json, "agent", rp_json_text_or_null (state->agent));
  json_object_set_new (json, "driver", rp_json_text_or_null (state->driver));
  json_object_set_new (json, "state", json_string (rp_target_phase_name (state->phase)));
  json_object_set_new (json, "revision", rp_json_number_or_null (state->revision));
  json_object_set_new (json, "observed_digest", rp_json_text_or_null (state->observed_digest));
  json_object_set_new (json, "observed_release", observed_release_to_json (state));
  json_object_set_new (json, "message", rp_json_text_or_null (state->message));
  json_object_set_new (json, "at", rp_json_time_or_null (state->at_us));
  json_object_set_new (json, "seen_at", rp_json_time_or_null (state->seen_at_us));
  return json;
}

json_t *
rp_target_view_list_to_json (const GPtrArray *states)
{
  json_t *array = json_array ();
  for (guint i = 0; i < states->len; i++)
    json_array_append_new (array, rp_target_view_to_json (states->pdata[i]));
  return array;
}

json_t *
rp_status_to_json (const RpStatus *status)
{
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (status->app));
  json_object_set_new (json, "environment", json_string (status->environment));
  json_object_set_new (json, "seq", json_integer (status->seq));
  json_object_set_new (json, "current", rp_revision_to_json_or_null (status->current));
  json_object_set_new (json, "converged", json_boolean (status->converged));
  json_object_set_new (json, "paused", rp_pause_to_json_or_null (status->pause));
  json_object_set_new (json, "signals", rp_signal_watch_to_json_or_null (status->watch));
  json_object_set_new (json, "holds", rp_release_hold_list_to_json (status->holds));
  json_object_set_new (json, "targets", rp_target_view_list_to_json (status->targets));
  return json;
}

static json_t *
trace_targets_to_json (const GPtrArray *targets)
{
  json_t *array = json_array ();
  for (guint i = 0; i < targets->len; i++)
    {
      const RpTraceTarget *target = targets->pdata[i];
      json_t *one = json_object ();
      json_object_set_new (one, "app", json_string (target->app));
      json_object_set_new (one, "environment", json_string (target->environment));
      json_object_set_new (one, "target", json_string (target->target));
      json_object_set_new (one, "at", rp_json_time_or_null (target->at_us));
      json_array_append_new (array, one);
    }
  return array;
}

json_t *
rp_trace_to_json (const RpTrace *trace)
{
  json_t *json = json_object ();
  json_object_set_new (json, "digest", rp_json_digest (&trace->digest));
  json_object_set_new (json, "kind", json_string (trace->is_manifest ? "manifest" : "blob"));
  json_object_set (json, "where", trace->where);
  json_object_set_new (json, "releases", rp_release_list_to_json (trace->releases));
  json_object_set_new (json, "revisions", rp_revision_list_to_json (trace->revisions));
  json_object_set_new (json, "current", rp_revision_list_to_json (trace->current));
  json_object_set_new (json, "targets", trace_targets_to_json (trace->targets));
  json_object_set_new (json, "local", trace_targets_to_json (trace->local));
  json_object_set_new (json, "verified_at", rp_json_time_or_null (trace->verified_at_us));
  return json;
}
