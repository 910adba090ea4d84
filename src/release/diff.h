/* In what two releases of an app differ: components, where they came from, and what was recorded in between. */
#pragma once

#include "release/revision.h"

/* Each side is a release (by version, number, commit or digest), `environment:NAME` (what it is pointed
 * at now) or `environment:NAME:N` (its revision N). Directions are by the numbers of releases: forward is
 * to one that was recorded later. RP_ERROR_NOT_FOUND, RP_ERROR_AMBIGUOUS. */
json_t *rp_diff (RpEngine *engine, const char *app, const char *from, const char *to,
                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
