/* A registry client over base/http (distribution-spec 1.1; push.h has the push side), verifying all that it reads.
 * Blocking; thread-safe like RpHttpClient.
 */
#pragma once

#include "base/http.h"
#include "oci/bearer.h"
#include "oci/closure.h"
#include "store/store.h"

typedef struct RpOciClient RpOciClient;

/* `base_url`: `http://127.0.0.1:5000`. */
RpOciClient *rp_oci_client_new (const char *base_url, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_oci_client_free (RpOciClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpOciClient, rp_oci_client_free)

/* As rp_http_client_trust(). */
void rp_oci_client_trust (RpOciClient *client, const char *ca_file);
/* A token that the registry takes as it is (`Authorization: Bearer`); NULL: none. Call before the client is
 * shared. */
void rp_oci_client_set_token (RpOciClient *client, const char *token);
/* As rp_auth_set_bearer(). Call before the client is shared. */
void rp_oci_client_set_bearer (RpOciClient *client, RpBearer *bearer);
/* Where the registry asks who comes: log in with what this user has for `registry` (credential.h).
 * Call before the client is shared. */
void rp_oci_client_set_login (RpOciClient *client, const char *registry);

/* Tag → digest by HEAD. */
gboolean rp_oci_client_resolve (RpOciClient *client, const char *repository, const char *tag,
                                RpDigest *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The bytes of one manifest, verified. RP_ERROR_MANIFEST_UNKNOWN. */
GBytes *rp_oci_client_manifest (RpOciClient *client, const char *repository,
                                const RpDigest *digest, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Brings one blob into a store, verified; what is there already (and re-hashes right) is not fetched. */
gboolean rp_oci_client_fetch (RpOciClient *client, const char *repository, const RpDigest *digest,
                              guint64 size_bytes, RpStore *into,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* GET of a small document: a list. `path` begins with `/v2/`. An error for any status from 400 on. */
RpHttpResponse *rp_oci_client_get (RpOciClient *client, const char *path, gsize limit_bytes,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef void (*RpProgress) (guint64 done_bytes, guint64 total_bytes, gpointer user_data);

/* Copies the closure of `digest` into `into`: what is there (and re-hashes right) is not fetched, an
 * interrupted blob is resumed by range, every blob is verified before it is committed. With `platform`
 * (`linux/amd64`) only the matching child of an index is taken. *out_manifest is then the manifest to run, which is
 * `digest` itself unless that is an index. `cancelled` may be NULL (see RpHttpRequest). */
gboolean rp_oci_client_pull (RpOciClient *client, const char *repository, const RpDigest *digest,
                             const char *platform, RpStore *into, RpProgress progress,
                             gpointer user_data, const gint *cancelled, RpDigest *out_manifest,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Who pushes, as repoint's own server records it; NULL: the server finds a name. Call before the
 * client is shared. */
void rp_oci_client_set_actor (RpOciClient *client, const char *actor);

/* Requests are repeated on connection loss and on 408, 429, 502, 503 and 504. The first wait is
 * `first_delay_ms` (200) and doubles. Call before the client is shared. */
void rp_oci_client_set_retry (RpOciClient *client, gint64 first_delay_ms);
