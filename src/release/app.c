/* The declaration of an app (repoint.yaml) and what it changes. */
#include "release/app.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/yaml.h"
#include "oci/reference.h"
#include "release/engine_priv.h"
#include "release/gate_rules.h"
#include "release/rollout_run.h"
#include "release/signal_rules.h"

#define NAME_MAX_BYTES               63
#define WINDOW_DEFAULT               3
#define WINDOW_MAX                   100
#define WINDOW_FOR_MAX_MS            (3650 * 86400 * G_GINT64_CONSTANT (1000))
#define TRIAL_DEFAULT_MS             (60 * 1000)
#define PROGRESS_DEADLINE_DEFAULT_MS (10 * 60 * 1000)

static void
component_free (gpointer data)
{
  RpComponent *component = data;
  g_free (component->name);
  g_free (component->repository);
  g_free (component);
}

void
rp_app_free (RpApp *app)
{
  if (app == NULL)
    return;
  g_free (app->name);
  g_ptr_array_unref (app->components);
  g_ptr_array_unref (app->environments);
  g_free (app);
}

static RpApp *
app_new (const char *name)
{
  RpApp *app = g_new0 (RpApp, 1);
  app->name = g_strdup (name);
  app->components = g_ptr_array_new_with_free_func (component_free);
  app->environments = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_environment_free);
  return app;
}

static void
add_component (RpApp *app, const char *name, const char *repository)
{
  RpComponent *component = g_new0 (RpComponent, 1);
  component->name = g_strdup (name);
  component->repository = g_strdup (repository);
  g_ptr_array_add (app->components, component);
}

const RpComponent *
rp_app_component (const RpApp *app, const char *name)
{
  for (guint i = 0; i < app->components->len; i++)
    {
      const RpComponent *component = app->components->pdata[i];
      if (g_str_equal (component->name, name))
        return component;
    }
  return NULL;
}

/* ---- parse ---- */

static gboolean
check_name (const RpYamlNode *node, const char *what, const char *name, GError **error)
{
  gsize length = strlen (name);
  if (length > 0 && length <= NAME_MAX_BYTES && name[0] != '-'
      && strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length)
    return TRUE;
  return rp_yaml_error (node, error,
                        "\"%s\" is no name of %s: use 1 to %d of a-z, 0-9 and -, not - first", name,
                        what, NAME_MAX_BYTES);
}

static char *
component_names (const RpApp *app)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  for (guint i = 0; i < app->components->len; i++)
    g_ptr_array_add (names, ((RpComponent *) app->components->pdata[i])->name);
  g_ptr_array_add (names, NULL);
  return g_strjoinv (", ", (char **) names->pdata);
}

static gboolean
parse_component (const RpYamlNode *node, const char *name, RpApp *app, GError **error)
{
  static const char *const keys[] = { "repository", NULL };
  const char *repository;
  g_autoptr (GError) local = NULL;
  if (!check_name (node, "a component", name, error) || !rp_yaml_expect_map (node, keys, error)
      || !rp_yaml_need_string (node, "repository", &repository, error))
    return FALSE;
  if (!rp_repository_check (repository, &local))
    return rp_yaml_error (rp_yaml_get (node, "repository"), error, "%s", local->message);
  add_component (app, name, repository);
  return TRUE;
}

static gboolean
parse_components (const RpYamlNode *root, RpApp *app, GError **error)
{
  const RpYamlNode *map = rp_yaml_get (root, "components");
  if (map == NULL)
    return rp_yaml_error (root, error,
                          "components: missing; an app has at least one, as in"
                          " `components: {web: {repository: %s/web}}`",
                          app->name);
  if (!rp_yaml_is_map (map))
    return rp_yaml_error (map, error, "expected a mapping of component names");
  if (rp_yaml_count (map) == 0)
    return rp_yaml_error (map, error, "empty; an app has at least one component");
  for (gsize i = 0; i < rp_yaml_count (map); i++)
    {
      const char *name = NULL;
      const RpYamlNode *node = rp_yaml_at (map, i, &name);
      if (!parse_component (node, name, app, error))
        return FALSE;
    }
  return TRUE;
}

static const RpTargetDecl *
find_target (const RpEnvironment *environment, const char *name)
{
  for (guint i = 0; i < environment->targets->len; i++)
    {
      const RpTargetDecl *target = environment->targets->pdata[i];
      if (g_str_equal (target->name, name))
        return target;
    }
  return NULL;
}

static gboolean
parse_target (const RpYamlNode *node, const RpApp *app, RpEnvironment *environment, GError **error)
{
  static const char *const keys[] = { "name", "component", NULL };
  const char *name;
  const char *component;
  if (!rp_yaml_expect_map (node, keys, error) || !rp_yaml_need_string (node, "name", &name, error)
      || !check_name (rp_yaml_get (node, "name"), "a target", name, error)
      || !rp_yaml_need_string (node, "component", &component, error))
    return FALSE;
  if (find_target (environment, name) != NULL)
    return rp_yaml_error (rp_yaml_get (node, "name"), error,
                          "there is a target %s in environment %s already", name,
                          environment->name);
  if (rp_app_component (app, component) == NULL)
    {
      g_autofree char *known = component_names (app);
      return rp_yaml_error (rp_yaml_get (node, "component"), error,
                            "unknown component \"%s\"; declared are: %s", component, known);
    }
  RpTargetDecl *target = g_new0 (RpTargetDecl, 1);
  target->name = g_strdup (name);
  target->component = g_strdup (component);
  g_ptr_array_add (environment->targets, target);
  return TRUE;
}

static gboolean
parse_targets (const RpYamlNode *node, const RpApp *app, RpEnvironment *environment, GError **error)
{
  const RpYamlNode *list = rp_yaml_get (node, "targets");
  if (list == NULL)
    return TRUE;
  if (!rp_yaml_is_list (list))
    return rp_yaml_error (list, error, "expected a list of targets, `- {name: …, component: …}`");
  for (gsize i = 0; i < rp_yaml_count (list); i++)
    if (!parse_target (rp_yaml_at (list, i, NULL), app, environment, error))
      return FALSE;
  return TRUE;
}

static RpEnvironment *
find_environment (const RpApp *app, const char *name)
{
  for (guint i = 0; i < app->environments->len; i++)
    {
      RpEnvironment *environment = app->environments->pdata[i];
      if (g_str_equal (environment->name, name))
        return environment;
    }
  return NULL;
}

static gboolean
parse_duration (const RpYamlNode *node, const char *key, gint64 *ms, GError **error)
{
  if (!rp_yaml_opt_duration_ms (node, key, ms, error))
    return FALSE;
  if (*ms > 0)
    return TRUE;
  return rp_yaml_error (rp_yaml_get (node, key), error, "must be longer than nothing");
}

/* `window: 3`, or `window: {releases: 3, for: 30d}` with one of them or both. */
static gboolean
parse_window (const RpYamlNode *node, RpEnvironment *environment, GError **error)
{
  static const char *const keys[] = { "releases", "for", NULL };
  const RpYamlNode *window = rp_yaml_get (node, "window");
  if (window == NULL || !rp_yaml_is_map (window))
    return rp_yaml_opt_int (node, "window", 1, WINDOW_MAX, &environment->window, error);
  if (rp_yaml_get (window, "for") != NULL)
    environment->window = 1; /* the last known good is always in */
  if (!rp_yaml_expect_map (window, keys, error)
      || !rp_yaml_opt_int (window, "releases", 1, WINDOW_MAX, &environment->window, error)
      || !rp_yaml_opt_duration_ms (window, "for", &environment->window_for_ms, error))
    return FALSE;
  if (rp_yaml_get (window, "for") == NULL
      || (environment->window_for_ms > 0 && environment->window_for_ms <= WINDOW_FOR_MAX_MS))
    return TRUE;
  return rp_yaml_error (rp_yaml_get (window, "for"), error, "must be from 1ms to 3650d");
}

static gboolean
parse_settings (const RpYamlNode *node, RpEnvironment *environment, GError **error)
{
  static const char *const on_failures[] = { "stop", "rollback", NULL };
  const char *on_failure = "stop";
  environment->window = WINDOW_DEFAULT;
  environment->trial_ms = TRIAL_DEFAULT_MS;
  environment->progress_deadline_ms = PROGRESS_DEADLINE_DEFAULT_MS;
  if (!parse_window (node, environment, error)
      || !rp_yaml_opt_enum (node, "on_failure", on_failures, &on_failure, error)
      || !parse_duration (node, "trial", &environment->trial_ms, error)
      || !parse_duration (node, "progress_deadline", &environment->progress_deadline_ms, error))
    return FALSE;
  environment->rollback_on_failure = g_str_equal (on_failure, "rollback");
  return TRUE;
}

/* A soak without `from` is one in the environment before. Those before it alone, so that nothing waits for itself. */
static gboolean
check_from (const RpYamlNode *gates, const RpApp *app, RpGateRules *rules, GError **error)
{
  for (char **name = rules->from; name != NULL && *name != NULL; name++)
    if (find_environment (app, *name) == NULL)
      return rp_yaml_error (rp_yaml_get (gates, "from"), error,
                            "there is no environment %s above this one; a release goes from those that"
                            " come first to those that come later",
                            *name);
  if (rules->soak_ms == 0 || (rules->from != NULL && rules->from[0] != NULL))
    return TRUE;
  if (app->environments->len == 0)
    return rp_yaml_error (rp_yaml_get (gates, "soak"), error,
                          "the first environment has none before it in which a release could soak");
  const RpEnvironment *before = app->environments->pdata[app->environments->len - 1];
  g_strfreev (rules->from);
  rules->from = g_strsplit (before->name, "/", 1);
  return TRUE;
}

static gboolean
parse_gates (const RpYamlNode *node, const RpApp *app, RpEnvironment *environment, GError **error)
{
  const RpYamlNode *gates = rp_yaml_get (node, "gates");
  g_autoptr (RpGateRules) rules = rp_gate_rules_parse (gates, error);
  if (rules == NULL || !check_from (gates, app, rules, error))
    return FALSE;
  g_autoptr (json_t) json = rp_gate_rules_to_json (rules);
  g_free (environment->gates);
  environment->gates = rp_json_canonical (json);
  return TRUE;
}

static gboolean
parse_signals (const RpYamlNode *node, RpEnvironment *environment, GError **error)
{
  g_autoptr (RpSignalRules) rules = rp_signal_rules_parse (rp_yaml_get (node, "signals"), error);
  if (rules == NULL)
    return FALSE;
  g_autoptr (json_t) json = rp_signal_rules_to_json (rules);
  g_free (environment->signals);
  environment->signals = rp_json_canonical (json);
  return TRUE;
}

static gboolean
parse_environment (const RpYamlNode *node, RpApp *app, GError **error)
{
  static const char *const keys[]
      = { "name", "window", "on_failure", "trial", "progress_deadline", "gates", "signals", "targets",
          NULL };
  const char *name;
  if (!rp_yaml_expect_map (node, keys, error) || !rp_yaml_need_string (node, "name", &name, error)
      || !check_name (rp_yaml_get (node, "name"), "an environment", name, error))
    return FALSE;
  if (find_environment (app, name) != NULL)
    return rp_yaml_error (rp_yaml_get (node, "name"), error, "there is an environment %s already",
                          name);
  g_autoptr (RpEnvironment) environment = rp_environment_new (app->name, name);
  environment->order = app->environments->len + 1;
  if (!parse_settings (node, environment, error) || !parse_gates (node, app, environment, error)
      || !parse_signals (node, environment, error) || !parse_targets (node, app, environment, error))
    return FALSE;
  g_ptr_array_add (app->environments, g_steal_pointer (&environment));
  return TRUE;
}

static gboolean
parse_environments (const RpYamlNode *root, RpApp *app, GError **error)
{
  const RpYamlNode *list = rp_yaml_get (root, "environments");
  if (list == NULL)
    return TRUE;
  if (!rp_yaml_is_list (list))
    return rp_yaml_error (list, error,
                          "expected a list of environments in promotion order, `- name: staging`");
  for (gsize i = 0; i < rp_yaml_count (list); i++)
    if (!parse_environment (rp_yaml_at (list, i, NULL), app, error))
      return FALSE;
  return TRUE;
}

RpApp *
rp_app_parse (const void *data, gsize size, const char *file_name, GError **error)
{
  static const char *const keys[] = { "app", "components", "environments", NULL };
  g_autoptr (RpYaml) yaml = rp_yaml_parse (data, size, file_name, error);
  const char *name;
  if (yaml == NULL)
    return NULL;
  const RpYamlNode *root = rp_yaml_root (yaml);
  if (!rp_yaml_expect_map (root, keys, error) || !rp_yaml_need_string (root, "app", &name, error)
      || !check_name (rp_yaml_get (root, "app"), "an app", name, error))
    return NULL;
  g_autoptr (RpApp) app = app_new (name);
  if (!parse_components (root, app, error) || !parse_environments (root, app, error))
    return NULL;
  return g_steal_pointer (&app);
}

/* ---- diff ---- */

static void change (GPtrArray *changes, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
change (GPtrArray *changes, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_ptr_array_add (changes, g_strdup_vprintf (format, args));
  va_end (args);
}

static void
diff_components (const RpApp *old, const RpApp *new, GPtrArray *changes)
{
  for (guint i = 0; i < new->components->len; i++)
    {
      const RpComponent *component = new->components->pdata[i];
      const RpComponent *was = rp_app_component (old, component->name);
      if (was == NULL)
        change (changes, "component %s: created (%s)", component->name, component->repository);
      else if (!g_str_equal (was->repository, component->repository))
        change (changes, "component %s: repository %s → %s", component->name, was->repository,
                component->repository);
    }
  for (guint i = 0; i < old->components->len; i++)
    {
      const RpComponent *component = old->components->pdata[i];
      if (rp_app_component (new, component->name) == NULL)
        change (changes, "component %s: removed", component->name);
    }
}

static void
diff_number (GPtrArray *changes, const char *environment, const char *what, gint64 was, gint64 is)
{
  if (was != is)
    change (changes, "environment %s: %s %" G_GINT64_FORMAT " → %" G_GINT64_FORMAT, environment,
            what, was, is);
}

static const char *
on_failure_name (gboolean rollback)
{
  return rollback ? "rollback" : "stop";
}

static void
diff_targets (const RpEnvironment *old, const RpEnvironment *new, GPtrArray *changes)
{
  for (guint i = 0; i < new->targets->len; i++)
    {
      const RpTargetDecl *target = new->targets->pdata[i];
      const RpTargetDecl *was = old == NULL ? NULL : find_target (old, target->name);
      if (was == NULL)
        change (changes, "target %s/%s: created (component %s)", new->name, target->name,
                target->component);
      else if (!g_str_equal (was->component, target->component))
        change (changes, "target %s/%s: component %s → %s", new->name, target->name, was->component,
                target->component);
    }
  for (guint i = 0; old != NULL && i < old->targets->len; i++)
    {
      const RpTargetDecl *target = old->targets->pdata[i];
      if (find_target (new, target->name) == NULL)
        change (changes, "target %s/%s: removed; its history stays", new->name, target->name);
    }
}

static void
diff_environment (const RpEnvironment *old, const RpEnvironment *new, GPtrArray *changes)
{
  if (old == NULL)
    change (changes, "environment %s: created", new->name);
  else
    {
      diff_number (changes, new->name, "order", old->order, new->order);
      diff_number (changes, new->name, "window", old->window, new->window);
      diff_number (changes, new->name, "window for (ms)", old->window_for_ms, new->window_for_ms);
      diff_number (changes, new->name, "trial (ms)", old->trial_ms, new->trial_ms);
      diff_number (changes, new->name, "progress_deadline (ms)", old->progress_deadline_ms,
                   new->progress_deadline_ms);
      if (!g_str_equal (old->gates, new->gates))
        change (changes, "environment %s: gates %s → %s", new->name, old->gates, new->gates);
      if (!g_str_equal (old->signals, new->signals))
        change (changes, "environment %s: signals %s → %s", new->name, old->signals, new->signals);
      if (old->rollback_on_failure != new->rollback_on_failure)
        change (changes, "environment %s: on_failure %s → %s", new->name,
                on_failure_name (old->rollback_on_failure),
                on_failure_name (new->rollback_on_failure));
    }
  diff_targets (old, new, changes);
}

GPtrArray *
rp_app_diff (const RpApp *recorded, const RpApp *declared)
{
  GPtrArray *changes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (RpApp) empty = app_new (declared->name);
  const RpApp *old = recorded != NULL ? recorded : empty;
  if (recorded == NULL)
    change (changes, "app %s: created", declared->name);
  diff_components (old, declared, changes);
  for (guint i = 0; i < declared->environments->len; i++)
    {
      const RpEnvironment *environment = declared->environments->pdata[i];
      diff_environment (find_environment (old, environment->name), environment, changes);
    }
  for (guint i = 0; i < old->environments->len; i++)
    {
      const RpEnvironment *environment = old->environments->pdata[i];
      if (find_environment (declared, environment->name) == NULL)
        change (changes, "environment %s: removed; its history stays", environment->name);
    }
  return changes;
}

/* ---- load ---- */

static gboolean
set_unknown_app (RpTxn *txn, const char *name, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT name FROM app ORDER BY name LIMIT 20", "");
  if (rows == NULL)
    return FALSE;
  g_autoptr (GString) known = g_string_new (NULL);
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    g_string_append_printf (known, "%s%s", i == 0 ? "" : ", ", rp_rows_text (rows, i, 0));
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "there is no app \"%s\"; %s%s", name,
               known->len > 0
                   ? "there are: "
                   : "none is declared yet: write repoint.yaml and `repoint apply -f` it",
               known->str);
  return FALSE;
}

RpApp *
rp_app_load (RpTxn *txn, const char *name, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT name, repository FROM component WHERE app = $1 ORDER BY ordinal", "s",
      name);
  if (rows == NULL)
    return NULL;
  if (rp_rows_count (rows) == 0)
    {
      (void) set_unknown_app (txn, name, error);
      return NULL;
    }
  g_autoptr (RpApp) app = app_new (name);
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    add_component (app, rp_rows_text (rows, i, 0), rp_rows_text (rows, i, 1));
  g_autoptr (GPtrArray) environments = rp_environment_load_all (txn, name, error);
  if (environments == NULL)
    return NULL;
  g_ptr_array_unref (app->environments);
  app->environments = g_steal_pointer (&environments);
  return g_steal_pointer (&app);
}

/* ---- apply ---- */

typedef struct
{
  RpEngine *engine;
  const RpApp *declared;
  const char *actor;
  GPtrArray *changes;
  gint64 seq;
} Apply;

static json_t *
apply_event_body (const Apply *apply)
{
  json_t *body = rp_app_declaration_json (apply->declared);
  json_t *changes = json_array ();
  for (guint i = 0; i < apply->changes->len; i++)
    json_array_append_new (changes, json_string (apply->changes->pdata[i]));
  json_object_set_new (body, "changes", changes);
  return body;
}

static gboolean
read_app_seq (RpTxn *txn, const char *name, gint64 *out, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT seq FROM app WHERE name = $1", "s", name);
  if (rows == NULL)
    return FALSE;
  *out = rp_rows_count (rows) == 0 ? 0 : rp_rows_int (rows, 0, 0);
  return TRUE;
}

/* A rollout may be complete once a target that it waited for is gone. */
static gboolean
step_rollouts (RpTxn *txn, const Apply *apply, GError **error)
{
  for (guint i = 0; i < apply->declared->environments->len; i++)
    {
      const RpEnvironment *environment = apply->declared->environments->pdata[i];
      if (!rp_rollout_run_declared (apply->engine, txn, environment->app, environment->name,
                                    apply->actor, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
apply_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Apply *apply = user_data;
  g_autoptr (RpApp) recorded = NULL;
  if (!read_app_seq (txn, apply->declared->name, &apply->seq, error))
    return FALSE;
  if (apply->seq != 0)
    {
      recorded = rp_app_load (txn, apply->declared->name, error);
      if (recorded == NULL)
        return FALSE;
    }
  apply->changes = rp_app_diff (recorded, apply->declared);
  if (apply->changes->len == 0)
    return TRUE;
  g_autoptr (json_t) body = apply_event_body (apply);
  return rp_ledger_append (apply->engine->ledger, txn, apply->actor, "app.applied", body,
                           &apply->seq, error)
         && step_rollouts (txn, apply, error);
}

gboolean
rp_app_apply (RpEngine *engine, const RpApp *declared, const char *actor, GPtrArray **out_changes,
              gint64 *out_seq, GError **error)
{
  Apply apply = { .engine = engine, .declared = declared, .actor = actor };
  if (!rp_db_write (engine->db, apply_in_txn, &apply, error))
    {
      g_clear_pointer (&apply.changes, g_ptr_array_unref);
      return FALSE;
    }
  *out_changes = apply.changes;
  *out_seq = apply.seq;
  return TRUE;
}

/* ---- describe ---- */

typedef struct
{
  const char *name;
  RpApp *app;
  GPtrArray *apps;
} Describe;

static RpApp *
load_described (RpTxn *txn, const char *name, GError **error)
{
  g_autoptr (RpApp) app = rp_app_load (txn, name, error);
  for (guint i = 0; app != NULL && i < app->environments->len; i++)
    if (!rp_environment_load_revisions (txn, app->environments->pdata[i], error))
      return NULL;
  return g_steal_pointer (&app);
}

static gboolean
describe_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Describe *describe = user_data;
  describe->app = load_described (txn, describe->name, error);
  return describe->app != NULL;
}

RpApp *
rp_app_describe (RpEngine *engine, const char *name, GError **error)
{
  Describe describe = { .name = name };
  return rp_db_read (engine->db, describe_in_txn, &describe, error) ? describe.app : NULL;
}

static gboolean
list_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  GPtrArray *apps = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, "SELECT name FROM app ORDER BY name", "");
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpApp *app = load_described (txn, rp_rows_text (rows, i, 0), error);
      if (app == NULL)
        return FALSE;
      g_ptr_array_add (apps, app);
    }
  return TRUE;
}

GPtrArray *
rp_app_list (RpEngine *engine, GError **error)
{
  g_autoptr (GPtrArray) apps = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_app_free);
  if (!rp_db_read (engine->db, list_in_txn, apps, error))
    return NULL;
  return g_steal_pointer (&apps);
}
