/* The client of the public API, /api/v1: the only way in which the command line reaches a
 * server.
 *
 * Every request carries who asks (REPOINT_ACTOR, or user@host).  Every POST that changes
 * something carries an idempotency key of its own and is sent again with the same key when the
 * connection is lost, so that a lost answer never means a second move.  All calls block; answers
 * are the caller's to json_decref().
 */
#pragma once

#include <glib.h>

#include "base/json.h"

typedef struct RpApi RpApi;

/* Who runs this: REPOINT_ACTOR, or user@host, as one printable word. g_free(). */
char *rp_api_find_actor (void);

/* With the token of REPOINT_TOKEN, or the one that `repoint login` kept for this server.
 * RP_ERROR_USAGE unless `base_url` is http(s)://host[:port]. `ca_file`: trusted too, beside the
 * system's authorities; or NULL. */
RpApi *rp_api_new (const char *base_url, const char *ca_file, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_api_free (RpApi *api);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpApi, rp_api_free)

/* Instead of those: a token (NULL: none), or an account with its password. */
void rp_api_set_token (RpApi *api, const char *token);
void rp_api_set_password (RpApi *api, const char *account, const char *password);

/* `127.0.0.1:5000`: how an OCI client names this server's registry. */
const char *rp_api_registry (const RpApi *api);
const char *rp_api_base_url (const RpApi *api);

/* The token in use, or NULL. */
const char *rp_api_token (const RpApi *api);
/* Who asks: what X-Repoint-Actor carries. */
const char *rp_api_actor (const RpApi *api);

/* `/api/v1/a/b`, every segment escaped; NULL ends the list. g_free(). */
char *rp_api_path (const char *first, ...) G_GNUC_NULL_TERMINATED;
/* Appends `?name=value` or `&name=value`, escaped. */
void rp_api_query (char **path, const char *name, const char *value);
void rp_api_query_int (char **path, const char *name, gint64 value);

/* Errors are the server's own with their code, or RP_ERROR_UNREACHABLE / RP_ERROR_TIMEOUT that
 * say where nobody answered and what to do.  `wait_ms` is what the server was asked to wait
 * (long poll). */
json_t *rp_api_get (RpApi *api, const char *path, gint64 wait_ms, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* What lies at `path` (`/tlog/…`), whatever it is. */
GBytes *rp_api_get_bytes (RpApi *api, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A list that comes in pages, newest first, as one answer {"<key>":[…]}: `limit` entries, 0 for
 * all. */
json_t *rp_api_get_pages (RpApi *api, const char *path, const char *key, gint64 limit,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A POST that changes nothing (a plan): sent once, as it is cheap to ask again. */
json_t *rp_api_ask (RpApi *api, const char *path, const json_t *body, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
json_t *rp_api_post (RpApi *api, const char *path, const json_t *body, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* A PUT is the same twice: sent again when the connection is lost. A DELETE is sent once. */
json_t *rp_api_put (RpApi *api, const char *path, const json_t *body, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_api_delete (RpApi *api, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* As rp_api_post() with a body that is not JSON; `out_status` may be NULL. */
json_t *rp_api_post_bytes (RpApi *api, const char *path, const char *content_type, GBytes *body,
                           int *out_status, GError **error) G_GNUC_WARN_UNUSED_RESULT;
