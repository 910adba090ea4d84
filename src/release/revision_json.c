#include "base/clock.h"
#include "release/json_out.h"
#include "release/revision.h"

json_t *
rp_revision_to_json (const RpRevision *revision)
{
  gint64 until_us = revision->until_us != 0 ? revision->until_us : rp_clock_now_us ();
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (revision->app));
  json_object_set_new (json, "environment", json_string (revision->environment));
  json_object_set_new (json, "number", json_integer (revision->number));
  json_object_set_new (json, "kind", json_string (rp_kind_name (revision->kind)));
  json_object_set_new (json, "release", rp_release_summary_to_json (revision->release));
  json_object_set_new (json, "cause", json_string (revision->cause));
  json_object_set_new (json, "actor", json_string (revision->actor));
  json_object_set_new (json, "at", rp_json_time_or_null (revision->at_us));
  json_object_set_new (json, "expected_revision", json_integer (revision->expected_revision));
  json_object_set_new (json, "outcome", json_string (rp_outcome_name (revision->outcome)));
  json_object_set_new (json, "outcome_reason", rp_json_text_or_null (revision->outcome_reason));
  json_object_set_new (json, "outcome_at", rp_json_time_or_null (revision->outcome_at_us));
  json_object_set_new (json, "restores", rp_json_number_or_null (revision->restores));
  json_object_set_new (json, "rolled_back_by", rp_json_number_or_null (revision->rolled_back_by));
  json_object_set_new (json, "rollback_due", json_boolean (revision->rollback_due));
  json_object_set_new (json, "overrides",
                       revision->overrides == NULL ? json_array ()
                                                   : json_loads (revision->overrides, 0, NULL));
  json_object_set_new (json, "good", json_boolean (revision->good));
  json_object_set_new (json, "ran_for_ms",
                       json_integer (MAX (0, (until_us - revision->at_us) / 1000)));
  json_object_set_new (json, "seq", json_integer (revision->seq));
  return json;
}

json_t *
rp_revision_to_json_or_null (const RpRevision *revision)
{
  return revision == NULL ? json_null () : rp_revision_to_json (revision);
}

json_t *
rp_revision_list_to_json (const GPtrArray *revisions)
{
  json_t *array = json_array ();
  for (guint i = 0; i < revisions->len; i++)
    json_array_append_new (array, rp_revision_to_json (revisions->pdata[i]));
  return array;
}
