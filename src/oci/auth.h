/* Who we are at a registry: requests are sent as anybody first, and when the registry asks (401 with
 * WWW-Authenticate) as the user whose credentials are found; a ticket for a repository is kept while it holds.
 * Challenges and tickets: RFC 7617 (Basic), distribution's docs/spec/auth/token.md and oauth.md.
 * Thread-safe once it is set up; blocks.
 */
#pragma once

#include "base/http.h"
#include "oci/bearer.h"

typedef struct RpAuth RpAuth;
/* Borrows `http`. */
RpAuth *rp_auth_new (RpHttpClient *http);
void rp_auth_free (RpAuth *auth);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpAuth, rp_auth_free)

/* A token that is sent from the first request on, whatever the registry asks; NULL: none. */
void rp_auth_set_token (RpAuth *auth, const char *token);
/* The same of a token that may become another one. Borrowed; NULL: none. */
void rp_auth_set_bearer (RpAuth *auth, RpBearer *bearer);
/* Answer challenges with what this user has for `registry` (credential.h), or as anybody. */
void rp_auth_set_login (RpAuth *auth, const char *registry);

/* Answer challenges with what this file has for `registry`, and with nothing else; NULL: as anybody. */
void rp_auth_set_login_file (RpAuth *auth, const char *registry, const char *file);

/* As rp_http_send(); `request` has no Authorization of its own. `repository` is what it is about, NULL: nothing; with `push`
 * it changes it.  A challenge is answered once, unless the body comes from a source, which cannot be asked
 * twice: the 401 is handed on then, and the ticket forgotten. RP_ERROR_UNAUTHORIZED says whose credentials, from where,
 * the registry refused, and what to do. */
RpHttpResponse *rp_auth_send (RpAuth *auth, const RpHttpRequest *request, const char *repository,
                              gboolean push, GError **error) G_GNUC_WARN_UNUSED_RESULT;
