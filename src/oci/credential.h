/* What this user logs in to registries with, from where Docker, Podman and their kin keep it:
 *   REGISTRY_AUTH_FILE · $XDG_RUNTIME_DIR/containers/auth.json · ~/.config/containers/auth.json ·
 *   $DOCKER_CONFIG or ~/.docker, config.json
 * and from `docker-credential-NAME` programs that these files name (`credHelpers`, `credsStore`).
 * Formats: containers-auth.json(5), docker/docker-credential-helpers README.  Nothing is written.
 */
#pragma once

#include <glib.h>

typedef struct {
  char *user;     /* NULL with an identity token, and where there is nothing */
  char *secret;   /* a password, or an identity token (OAuth 2 refresh token); NULL: nothing */
  char *source;   /* where it was found, for messages */
} RpCredential;
void rp_credential_clear (RpCredential *credential);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpCredential, rp_credential_clear)

/* The first that is found for `registry` (`ghcr.io`, `127.0.0.1:5000`) and its `repository`; all members NULL
 * if there is none. A file or helper that is broken is an error (RP_ERROR_INVALID,
 * RP_ERROR_FAILED), not nothing. Runs a program, so it may block, and ask the user. */
gboolean rp_credential_find (const char *registry, const char *repository, RpCredential *out,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same in one file alone, which must be there. */
gboolean rp_credential_find_in (const char *path, const char *registry, const char *repository,
                                RpCredential *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* One file's text; pure but for the helper that it may name. `where` is its name. */
gboolean rp_credential_read (const void *data, gsize size, const char *where, const char *registry,
                             const char *repository, RpCredential *out,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
