/* Releases, environments, revisions, plans: the engine. The facade that the server calls; the nouns
 * have files of their own (app.c, release.c, revision.c, plan.c, rollout.c …).
 */
#pragma once

#include "access/access.h"
#include "registry/registry.h"

extern const RpProjector rp_release_projector;

typedef struct RpEngine RpEngine;
/* Borrows both. */
RpEngine *rp_engine_new (RpRegistry *registry, RpLedger *ledger);
void rp_engine_free (RpEngine *engine);
/* Who is asked whether agents are still let in. Borrowed; call before the engine is shared. */
void rp_engine_set_access (RpEngine *engine, RpAccess *access);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpEngine, rp_engine_free)

/* Trusts the authorities in this file too where the webhooks of gates are asked. Call before it is shared. */
void rp_engine_trust (RpEngine *engine, const char *ca_file);

/* Time as an event: deadlines that have passed at `now_us` take effect (a rollout that made no
 * progress fails, and is rolled back by itself where the environment says so). Called about once a
 * second. */
gboolean rp_engine_tick (RpEngine *engine, gint64 now_us, GError **error) G_GNUC_WARN_UNUSED_RESULT;
