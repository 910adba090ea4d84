/* Releases that cannot come back as they are: what they name went from its repository, by hand or by the rule of a policy.
 * Nothing that a window reaches goes, so these lie outside of it.
 */
#pragma once

#include "release/release.h"

/* [{"release", "revision": the last that pointed at it, "departures": registry/departure.h, of all its components}…], newest first, at most
 * 100: of what the environment was ever pointed at. */
json_t *rp_gone_list (RpEngine *engine, const char *app, const char *environment, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* How a component went, `went at … by rule 1 (…), which repoint applied`, or NULL: it did not. What to do about it is
 * in *out_way_out. g_free() both. */
gboolean rp_gone_explain (RpEngine *engine, const RpRelease *release,
                          const RpReleaseComponent *component, char **out_reason,
                          char **out_way_out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
