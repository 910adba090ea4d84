#include "ledger/merkle.h"

#include <string.h>

#include "base/digest.h"

static void
hash_bytes (const void *data, gsize size, RpHash *out)
{
  const RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, data, size);

  memcpy (out->bytes, digest.bytes, RP_HASH_SIZE);
}

gboolean
rp_hash_equal (const RpHash *a, const RpHash *b)
{
  return memcmp (a->bytes, b->bytes, RP_HASH_SIZE) == 0;
}

void
rp_merkle_leaf (const void *entry, gsize size, RpHash *out)
{
  guint8 small[1 + RP_HASH_SIZE] = { 0 };
  g_autofree guint8 *large = size > RP_HASH_SIZE ? g_malloc0 (1 + size) : NULL;
  guint8 *bytes = large ? large : small;

  if (size > 0)
    memcpy (bytes + 1, entry, size);
  hash_bytes (bytes, 1 + size, out);
}

void
rp_merkle_node (const RpHash *left, const RpHash *right, RpHash *out)
{
  guint8 bytes[1 + 2 * RP_HASH_SIZE] = { 1 };

  memcpy (bytes + 1, left->bytes, RP_HASH_SIZE);
  memcpy (bytes + 1 + RP_HASH_SIZE, right->bytes, RP_HASH_SIZE);
  hash_bytes (bytes, sizeof bytes, out);
}

/* ---- the right edge ---- */

static guint
peak_count (gint64 size)
{
  return (guint) __builtin_popcountll ((guint64) size);
}

void
rp_merkle_edge_add (RpMerkleEdge *edge, const RpHash *leaf)
{
  guint count = peak_count (edge->size);

  edge->peaks[count++] = *leaf;
  for (gint64 rest = edge->size; rest & 1; rest >>= 1, count--)
    rp_merkle_node (&edge->peaks[count - 2], &edge->peaks[count - 1], &edge->peaks[count - 2]);
  edge->size++;
}

void
rp_merkle_edge_root (const RpMerkleEdge *edge, RpHash *out)
{
  guint count = peak_count (edge->size);

  if (count == 0)
    {
      hash_bytes ("", 0, out);
      return;
    }
  *out = edge->peaks[--count];
  while (count-- > 0)
    rp_merkle_node (&edge->peaks[count], out, out);
}

gboolean
rp_merkle_edge_load (const RpMerkleSource *source, gint64 size, RpMerkleEdge *out, GError **error)
{
  RpMerkleEdge edge = { .size = size };
  guint count = 0;

  for (guint level = 63; level-- > 0;)
    if (size >> level & 1
        && !source->node (source->data, level, (size >> level) - 1, &edge.peaks[count++], error))
      return FALSE;
  *out = edge;
  return TRUE;
}

gboolean
rp_merkle_root (const RpMerkleSource *source, gint64 size, RpHash *out, GError **error)
{
  RpMerkleEdge edge;

  if (!rp_merkle_edge_load (source, size, &edge, error))
    return FALSE;
  rp_merkle_edge_root (&edge, out);
  return TRUE;
}

/* ---- making proofs ---- */

/* The largest power of two below `count`, which is at least 2: where RFC 6962 splits. */
static gint64
split_of (gint64 count)
{
  gint64 half = 1;

  while (half * 2 < count)
    half *= 2;
  return half;
}

typedef struct {
  const RpMerkleSource *source;
  GArray *proof;
} Maker;

/* The root of the leaves from `from` to before `to`; `from` is where a split of the tree is. */
static gboolean
subtree (const RpMerkleSource *source, gint64 from, gint64 to, RpHash *out, GError **error)
{
  gint64 count = to - from;
  gint64 half;
  RpHash left, right;

  if (count == 1 || peak_count (count) == 1)
    return source->node (source->data, (guint) __builtin_ctzll ((guint64) count), from / count, out,
                         error);
  half = split_of (count);
  if (!subtree (source, from, from + half, &left, error)
      || !subtree (source, from + half, to, &right, error))
    return FALSE;
  rp_merkle_node (&left, &right, out);
  return TRUE;
}

static gboolean
append_subtree (Maker *maker, gint64 from, gint64 to, GError **error)
{
  RpHash hash;

  if (!subtree (maker->source, from, to, &hash, error))
    return FALSE;
  g_array_append_val (maker->proof, hash);
  return TRUE;
}

static gboolean
append_path (Maker *maker, gint64 index, gint64 from, gint64 to, GError **error)
{
  gint64 middle;

  if (to - from == 1)
    return TRUE;
  middle = from + split_of (to - from);
  if (index < middle)
    return append_path (maker, index, from, middle, error)
           && append_subtree (maker, middle, to, error);
  return append_path (maker, index, middle, to, error)
         && append_subtree (maker, from, middle, error);
}

/* RFC 6962, 2.1.2: `known` is whether the verifier has the root of these leaves already. */
static gboolean
append_growth (Maker *maker, gint64 old, gint64 from, gint64 to, gboolean known, GError **error)
{
  gint64 middle;

  if (old == to)
    return known || append_subtree (maker, from, to, error);
  middle = from + split_of (to - from);
  if (old <= middle)
    return append_growth (maker, old, from, middle, known, error)
           && append_subtree (maker, middle, to, error);
  return append_growth (maker, old, middle, to, FALSE, error)
         && append_subtree (maker, from, middle, error);
}

GArray *
rp_merkle_inclusion (const RpMerkleSource *source, gint64 index, gint64 size, GError **error)
{
  g_autoptr (GArray) proof = g_array_new (FALSE, FALSE, sizeof (RpHash));
  Maker maker = { source, proof };

  g_assert (index >= 0 && index < size);
  return append_path (&maker, index, 0, size, error) ? g_steal_pointer (&proof) : NULL;
}

GArray *
rp_merkle_consistency (const RpMerkleSource *source, gint64 old, gint64 size, GError **error)
{
  g_autoptr (GArray) proof = g_array_new (FALSE, FALSE, sizeof (RpHash));
  Maker maker = { source, proof };

  g_assert (old >= 0 && old <= size);
  if (old > 0 && old < size && !append_growth (&maker, old, 0, size, TRUE, error))
    return NULL;
  return g_steal_pointer (&proof);
}

/* ---- checking proofs ---- */

/* RFC 9162, 2.1.3.2. */
gboolean
rp_merkle_includes (gint64 index, gint64 size, const RpHash *leaf, const GArray *proof,
                    const RpHash *root)
{
  guint64 at = (guint64) index, last = (guint64) size - 1;
  RpHash hash = *leaf;

  if (index < 0 || index >= size)
    return FALSE;
  for (guint i = 0; i < proof->len; i++, at >>= 1, last >>= 1)
    {
      const RpHash *other = &g_array_index (proof, RpHash, i);

      if (last == 0)
        return FALSE;
      if (!(at & 1) && at != last)
        {
          rp_merkle_node (&hash, other, &hash);
          continue;
        }
      rp_merkle_node (other, &hash, &hash);
      for (; !(at & 1) && at != 0; at >>= 1)
        last >>= 1;
    }
  return last == 0 && rp_hash_equal (&hash, root);
}

/* The rest of RFC 9162, 2.1.4.2, from its step 4 on. */
static gboolean
walk_growth (guint64 at, guint64 last, const RpHash *seed, const GArray *proof, guint first,
             const RpHash *old_root, const RpHash *root)
{
  RpHash before = *seed, now = *seed;

  for (; at & 1; at >>= 1)
    last >>= 1;
  for (guint i = first; i < proof->len; i++, at >>= 1, last >>= 1)
    {
      const RpHash *other = &g_array_index (proof, RpHash, i);

      if (last == 0)
        return FALSE;
      if (!(at & 1) && at != last)
        {
          rp_merkle_node (&now, other, &now);
          continue;
        }
      rp_merkle_node (other, &before, &before);
      rp_merkle_node (other, &now, &now);
      for (; !(at & 1) && at != 0; at >>= 1)
        last >>= 1;
    }
  return last == 0 && rp_hash_equal (&before, old_root) && rp_hash_equal (&now, root);
}

gboolean
rp_merkle_extends (gint64 old, const RpHash *old_root, gint64 size, const RpHash *root,
                   const GArray *proof)
{
  gboolean perfect = peak_count (old) == 1;

  if (old < 0 || old > size)
    return FALSE;
  if (old == 0)
    {
      RpHash empty;

      hash_bytes ("", 0, &empty);
      return proof->len == 0 && rp_hash_equal (&empty, old_root);
    }
  if (old == size)
    return proof->len == 0 && rp_hash_equal (old_root, root);
  if (proof->len == 0)
    return FALSE;
  return walk_growth ((guint64) old - 1, (guint64) size - 1,
                      perfect ? old_root : &g_array_index (proof, RpHash, 0), proof, perfect ? 0 : 1,
                      old_root, root);
}
