/* The keys of those who issue identity tokens, asked for over HTTP and kept: fresh for an hour, and usable for a day
 * where the issuer does not answer (OpenID Connect Discovery 1.0, 4; RFC 7517).
 *
 * Only what an administrator declared is ever asked: a token chooses among issuers that are known.  One request asks
 * an issuer at a time.  A key that is not known causes a question at most every 30 s.  Thread-safe.
 */
#pragma once

#include "access/jwk.h"

typedef struct RpIssuers RpIssuers;

/* `ca_file`: trusted too, beside the system's; or NULL. */
RpIssuers *rp_issuers_new (const char *ca_file);
void rp_issuers_free (RpIssuers *issuers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpIssuers, rp_issuers_free)

/* May keys be asked for there? https, or http on our own host: whoever can change an answer on its way could sign
 * tokens. RP_ERROR_INVALID; `what` names the field. */
gboolean rp_issuers_check_url (const char *what, const char *url, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Did `issuer` sign `jwt`?  Its keys are at `jwks_url`, or NULL: where its discovery document says.  `mono_us` is
 * rp_clock_monotonic_us().  May block for ten seconds.
 * RP_ERROR_UNAUTHORIZED: it did not; RP_ERROR_UNREACHABLE: its keys cannot be had now; RP_ERROR_BUSY: too many wait for them. */
gboolean rp_issuers_verify (RpIssuers *issuers, const char *issuer, const char *jwks_url,
                            const RpJwt *jwt, gint64 mono_us, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
