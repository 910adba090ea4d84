/* One look at the health of what runs, as `probe:` in a target's options says:
 *   {http: URL, timeout: 2s, expect: 200, contains: "text"}   without `expect`: any status from 200 to 299
 *   {command: [...], timeout: 5s}                             healthy if it ends with status 0
 */
#pragma once

#include "base/yaml.h"

typedef struct RpProbe RpProbe;

/* `node` NULL: no probe, *out is NULL. RP_ERROR_INVALID with file:line:column. */
gboolean rp_probe_parse (const RpYamlNode *node, RpProbe **out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_probe_free (RpProbe *probe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpProbe, rp_probe_free)

/* Blocks up to the probe's timeout. RP_ERROR_UNHEALTHY says what was found instead. `cancelled` may be NULL. */
gboolean rp_probe_run (const RpProbe *probe, const gint *cancelled, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
