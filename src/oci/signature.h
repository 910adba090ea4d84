/* Signatures that cosign makes with a key: a DSSE envelope, bare or in a Sigstore bundle, around a statement that says what
 * is signed.  Bytes in, a verdict out; no transparency log, no certificate, no network.
 */
#pragma once

#include "base/digest.h"

/* Is this a public key in PEM that signatures can be verified with: of an elliptic curve, Ed25519, or RSA of 2048 bits or
 * more? RP_ERROR_INVALID. */
gboolean rp_signature_check_key (const char *pem, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Do these bytes hold a signature by this key that says of `subject` that it was signed? An attestation of something else by
 * the same key is none. RP_ERROR_INVALID says why not. */
gboolean rp_signature_verify (const void *data, gsize size, const RpDigest *subject, const char *pem,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
