/* Tiles of a Merkle tree, as C2SP tlog-tiles lays them out: 256 hashes of one level beside each
 * other, and bundles of the entries that level 0 is made of.
 */
#pragma once

#include "ledger/merkle.h"

#define RP_TILE_WIDTH 256
#define RP_TILE_LEVELS_MAX 8

typedef struct {
  gboolean entries; /* a bundle of entries; level is 0 */
  guint level;
  gint64 number;
  guint width; /* 1 … RP_TILE_WIDTH: below that it is partial */
} RpTile;

/* `tile/0/x001/234.p/17`, `tile/entries/000`. g_free(). */
char *rp_tile_path (const RpTile *tile);
/* The same back, without the `tile/`. RP_ERROR_NOT_FOUND for what is no such path. */
gboolean rp_tile_parse (const char *path, RpTile *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* How many hashes tile `number` of `level` has in a tree of `size` leaves: 0 … RP_TILE_WIDTH. */
guint rp_tile_width (guint level, gint64 number, gint64 size);
/* The hash of a full tile: what the level above has of it. */
void rp_tile_fold (const RpHash *hashes, guint count, RpHash *out);

/* The bytes of a tile or a bundle, and back: RP_ERROR_CORRUPT unless they have just its size. Of a
 * full one that stands for a partial one the beginning is taken. */
GBytes *rp_tile_encode (const RpTile *tile, const RpHash *hashes);
gboolean rp_tile_decode (const RpTile *tile, const void *data, gsize size, RpHash *out,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A tree that is read by its tiles. Those that were read are kept until it is cleared. */
typedef struct {
  gint64 size;
  /* Fills `out` with tile->width hashes. They are believed, so check the tree's root. */
  gboolean (*fetch) (gpointer data, const RpTile *tile, RpHash *out, GError **error);
  gpointer data;
  GHashTable *known; /* path → RpHash[] */
  RpMerkleSource source; /* of its nodes */
} RpTileTree;

void rp_tile_tree_init (RpTileTree *tree, gint64 size,
                        gboolean (*fetch) (gpointer data, const RpTile *tile, RpHash *out,
                                           GError **error),
                        gpointer data);
void rp_tile_tree_clear (RpTileTree *tree);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpTileTree, rp_tile_tree_clear)
