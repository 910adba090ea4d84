/* What `repoint login` keeps: a token for each server, in $XDG_CONFIG_HOME/repoint/credentials.json, which
 * nobody else may read. */
#pragma once

#include <glib.h>

/* *out_token is NULL if there is none; g_free(). RP_ERROR_DENIED if others can read the file. */
gboolean rp_credentials_load (const char *server, char **out_token, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* `token` NULL forgets it. Durable. */
gboolean rp_credentials_store (const char *server, const char *account, const char *token,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
