/* What the agent of a target gets: the current revision and all that must stay on the host. */
#pragma once

#include "release/environment.h"

typedef struct
{
  gint64 number;
  gboolean good;
  RpRelease *release;
  const RpReleaseComponent *component; /* of `release` */
} RpPointerEntry;

typedef struct
{
  gint64 seq;
  RpRevision *revision; /* or NULL */
  char *component;
  gint64 trial_ms;
  GPtrArray *window; /* RpPointerEntry: the current one, then good ones, newest first */
} RpPointerView;
void rp_pointer_view_free (RpPointerView *pointer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpPointerView, rp_pointer_view_free)

/* *out is NULL if nothing that matters to agents happened after `after` and `force` is FALSE. */
gboolean rp_pointer_view_get (RpEngine *engine, const char *app, const char *environment,
                              const char *target, gint64 after, gboolean force, RpPointerView **out,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_pointer_view_to_json (const RpPointerView *pointer);
