/* What each environment is pointed at now, component by component. */
#pragma once

#include "release/engine.h"

/* Borrowed for the call. `commit` may be NULL. */
typedef struct
{
  const char *app;
  const char *environment;
  gint64 revision;
  const char *version;
  const char *commit;
  const char *component;
  const char *digest;
} RpPointed;

/* Calls `visit` for each, in the order of their names. */
gboolean rp_pointed_each (RpEngine *engine,
                          void (*visit) (const RpPointed *pointed, gpointer user_data),
                          gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
