/* An environment that is paused: no deploy and no promote moves its pointer until it is resumed. Rollbacks do.
 * What the pointer names already goes on: a pointer is handed to all targets of an environment at once, so there is
 * no rollout to stop half-way, and its trial and its rollback by itself are not put off either.
 */
#pragma once

#include "release/environment.h"

/* All borrowed. */
typedef struct
{
  const char *app;
  const char *environment;
  const char *because;
  const char *actor;
} RpPauseRequest;
/* One that is paused already gets the new reason. */
RpPause *rp_pause_begin (RpEngine *engine, const RpPauseRequest *request,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The pause that was. RP_ERROR_NOT_FOUND if it is not paused. */
RpPause *rp_pause_end (RpEngine *engine, const RpPauseRequest *request,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
