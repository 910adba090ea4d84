/* Merkle trees as RFC 6962 (section 2.1) hashes them, and proofs as RFC 9162 checks them.  Pure: no
 * file, no clock.  A leaf is SHA-256 (0x00 || entry), an inner node SHA-256 (0x01 || left || right).
 */
#pragma once

#include <glib.h>

#define RP_HASH_SIZE 32

typedef struct {
  guint8 bytes[RP_HASH_SIZE];
} RpHash;

gboolean rp_hash_equal (const RpHash *a, const RpHash *b);
void rp_merkle_leaf (const void *entry, gsize size, RpHash *out);
void rp_merkle_node (const RpHash *left, const RpHash *right, RpHash *out);

/* The right edge of a growing tree: all that is needed to go on. {0} is the empty tree. */
typedef struct {
  gint64 size;      /* leaves */
  RpHash peaks[63]; /* roots of the perfect trees that it is made of, the largest first */
} RpMerkleEdge;

void rp_merkle_edge_add (RpMerkleEdge *edge, const RpHash *leaf);
void rp_merkle_edge_root (const RpMerkleEdge *edge, RpHash *out);

/* Where nodes come from: that of `level` (0: leaves) and `index` is the root of the 2^level leaves
 * from index × 2^level on, which are all there. */
typedef struct {
  gboolean (*node) (gpointer data, guint level, gint64 index, RpHash *out, GError **error);
  gpointer data;
} RpMerkleSource;

gboolean rp_merkle_edge_load (const RpMerkleSource *source, gint64 size, RpMerkleEdge *out,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_merkle_root (const RpMerkleSource *source, gint64 size, RpHash *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Arrays of RpHash, the caller's. That leaf `index` is in the tree of `size`; 0 ≤ index < size. */
GArray *rp_merkle_inclusion (const RpMerkleSource *source, gint64 index, gint64 size,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* That the tree of `old` leaves is the beginning of that of `size`; 0 ≤ old ≤ size. */
GArray *rp_merkle_consistency (const RpMerkleSource *source, gint64 old, gint64 size,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

gboolean rp_merkle_includes (gint64 index, gint64 size, const RpHash *leaf, const GArray *proof,
                             const RpHash *root);
gboolean rp_merkle_extends (gint64 old, const RpHash *old_root, gint64 size, const RpHash *root,
                            const GArray *proof);
