/* The certificate that the server shows, and its key: PEM files, read again when they change.  A pair that
 * cannot serve is refused and the one before goes on.  Connections that are open keep what they began with.
 *
 * One a process: libmicrohttpd asks for the pair by a function without user data.  Thread-safe.
 */
#pragma once

#include <glib.h>
#include <gnutls/abstract.h>

typedef struct RpTls RpTls;

/* TLS 1.2 and later, and nothing that GnuTLS calls weak. */
#define RP_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* RP_ERROR_INVALID: the files are no pair, or not PEM. `cert_path` holds the certificate and, behind it, those
 * between it and the root.  RP_ERROR_BUSY: there is one already. */
RpTls *rp_tls_open (const char *cert_path, const char *key_path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Could this pair serve? Shows nothing. RP_ERROR_INVALID: it could not, or its certificate is over. */
gboolean rp_tls_probe (const char *cert_path, const char *key_path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Nobody may shake hands any more. NULL is fine. */
void rp_tls_close (RpTls *tls);

/* Reads the files and shows the new pair from now on.  On failure, also if the new certificate is over
 * already, the pair before stays. */
gboolean rp_tls_reload (RpTls *tls, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Reloads if the files are others than those read last, and logs what came of it. About once a second. */
void rp_tls_tick (RpTls *tls);

/* gnutls_certificate_retrieve_function2. */
int rp_tls_retrieve (gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
                     const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
                     gnutls_pcert_st **out_chain, unsigned int *out_chain_size,
                     gnutls_privkey_t *out_key);
