#include "release/json_out.h"
#include "release/plan.h"
#include "release/readiness.h"

json_t *
rp_bytes_to_json (const RpBytes *bytes)
{
  json_t *json = json_object ();
  json_object_set_new (json, "blobs", json_integer ((json_int_t) bytes->blobs));
  json_object_set_new (json, "size_bytes", json_integer ((json_int_t) bytes->size_bytes));
  json_object_set_new (json, "verified_at", rp_json_time_or_null (bytes->verified_at_us));
  json_object_set_new (json, "problems", rp_json_texts (bytes->problems));
  return json;
}

json_t *
rp_items_to_json (const GPtrArray *items)
{
  json_t *array = json_array ();
  for (guint i = 0; i < items->len; i++)
    {
      const RpItem *item = items->pdata[i];
      json_t *one = json_object ();
      json_object_set_new (one, "subject", json_string (item->subject));
      json_object_set_new (one, "state", json_string (rp_item_state_name (item->state)));
      json_object_set_new (one, "reason", json_string (item->reason));
      json_object_set_new (one, "way_out", rp_json_text_or_null (item->way_out));
      json_array_append_new (array, one);
    }
  return array;
}

static json_t *
skipped_to_json (const GPtrArray *skipped)
{
  json_t *array = json_array ();
  for (guint i = 0; i < skipped->len; i++)
    {
      const RpPassedOver *passed = skipped->pdata[i];
      json_t *one = json_object ();
      json_object_set_new (one, "revision", json_integer (passed->revision));
      json_object_set_new (one, "version", json_string (passed->version));
      json_object_set_new (one, "why", json_string (passed->why));
      json_array_append_new (array, one);
    }
  return array;
}

json_t *
rp_plan_to_json (const RpPlan *plan)
{
  const RpDecision *move = plan->move;
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (move->environment->app));
  json_object_set_new (json, "environment", json_string (move->environment->name));
  json_object_set_new (json, "kind", json_string (rp_kind_name (plan->kind)));
  json_object_set_new (json, "from", rp_revision_to_json_or_null (move->environment->current));
  json_object_set_new (json, "release", rp_release_to_json (move->release));
  json_object_set_new (json, "restores", rp_json_number_or_null (move->restores));
  json_object_set_new (json, "expected_revision", json_integer (rp_plan_expected_revision (plan)));
  json_object_set_new (json, "cause", json_string (move->cause));
  json_object_set_new (json, "bytes", rp_bytes_to_json (&plan->bytes));
  json_object_set_new (json, "already", json_boolean (move->already));
  json_object_set_new (json, "blocked", json_boolean (plan->blocked));
  json_object_set_new (json, "skipped", skipped_to_json (move->skipped));
  json_object_set_new (json, "gates", rp_gates_to_json (move->gates));
  json_object_set_new (json, "items", rp_items_to_json (plan->items));
  return json;
}

static json_t *
ready_revision_to_json (const RpReadyRevision *revision)
{
  json_t *json = json_object ();
  json_object_set_new (json, "number", json_integer (revision->number));
  json_object_set_new (json, "release", rp_release_summary_to_json (revision->release));
  json_object_set_new (json, "current", json_boolean (revision->current));
  json_object_set_new (json, "undo_target", json_boolean (revision->undo_target));
  json_object_set_new (json, "ready", json_boolean (revision->ready));
  json_object_set_new (json, "bytes", rp_bytes_to_json (&revision->bytes));
  json_object_set_new (json, "local_on", rp_json_texts (revision->local_on));
  json_object_set_new (json, "not_local_on", rp_json_texts (revision->not_local_on));
  json_object_set_new (json, "items", rp_items_to_json (revision->items));
  json_object_set (json, "origins", revision->origins);
  return json;
}

json_t *
rp_readiness_to_json (const RpReadiness *readiness)
{
  json_t *revisions = json_array ();
  for (guint i = 0; i < readiness->revisions->len; i++)
    json_array_append_new (revisions, ready_revision_to_json (readiness->revisions->pdata[i]));
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (readiness->app));
  json_object_set_new (json, "environment", json_string (readiness->environment));
  json_object_set_new (json, "window", json_integer (readiness->window));
  json_object_set_new (json, "ready", json_boolean (readiness->ready));
  json_object_set_new (json, "takes", rp_return_time_to_json (&readiness->takes));
  json_object_set_new (json, "reasons", rp_json_texts (readiness->reasons));
  json_object_set (json, "credentials", readiness->credentials);
  json_object_set_new (json, "revisions", revisions);
  return json;
}
