#include "release/app.h"
#include "release/json_out.h"

static json_t *
components_to_json (const RpApp *app)
{
  json_t *array = json_array ();
  for (guint i = 0; i < app->components->len; i++)
    {
      const RpComponent *component = app->components->pdata[i];
      json_t *one = json_object ();
      json_object_set_new (one, "name", json_string (component->name));
      json_object_set_new (one, "repository", json_string (component->repository));
      json_array_append_new (array, one);
    }
  return array;
}

/* What was declared of an environment, without what came of it. */
static json_t *
declared_to_json (const RpEnvironment *environment)
{
  json_t *targets = json_array ();
  for (guint i = 0; i < environment->targets->len; i++)
    {
      const RpTargetDecl *target = environment->targets->pdata[i];
      json_t *one = json_object ();
      json_object_set_new (one, "name", json_string (target->name));
      json_object_set_new (one, "component", json_string (target->component));
      json_array_append_new (targets, one);
    }
  json_t *json = json_object ();
  json_object_set_new (json, "name", json_string (environment->name));
  json_object_set_new (json, "order", json_integer (environment->order));
  json_object_set_new (json, "window", json_integer (environment->window));
  json_object_set_new (json, "window_for_ms", json_integer (environment->window_for_ms));
  json_object_set_new (json, "on_failure",
                       json_string (environment->rollback_on_failure ? "rollback" : "stop"));
  json_object_set_new (json, "trial_ms", json_integer (environment->trial_ms));
  json_object_set_new (json, "progress_deadline_ms",
                       json_integer (environment->progress_deadline_ms));
  json_object_set_new (json, "gates", json_loads (environment->gates, 0, NULL));
  json_object_set_new (json, "signals", json_loads (environment->signals, 0, NULL));
  json_object_set_new (json, "targets", targets);
  return json;
}

json_t *
rp_environment_to_json (const RpEnvironment *environment)
{
  json_t *json = declared_to_json (environment);
  json_object_set_new (json, "paused", rp_pause_to_json_or_null (environment->pause));
  json_object_set_new (json, "current", rp_revision_to_json_or_null (environment->current));
  json_object_set_new (json, "last_good", rp_revision_to_json_or_null (environment->last_good));
  return json;
}

static json_t *
to_json (const RpApp *app, json_t *(*render) (const RpEnvironment *), const char *name_key)
{
  json_t *environments = json_array ();
  for (guint i = 0; i < app->environments->len; i++)
    json_array_append_new (environments, render (app->environments->pdata[i]));
  json_t *json = json_object ();
  json_object_set_new (json, name_key, json_string (app->name));
  json_object_set_new (json, "components", components_to_json (app));
  json_object_set_new (json, "environments", environments);
  return json;
}

json_t *
rp_app_declaration_json (const RpApp *app)
{
  return to_json (app, declared_to_json, "app");
}

json_t *
rp_app_to_json (const RpApp *app)
{
  return to_json (app, rp_environment_to_json, "name");
}
