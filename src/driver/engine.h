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

typedef struct RpEngine RpEngine;

RpEngine *rp_engine_new (const char *socket_path, const gint *cancelled);
void rp_engine_free (RpEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpEngine, rp_engine_free)

/* `reference` is `repository@sha256:…`. The caller's to json_decref(). */
json_t *rp_engine_image_inspect (RpEngine *engine, const char *reference, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Blocks for as long as the engine reports progress or `timeout_ms` is not over. */
gboolean rp_engine_image_pull (RpEngine *engine, const char *reference, gint64 timeout_ms,
                               RpProgress progress, gpointer user_data, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* A success if it is not there; RP_ERROR_CONFLICT if a container uses it. */
gboolean rp_engine_image_remove (RpEngine *engine, const char *reference, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* An array of the containers, running or not, whose label `name` is `value`. */
json_t *rp_engine_container_list (RpEngine *engine, const char *name, const char *value,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
json_t *rp_engine_container_inspect (RpEngine *engine, const char *container, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* RP_ERROR_CONFLICT if the name is taken. */
gboolean rp_engine_container_create (RpEngine *engine, const char *name, const json_t *config,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A success if it runs already. */
gboolean rp_engine_container_start (RpEngine *engine, const char *container, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* A success if it does not run or is not there. Killed after `timeout_ms`. */
gboolean rp_engine_container_stop (RpEngine *engine, const char *container, gint64 timeout_ms,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* With its anonymous volumes. A success if it is not there; RP_ERROR_CONFLICT if it runs. */
gboolean rp_engine_container_remove (RpEngine *engine, const char *container, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
