#include "driver/driver.h"

#include "base/error.h"
#include "driver/container.h"
#include "driver/dir.h"
#include "oci/reference.h"

struct RpTarget {
  const RpDriverOps *ops;
  gpointer self;
};

const RpDriverOps *const rp_drivers[] = { &rp_driver_dir, &rp_driver_container, NULL };

void
rp_observation_clear (RpObservation *observation)
{
  g_clear_pointer (&observation->detail, g_free);
  *observation = (RpObservation){ 0 };
}

const RpDriverOps *
rp_driver_find (const char *name, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);
  for (gsize i = 0; rp_drivers[i]; i++)
    {
      if (g_str_equal (rp_drivers[i]->name, name))
        return rp_drivers[i];
      g_string_append_printf (known, "%s%s", i > 0 ? ", " : "", rp_drivers[i]->name);
    }
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "there is no driver \"%s\"; there are: %s", name,
               known->str);
  return NULL;
}

gboolean
rp_driver_check (const char *driver, const char *name, const RpYamlNode *options, GError **error)
{
  const RpDriverContext context = { .name = name, .state_dir = "", .registry = "" };
  const RpDriverOps *ops = rp_driver_find (driver, error);
  gpointer self = ops != NULL ? ops->open (&context, options, error) : NULL;
  if (self == NULL)
    return FALSE;
  ops->close (self);
  return TRUE;
}

RpTarget *
rp_target_open (const char *driver, const RpDriverContext *context, const RpYamlNode *options,
                GError **error)
{
  g_assert (context->name && context->state_dir && context->store && context->registry);
  const RpDriverOps *ops = rp_driver_find (driver, error);
  if (!ops)
    return NULL;
  gpointer self = ops->open (context, options, error);
  if (!self)
    return NULL;
  RpTarget *target = g_new0 (RpTarget, 1);
  target->ops = ops;
  target->self = self;
  return target;
}

void
rp_target_close (RpTarget *target)
{
  if (!target)
    return;
  target->ops->close (target->self);
  g_free (target);
}

gboolean
rp_target_observe (RpTarget *target, RpObservation *out, GError **error)
{
  g_auto (RpObservation) found = { 0 };
  if (!target->ops->observe (target->self, &found, error))
    return FALSE;
  *out = found;
  found = (RpObservation){ 0 };
  return TRUE;
}

gboolean
rp_target_prepare (RpTarget *target, const RpArtifact *artifact, RpProgress progress,
                   gpointer user_data, GError **error)
{
  return rp_repository_check (artifact->repository, error)
         && target->ops->prepare (target->self, artifact, progress, user_data, error);
}

gboolean
rp_target_verify (RpTarget *target, const RpArtifact *artifact, GError **error)
{
  return rp_repository_check (artifact->repository, error)
         && target->ops->verify (target->self, artifact, error);
}

gboolean
rp_target_point (RpTarget *target, const RpArtifact *artifact, GError **error)
{
  return rp_repository_check (artifact->repository, error)
         && target->ops->point (target->self, artifact, error);
}

gboolean
rp_target_probe (RpTarget *target, GError **error)
{
  return target->ops->probe (target->self, error);
}

gboolean
rp_target_prune (RpTarget *target, const RpArtifact *keep, gsize n_keep, GError **error)
{
  g_assert (keep || n_keep == 0);
  return target->ops->prune (target->self, keep, n_keep, error);
}

json_t *
rp_target_snapshot (RpTarget *target, GError **error)
{
  return target->ops->snapshot ? target->ops->snapshot (target->self, error) : json_object ();
}
