/* Whether something could be written at a place, looked at without writing. */
#pragma once

#include <glib.h>

/* FALSE if `path` is no directory, and could not be made one or not be written to by this user; the error says
 * which directory stands in the way and what to do. */
gboolean rp_place_probe (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
