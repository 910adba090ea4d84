#include "release/readiness.h"

#include "base/clock.h"
#include "base/json.h"
#include "registry/origin.h"
#include "release/credentials.h"
#include "release/engine_priv.h"
#include "release/platforms.h"
#include "release/target_view.h"

static void
ready_revision_free (gpointer data)
{
  RpReadyRevision *revision = data;
  rp_release_free (revision->release);
  rp_bytes_clear (&revision->bytes);
  g_ptr_array_unref (revision->local_on);
  g_ptr_array_unref (revision->not_local_on);
  g_ptr_array_unref (revision->items);
  json_decref (revision->origins);
  g_free (revision);
}

void
rp_readiness_free (RpReadiness *readiness)
{
  if (readiness == NULL)
    return;
  g_free (readiness->app);
  g_free (readiness->environment);
  json_decref (readiness->credentials);
  g_clear_pointer (&readiness->reasons, g_ptr_array_unref);
  g_clear_pointer (&readiness->revisions, g_ptr_array_unref);
  g_free (readiness);
}

typedef struct
{
  RpEngine *engine;
  RpReadiness *readiness;
  RpRevision *current;
  GPtrArray *targets;
} Look;

static void
look_clear (Look *look)
{
  rp_revision_free (look->current);
  g_clear_pointer (&look->targets, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Look, look_clear)

static gboolean
add_revision (RpTxn *txn, Look *look, const RpWindowEntry *entry, const RpKnownGood *known,
              GError **error)
{
  RpReadyRevision *revision = g_new0 (RpReadyRevision, 1);
  revision->local_on = g_ptr_array_new_with_free_func (g_free);
  revision->not_local_on = g_ptr_array_new_with_free_func (g_free);
  revision->items = g_ptr_array_new_with_free_func (rp_item_free);
  g_ptr_array_add (look->readiness->revisions, revision);
  revision->number = entry->revision;
  revision->current = entry->revision == look->current->number;
  revision->undo_target = entry->revision == known->undo_revision;
  revision->release = rp_release_load (txn, look->readiness->app, entry->release, error);
  return revision->release != NULL;
}

static gboolean
look_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Look *look = user_data;
  RpReadiness *readiness = look->readiness;
  g_auto (RpKnownGood) known = { 0 };
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, readiness->app, readiness->environment, error);
  if (environment == NULL)
    return FALSE;
  readiness->window = environment->window;
  look->targets
      = rp_target_view_load_all (look->engine, txn, readiness->app, readiness->environment, error);
  if (look->targets == NULL
      || !rp_environment_load_window (txn, environment, rp_clock_now_us (), &known, error)
      || !rp_revision_load_current (txn, readiness->app, readiness->environment, &look->current,
                                    error)
      || !rp_return_time_load (txn, readiness->app, readiness->environment, &readiness->takes, error))
    return FALSE;
  for (guint i = 0; i < known.window->len; i++)
    if (!add_revision (txn, look, &g_array_index (known.window, RpWindowEntry, i), &known, error))
      return FALSE;
  if (look->current == NULL)
    g_ptr_array_add (readiness->reasons, g_strdup ("nothing was deployed yet"));
  else if (known.undo_revision == 0)
    g_ptr_array_add (
        readiness->reasons,
        g_strdup ("there is no known good release to go back to: deploy a second one, or see"
                  " `repoint rollout history`"));
  return TRUE;
}

static void
look_at_local (const GPtrArray *targets, RpReadyRevision *revision)
{
  for (guint i = 0; i < targets->len; i++)
    {
      const RpTargetView *target = targets->pdata[i];
      const RpReleaseComponent *component
          = rp_release_component (revision->release, target->component);
      gboolean local = component != NULL && rp_target_view_has_local (target, &component->digest);
      g_ptr_array_add (local ? revision->local_on : revision->not_local_on,
                       g_strdup (target->name));
    }
}

static void
add_reasons (const RpReadyRevision *revision, GPtrArray *reasons)
{
  for (guint i = 0; i < revision->items->len; i++)
    {
      const RpItem *item = revision->items->pdata[i];
      if (item->state == RP_ITEM_BLOCKED)
        g_ptr_array_add (reasons, g_strdup_printf ("revision %" G_GINT64_FORMAT " (%s), %s: %s",
                                                   revision->number, revision->release->version,
                                                   item->subject, item->reason));
    }
}

static gboolean
look_at_origins (RpEngine *engine, RpReadyRevision *revision, GError **error)
{
  revision->origins = json_array ();
  for (guint i = 0; i < revision->release->components->len; i++)
    {
      const RpReleaseComponent *component = revision->release->components->pdata[i];
      g_autoptr (json_t) some = rp_origin_list (engine->registry, &component->digest, error);
      size_t k;
      json_t *origin;
      if (some == NULL)
        return FALSE;
      json_array_foreach (some, k, origin)
      {
        if (g_strcmp0 (rp_json_str (origin, "repository"), component->repository) != 0)
          continue;
        json_object_set_new (origin, "component", json_string (component->name));
        json_array_append (revision->origins, origin);
      }
    }
  return TRUE;
}

static gboolean
look_at_revision (const Look *look, RpReadyRevision *revision, RpVerifyMode mode, GError **error)
{
  guint before = look->readiness->reasons->len;
  if (!rp_plan_look_at_bytes (look->engine, revision->release, mode, &revision->bytes,
                              revision->items, error)
      || !look_at_origins (look->engine, revision, error))
    return FALSE;
  look_at_local (look->targets, revision);
  rp_plan_look_at_targets (look->targets, revision->release,
                           revision->current ? look->current : NULL, rp_clock_now_us (),
                           revision->items);
  rp_platforms_look (look->engine, look->targets, revision->release, revision->items);
  rp_plan_add_unknowns (!revision->current, revision->items);
  add_reasons (revision, look->readiness->reasons);
  revision->ready = look->readiness->reasons->len == before;
  return TRUE;
}

RpReadiness *
rp_readiness_compute (RpEngine *engine, const char *app, const char *environment, RpVerifyMode mode,
                      GError **error)
{
  g_autoptr (RpReadiness) readiness = g_new0 (RpReadiness, 1);
  g_auto (Look) look = { .engine = engine, .readiness = readiness };
  readiness->app = g_strdup (app);
  readiness->environment = g_strdup (environment);
  readiness->reasons = g_ptr_array_new_with_free_func (g_free);
  readiness->revisions = g_ptr_array_new_with_free_func (ready_revision_free);
  if (!rp_db_read (engine->db, look_in_txn, &look, error))
    return NULL;
  for (guint i = 0; i < readiness->revisions->len; i++)
    if (!look_at_revision (&look, readiness->revisions->pdata[i], mode, error))
      return NULL;
  readiness->credentials
      = rp_credentials_look (engine, app, environment, look.targets, readiness->reasons);
  readiness->ready = readiness->reasons->len == 0;
  return g_steal_pointer (&readiness);
}
