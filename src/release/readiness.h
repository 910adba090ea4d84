/* Readiness: could every revision of an environment's window be gone back to right now? */
#pragma once

#include "release/plan.h"
#include "release/return_time.h"

typedef struct
{
  gint64 number;
  RpRelease *release;
  gboolean current;
  gboolean undo_target;
  gboolean ready;
  RpBytes bytes;
  GPtrArray *local_on;     /* char *: targets that have its bytes on the host */
  GPtrArray *not_local_on; /* char * */
  GPtrArray *items;        /* RpItem */
  json_t *origins;         /* registry/origin.h: where its components were copied in from */
} RpReadyRevision;

typedef struct
{
  char *app;
  char *environment;
  gint64 window;
  gboolean ready;
  RpReturnTime takes;
  json_t *credentials;  /* credentials.h */
  GPtrArray *reasons;   /* char *: why it is not ready */
  GPtrArray *revisions; /* RpReadyRevision, newest first */
} RpReadiness;
void rp_readiness_free (RpReadiness *readiness);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpReadiness, rp_readiness_free)

/* Ready means: there is an undo target, and every byte of every revision in the window is there.
 * Blocks while it hashes. */
RpReadiness *rp_readiness_compute (RpEngine *engine, const char *app, const char *environment,
                                   RpVerifyMode mode, GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_readiness_to_json (const RpReadiness *readiness);
