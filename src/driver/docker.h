/* The part of the Docker Engine API that a container target needs, over a unix socket; spoken by Docker and by Podman
 * alike (API 1.41, or the oldest version of a newer engine).  All calls block.  An engine belongs to one thread at a time.
 *
 * Errors: RP_ERROR_UNREACHABLE if no engine answers, RP_ERROR_NOT_FOUND for what it does not have,
 * RP_ERROR_CONFLICT where it says 409, else RP_ERROR_FAILED with the engine's own words.
 */
#pragma once

#include "base/http.h"
#include "base/json.h"
#include "oci/client.h"

typedef struct RpDocker RpDocker;

RpDocker *rp_docker_new (const char *socket_path, const gint *cancelled);
/* Pulls with this token, which is for `registry`. */
void rp_docker_set_token (RpDocker *engine, const char *registry, const char *token);
void rp_docker_free (RpDocker *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpDocker, rp_docker_free)

/* `reference` is `repository@sha256:…`. The caller's to json_decref(). */
json_t *rp_docker_image_inspect (RpDocker *engine, const char *reference, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Blocks for as long as the engine reports progress or `timeout_ms` is not over. */
gboolean rp_docker_image_pull (RpDocker *engine, const char *reference, gint64 timeout_ms,
                               RpProgress progress, gpointer user_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* A success if it is not there; RP_ERROR_CONFLICT if a container uses it. */
gboolean rp_docker_image_remove (RpDocker *engine, const char *reference, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* An array of the containers, running or not, whose label `name` is `value`. */
json_t *rp_docker_container_list (RpDocker *engine, const char *name, const char *value,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
json_t *rp_docker_container_inspect (RpDocker *engine, const char *container, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* RP_ERROR_CONFLICT if the name is taken. */
gboolean rp_docker_container_create (RpDocker *engine, const char *name, const json_t *config,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A success if it runs already. */
gboolean rp_docker_container_start (RpDocker *engine, const char *container, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* A success if it does not run or is not there. Killed after `timeout_ms`. */
gboolean rp_docker_container_stop (RpDocker *engine, const char *container, gint64 timeout_ms,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* With its anonymous volumes. A success if it is not there; RP_ERROR_CONFLICT if it runs. */
gboolean rp_docker_container_remove (RpDocker *engine, const char *container, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
