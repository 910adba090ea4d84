/* The file in which a platform leaves an identity token for a job or a service account. */
#pragma once

#include <glib.h>

/* `path` `-`: standard input. RP_ERROR_INVALID: that is no identity token. g_free(). */
char *rp_token_file_read (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
