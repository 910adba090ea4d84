#include "release/platforms.h"

#include "base/error.h"
#include "release/engine_priv.h"

static void
look_at (RpEngine *engine, const RpTargetView *target, const RpRelease *release, GPtrArray *items)
{
  const RpReleaseComponent *component = rp_release_component (release, target->component);
  g_autoptr (GError) error = NULL;
  RpDigest picked;

  if (target->platform == NULL || component == NULL
      || rp_registry_pick (engine->registry, component->repository, &component->digest,
                           target->platform, &picked, &error)
      || !g_error_matches (error, RP_ERROR, RP_ERROR_NOT_FOUND))
    return;
  g_autofree char *subject = g_strdup_printf ("platform of %s", target->name);
  rp_plan_add_item (items, subject, RP_ITEM_BLOCKED,
                    g_strdup_printf ("its host runs %s, but %s", target->platform, error->message),
                    "go to a release that has it, or build this commit for that platform as a release of its own");
}

void
rp_platforms_look (RpEngine *engine, const GPtrArray *targets, const RpRelease *release,
                   GPtrArray *items)
{
  for (guint i = 0; i < targets->len; i++)
    look_at (engine, targets->pdata[i], release, items);
}
