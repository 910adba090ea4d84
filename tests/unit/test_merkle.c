#include "check.h"

#include "ledger/tile.h"

/* The leaves and roots that Certificate Transparency's implementations are tested with (RFC 6962). */
static const char *const leaves[] = { "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                                      "606162636465666768696a6b6c6d6e6f" };
static const char *const roots[]
    = { "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" };

static void
check_hex (const RpHash *hash, const char *expected)
{
  g_autoptr (GString) hex = g_string_new (NULL);

  for (guint i = 0; i < RP_HASH_SIZE; i++)
    g_string_append_printf (hex, "%02x", hash->bytes[i]);
  assert_string_equal (hex->str, expected);
}

static void
known_roots_come_out (void **unused)
{
  RpMerkleEdge edge = { 0 };
  RpHash root, leaf;

  for (guint i = 0; i < G_N_ELEMENTS (roots); i++)
    {
      guint8 bytes[16];
      gsize size = 0;

      rp_merkle_edge_root (&edge, &root);
      check_hex (&root, roots[i]);
      if (i == G_N_ELEMENTS (leaves))
        break;
      for (const char *p = leaves[i]; *p; p += 2)
        bytes[size++] = (guint8) (g_ascii_xdigit_value (p[0]) << 4 | g_ascii_xdigit_value (p[1]));
      rp_merkle_leaf (bytes, size, &leaf);
      rp_merkle_edge_add (&edge, &leaf);
    }
}

/* ---- a tree of tiles in memory ---- */

typedef struct {
  GArray *levels[RP_TILE_LEVELS_MAX]; /* RpHash: all hashes of a level of tiles */
  RpMerkleEdge edge;
  GArray *roots; /* of every size */
  guint fetched;
} Forest;

static void
grow (Forest *forest, gint64 size)
{
  for (gint64 i = forest->edge.size; i < size; i++)
    {
      g_autofree char *entry = g_strdup_printf ("entry %" G_GINT64_FORMAT, i);
      RpHash hash, root;

      rp_merkle_leaf (entry, strlen (entry), &hash);
      rp_merkle_edge_add (&forest->edge, &hash);
      rp_merkle_edge_root (&forest->edge, &root);
      g_array_append_val (forest->roots, root);
      for (guint level = 0; level < RP_TILE_LEVELS_MAX; level++)
        {
          GArray *row = forest->levels[level];

          g_array_append_val (row, hash);
          if (row->len % RP_TILE_WIDTH != 0)
            break;
          rp_tile_fold (&g_array_index (row, RpHash, row->len - RP_TILE_WIDTH), RP_TILE_WIDTH,
                        &hash);
        }
    }
}

static int
setup (void **state)
{
  Forest *forest = g_new0 (Forest, 1);
  RpHash empty;

  forest->roots = g_array_new (FALSE, FALSE, sizeof (RpHash));
  rp_merkle_edge_root (&forest->edge, &empty);
  g_array_append_val (forest->roots, empty);
  for (guint i = 0; i < RP_TILE_LEVELS_MAX; i++)
    forest->levels[i] = g_array_new (FALSE, FALSE, sizeof (RpHash));
  *state = forest;
  return 0;
}

static int
teardown (void **state)
{
  Forest *forest = *state;

  for (guint i = 0; i < RP_TILE_LEVELS_MAX; i++)
    g_array_unref (forest->levels[i]);
  g_array_unref (forest->roots);
  g_free (forest);
  return 0;
}

static gboolean
fetch (gpointer data, const RpTile *tile, RpHash *out, GError **error)
{
  Forest *forest = data;
  const GArray *row = forest->levels[tile->level];

  forest->fetched++;
  assert_true (tile->number * RP_TILE_WIDTH + tile->width <= row->len);
  memcpy (out, &g_array_index (row, RpHash, tile->number * RP_TILE_WIDTH),
          tile->width * sizeof *out);
  return TRUE;
}

static const RpHash *
root_of (const Forest *forest, gint64 size)
{
  return &g_array_index (forest->roots, RpHash, size);
}

static void
spoil (GArray *proof, guint at)
{
  g_array_index (proof, RpHash, at).bytes[7] ^= 1;
}

static void
check_inclusion (Forest *forest, RpTileTree *tree, gint64 index)
{
  g_autoptr (GError) error = NULL;
  gint64 size = tree->size;
  const RpHash *leaf = &g_array_index (forest->levels[0], RpHash, index);
  g_autoptr (GArray) proof = rp_merkle_inclusion (&tree->source, index, size, &error);
  const RpHash *root = root_of (forest, size);

  check_ok (proof != NULL);
  assert_true (rp_merkle_includes (index, size, leaf, proof, root));
  assert_false (rp_merkle_includes (index + 1, size, leaf, proof, root) && size > 1);
  assert_false (rp_merkle_includes (index, size, root_of (forest, 0), proof, root));
  assert_false (rp_merkle_includes (index, size, leaf, proof, root_of (forest, size - 1)));
  for (guint i = 0; i < proof->len; i++)
    {
      spoil (proof, i);
      assert_false (rp_merkle_includes (index, size, leaf, proof, root));
      spoil (proof, i);
    }
  g_array_append_val (proof, *root);
  assert_false (rp_merkle_includes (index, size, leaf, proof, root));
  g_array_set_size (proof, proof->len - 1);
  if (proof->len > 0)
    {
      g_array_set_size (proof, proof->len - 1);
      assert_false (rp_merkle_includes (index, size, leaf, proof, root));
    }
}

static void
check_consistency (Forest *forest, RpTileTree *tree, gint64 old)
{
  g_autoptr (GError) error = NULL;
  gint64 size = tree->size;
  g_autoptr (GArray) proof = rp_merkle_consistency (&tree->source, old, size, &error);
  const RpHash *before = root_of (forest, old), *now = root_of (forest, size);

  check_ok (proof != NULL);
  assert_true (rp_merkle_extends (old, before, size, now, proof));
  if (old > 0 && old < size)
    {
      assert_false (rp_merkle_extends (old, now, size, now, proof));
      assert_false (rp_merkle_extends (old, before, size, before, proof));
      assert_false (rp_merkle_extends (size, now, old, before, proof));
    }
  for (guint i = 0; i < proof->len; i++)
    {
      spoil (proof, i);
      assert_false (rp_merkle_extends (old, before, size, now, proof));
      spoil (proof, i);
    }
  g_array_append_val (proof, *now);
  assert_false (rp_merkle_extends (old, before, size, now, proof));
}

static void
every_small_proof_holds_and_no_spoilt_one (void **state)
{
  Forest *forest = *state;

  grow (forest, 70);
  for (gint64 size = 1; size <= 70; size++)
    {
      g_auto (RpTileTree) tree = { 0 };

      rp_tile_tree_init (&tree, size, fetch, forest);
      for (gint64 index = 0; index < size; index++)
        check_inclusion (forest, &tree, index);
      for (gint64 old = 0; old <= size; old++)
        check_consistency (forest, &tree, old);
    }
}

static void
large_trees_are_read_by_few_tiles (void **state)
{
  Forest *forest = *state;
  static const gint64 sizes[] = { 255, 256, 257, 511, 512, 65535, 65536, 65537, 70000 };

  grow (forest, 70000);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GError) error = NULL;
      g_auto (RpTileTree) tree = { 0 };
      RpMerkleEdge edge;
      RpHash root;

      rp_tile_tree_init (&tree, sizes[i], fetch, forest);
      check_ok (rp_merkle_root (&tree.source, sizes[i], &root, &error));
      assert_true (rp_hash_equal (&root, root_of (forest, sizes[i])));
      check_ok (rp_merkle_edge_load (&tree.source, sizes[i], &edge, &error));
      rp_merkle_edge_root (&edge, &root);
      assert_true (rp_hash_equal (&root, root_of (forest, sizes[i])));
      for (guint k = 0; k < G_N_ELEMENTS (sizes) && sizes[k] <= sizes[i]; k++)
        {
          check_consistency (forest, &tree, sizes[k]);
          check_inclusion (forest, &tree, sizes[k] - 1);
        }
      check_inclusion (forest, &tree, sizes[i] / 2);
    }
  assert_true (forest->fetched < 120);
}

/* ---- paths ---- */

static void
tiles_have_one_path_each (void **unused)
{
  static const struct {
    RpTile tile;
    const char *path;
  } cases[] = { { { FALSE, 0, 0, 256 }, "tile/0/000" },
                { { FALSE, 0, 999, 256 }, "tile/0/999" },
                { { FALSE, 0, 1000, 256 }, "tile/0/x001/000" },
                { { FALSE, 2, 1234067, 256 }, "tile/2/x001/x234/067" },
                { { FALSE, 1, 5, 17 }, "tile/1/005.p/17" },
                { { TRUE, 0, 1234, 255 }, "tile/entries/x001/234.p/255" } };
  static const char *const wrong[]
      = { "",          "0",         "0/0",          "0/00",     "00/000",     "8/000",     "-1/000",
          "0/0000",    "0/x000/000", "0/1000",      "0/001/x000", "0/000.p",  "0/000.p/0", "0/000.p/256",
          "0/000.p/01", "0/../000",  "entries",     "entry/000", "0/000/",     "0//000",    "0/+00",
          "0/x999/x999/x999/x999/x999/x999/x999/999" };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *path = rp_tile_path (&cases[i].tile);
      RpTile tile;

      assert_string_equal (path, cases[i].path);
      check_ok (rp_tile_parse (path + strlen ("tile/"), &tile, &error));
      assert_true (tile.entries == cases[i].tile.entries && tile.level == cases[i].tile.level
                   && tile.number == cases[i].tile.number && tile.width == cases[i].tile.width);
    }
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;
      RpTile tile;

      if (rp_tile_parse (wrong[i], &tile, &error))
        fail_msg ("%s was taken", wrong[i]);
      g_clear_error (&error);
      check_fails (rp_tile_parse (wrong[i], &tile, &error), RP_ERROR_NOT_FOUND);
    }
}

/* The example of the specification. */
static void
widths_are_those_of_the_specification (void **unused)
{
  static const struct {
    guint level;
    gint64 number;
    gint64 size;
    guint width;
  } cases[] = { { 0, 272, 70000, 256 }, { 0, 273, 70000, 112 }, { 0, 274, 70000, 0 },
                { 1, 0, 70000, 256 },   { 1, 1, 70000, 17 },    { 2, 0, 70000, 1 },
                { 3, 0, 70000, 0 },     { 0, 0, 256, 256 },     { 1, 0, 256, 1 },
                { 0, 0, 0, 0 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_int_equal (rp_tile_width (cases[i].level, cases[i].number, cases[i].size),
                      cases[i].width);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (known_roots_come_out),
    cmocka_unit_test_setup_teardown (every_small_proof_holds_and_no_spoilt_one, setup, teardown),
    cmocka_unit_test_setup_teardown (large_trees_are_read_by_few_tiles, setup, teardown),
    cmocka_unit_test (tiles_have_one_path_each),
    cmocka_unit_test (widths_are_those_of_the_specification),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
