#include "release/pointer.h"

#include "base/error.h"
#include "release/engine_priv.h"

static void
entry_free (gpointer data)
{
  RpPointerEntry *entry = data;
  rp_release_free (entry->release);
  g_free (entry);
}

void
rp_pointer_view_free (RpPointerView *pointer)
{
  if (pointer == NULL)
    return;
  rp_revision_free (pointer->revision);
  g_free (pointer->component);
  g_clear_pointer (&pointer->window, g_ptr_array_unref);
  g_free (pointer);
}

typedef struct
{
  RpEngine *engine;
  const char *app;
  const char *environment;
  const char *target;
  gint64 after;
  gboolean force;
  RpPointerView *pointer;
} Query;

static const RpTargetDecl *
find_target (const RpEnvironment *environment, const char *name, GError **error)
{
  for (guint i = 0; i < environment->targets->len; i++)
    {
      const RpTargetDecl *target = environment->targets->pdata[i];
      if (g_str_equal (target->name, name))
        return target;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "%s/%s has no target \"%s\"; declare it in repoint.yaml", environment->app,
               environment->name, name);
  return NULL;
}

static gboolean
load_window (RpTxn *txn, const RpEnvironment *environment, RpPointerView *pointer, GError **error)
{
  g_auto (RpKnownGood) known = { 0 };
  g_autoptr (GArray) history
      = rp_revision_load_history (txn, environment->app, environment->name, error);
  if (history == NULL)
    return FALSE;
  rp_known_good_select ((const RpHistoryRow *) (gconstpointer)history->data, history->len,
                        environment->window, &known);
  for (guint i = 0; i < known.window->len; i++)
    {
      const RpWindowEntry *row = &g_array_index (known.window, RpWindowEntry, i);
      RpPointerEntry *entry = g_new0 (RpPointerEntry, 1);
      g_ptr_array_add (pointer->window, entry);
      entry->number = row->revision;
      entry->good = row->good;
      entry->release = rp_release_load (txn, environment->app, row->release, error);
      if (entry->release == NULL)
        return FALSE;
      entry->component = rp_release_component (entry->release, pointer->component);
      if (entry->component == NULL) /* made before the app had this component */
        g_ptr_array_remove (pointer->window, entry);
    }
  return TRUE;
}

static gboolean
get_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Query *query = user_data;
  g_autoptr (RpEnvironment) environment
      = rp_environment_load (txn, query->app, query->environment, error);
  const RpTargetDecl *target
      = environment == NULL ? NULL : find_target (environment, query->target, error);
  if (target == NULL)
    return FALSE;
  if (!query->force && environment->pointer_seq <= query->after)
    return TRUE;
  g_autoptr (RpPointerView) pointer = g_new0 (RpPointerView, 1);
  pointer->window = g_ptr_array_new_with_free_func (entry_free);
  pointer->seq = environment->pointer_seq;
  pointer->component = g_strdup (target->component);
  pointer->trial_ms = environment->trial_ms;
  if (!rp_revision_load_current (txn, query->app, query->environment, &pointer->revision, error)
      || !load_window (txn, environment, pointer, error))
    return FALSE;
  query->pointer = g_steal_pointer (&pointer);
  return TRUE;
}

gboolean
rp_pointer_view_get (RpEngine *engine, const char *app, const char *environment, const char *target,
                     gint64 after, gboolean force, RpPointerView **out, GError **error)
{
  Query query = { engine, app, environment, target, after, force, NULL };
  if (!rp_db_read (engine->db, get_in_txn, &query, error))
    return FALSE;
  *out = query.pointer;
  return TRUE;
}
