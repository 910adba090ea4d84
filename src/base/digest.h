/* Content digests: `sha256:<64 hex>` and `sha512:<128 hex>` (OCI image-spec, descriptor.md,
 * "Digests").  A value of type RpDigest is always well formed: only the parser and the hasher make
 * one, so an unchecked string cannot reach the store.  Plain values: copy and compare freely.
 * All functions are thread-safe; an RpHasher belongs to one thread at a time.
 */
#pragma once

#include <glib.h>

typedef enum { RP_DIGEST_SHA256, RP_DIGEST_SHA512 } RpDigestAlgorithm;

#define RP_DIGEST_MAX_BYTES 64
#define RP_DIGEST_STRING_SIZE (7 + 128 + 1) /* longest text form and its NUL */

typedef struct {
  RpDigestAlgorithm algorithm;
  guint8 bytes[RP_DIGEST_MAX_BYTES]; /* unused tail is zero */
} RpDigest;

/* RP_ERROR_DIGEST_INVALID unless `text` is exactly algorithm:lowercase-hex of the right length. */
gboolean rp_digest_parse (const char *text, RpDigest *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
const char *rp_digest_format (const RpDigest *digest, char out[RP_DIGEST_STRING_SIZE]);
char *rp_digest_to_string (const RpDigest *digest); /* g_free() */
const char *rp_digest_algorithm_name (RpDigestAlgorithm algorithm);
gsize rp_digest_size (RpDigestAlgorithm algorithm); /* in bytes */
gboolean rp_digest_equal (gconstpointer a, gconstpointer b); /* GEqualFunc */
guint rp_digest_hash (gconstpointer digest);                 /* GHashFunc */
RpDigest *rp_digest_copy (const RpDigest *digest);           /* g_free() */

RpDigest rp_digest_of (RpDigestAlgorithm algorithm, const void *data, gsize size);

/* Hashes all of `fd` from its start with pread, the offset untouched. Blocking.
 * `out_size` may be NULL. */
gboolean rp_digest_of_fd (RpDigestAlgorithm algorithm, int fd, RpDigest *out, guint64 *out_size,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct RpHasher RpHasher;
RpHasher *rp_hasher_new (RpDigestAlgorithm algorithm);
/* One that goes on from the same state. The caller's to free. */
RpHasher *rp_hasher_copy (const RpHasher *hasher);
void rp_hasher_update (RpHasher *hasher, const void *data, gsize size);
/* All of `fd` from its start with pread, the offset untouched. `out_size` may be NULL. */
gboolean rp_hasher_update_from_fd (RpHasher *hasher, int fd, guint64 *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
RpDigest rp_hasher_peek (const RpHasher *hasher); /* digest of what came so far; may go on */
void rp_hasher_free (RpHasher *hasher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpHasher, rp_hasher_free)
