#include "release/hold.h"
#include "release/json_out.h"
#include "release/provenance.h"

static json_t *
component_to_json (const RpReleaseComponent *component, gboolean whole)
{
  json_t *json = json_object ();
  json_object_set_new (json, "name", json_string (component->name));
  json_object_set_new (json, "repository", json_string (component->repository));
  json_object_set_new (json, "digest", rp_json_digest (&component->digest));
  if (!whole)
    return json;
  json_object_set_new (json, "media_type", json_string (component->media_type));
  json_object_set_new (json, "size_bytes", json_integer ((json_int_t) component->size_bytes));
  json_object_set_new (json, "requested", json_string (component->requested));
  return json;
}

static json_t *
components_to_json (const RpRelease *release, gboolean whole)
{
  json_t *array = json_array ();
  for (guint i = 0; i < release->components->len; i++)
    json_array_append_new (array, component_to_json (release->components->pdata[i], whole));
  return array;
}

json_t *
rp_release_to_json (const RpRelease *release)
{
  json_t *source = json_object ();
  json_object_set_new (source, "repository", rp_json_text_or_null (release->source_repository));
  json_object_set_new (source, "commit", rp_json_text_or_null (release->commit));
  json_object_set_new (source, "build", rp_json_text_or_null (release->build));
  json_object_set_new (source, "run_url", rp_json_text_or_null (release->run_url));
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (release->app));
  json_object_set_new (json, "number", json_integer (release->number));
  json_object_set_new (json, "version", json_string (release->version));
  json_object_set_new (json, "components", components_to_json (release, TRUE));
  json_object_set_new (json, "source", source);
  json_object_set_new (json, "provenance", rp_provenance_to_json (release->provenance));
  json_object_set_new (json, "disagreements", rp_json_texts (release->disagreements));
  json_object_set_new (json, "holds", rp_release_hold_list_to_json (release->holds));
  json_object_set_new (json, "actor", json_string (release->actor));
  json_object_set_new (json, "at", rp_json_time_or_null (release->at_us));
  json_object_set_new (json, "seq", json_integer (release->seq));
  return json;
}

json_t *
rp_release_list_to_json (const GPtrArray *releases)
{
  json_t *array = json_array ();
  for (guint i = 0; i < releases->len; i++)
    json_array_append_new (array, rp_release_to_json (releases->pdata[i]));
  return array;
}

json_t *
rp_release_summary_to_json (const RpRelease *release)
{
  json_t *json = json_object ();
  json_object_set_new (json, "number", json_integer (release->number));
  json_object_set_new (json, "version", json_string (release->version));
  json_object_set_new (json, "commit", rp_json_text_or_null (release->commit));
  json_object_set_new (json, "build", rp_json_text_or_null (release->build));
  json_object_set_new (json, "components", components_to_json (release, FALSE));
  return json;
}
