#include "ledger/tile.h"

#include <string.h>

#include "base/error.h"

#define NUMBER_MAX (G_MAXINT64 / RP_TILE_WIDTH)
#define WIDTH_BITS 8

/* Three digits a directory, all but the last with an x before them. */
static void
append_number (GString *path, gint64 number)
{
  g_autoptr (GString) high = g_string_new (NULL);

  for (gint64 rest = number / 1000; rest > 0; rest /= 1000)
    {
      g_autofree char *group = g_strdup_printf ("x%03d/", (int) (rest % 1000));

      g_string_prepend (high, group);
    }
  g_string_append_printf (path, "%s%03d", high->str, (int) (number % 1000));
}

char *
rp_tile_path (const RpTile *tile)
{
  g_autoptr (GString) path = g_string_new ("tile/");

  if (tile->entries)
    g_string_append (path, "entries/");
  else
    g_string_append_printf (path, "%u/", tile->level);
  append_number (path, tile->number);
  if (tile->width < RP_TILE_WIDTH)
    g_string_append_printf (path, ".p/%u", tile->width);
  return g_string_free (g_steal_pointer (&path), FALSE);
}

static gboolean
read_level (const char *text, RpTile *out)
{
  guint64 level;

  out->entries = strcmp (text, "entries") == 0;
  if (out->entries)
    return TRUE;
  if (!g_ascii_string_to_unsigned (text, 10, 0, RP_TILE_LEVELS_MAX - 1, &level, NULL))
    return FALSE;
  out->level = (guint) level;
  return TRUE;
}

static gboolean
read_group (const char *text, gboolean last, gint64 *number)
{
  guint64 group;

  if (!last && *text++ != 'x')
    return FALSE;
  if (strlen (text) != 3 || !g_ascii_string_to_unsigned (text, 10, 0, 999, &group, NULL)
      || *number > NUMBER_MAX / 1000 - 1)
    return FALSE;
  *number = *number * 1000 + (gint64) group;
  return TRUE;
}

static gboolean
read_tile (char **parts, guint count, RpTile *out)
{
  guint64 width = RP_TILE_WIDTH;
  char *dot;

  if (count >= 3 && g_str_has_suffix (parts[count - 2], ".p"))
    {
      if (!g_ascii_string_to_unsigned (parts[count - 1], 10, 1, RP_TILE_WIDTH - 1, &width, NULL))
        return FALSE;
      dot = strrchr (parts[count - 2], '.');
      *dot = '\0';
      count--;
    }
  out->width = (guint) width;
  if (count < 2 || !read_level (parts[0], out))
    return FALSE;
  for (guint i = 1; i < count; i++)
    if (!read_group (parts[i], i == count - 1, &out->number))
      return FALSE;
  return TRUE;
}

gboolean
rp_tile_parse (const char *path, RpTile *out, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  RpTile tile = { 0 };
  g_autofree char *proper = NULL;

  /* Leading zeroes and the like: there is one path of each tile. */
  if (read_tile (parts, g_strv_length (parts), &tile))
    proper = rp_tile_path (&tile);
  if (proper && strcmp (proper + strlen ("tile/"), path) == 0)
    {
      *out = tile;
      return TRUE;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "%s is no tile: expected LEVEL/NUMBER or entries/NUMBER, such as 0/x001/234 or "
               "0/000.p/17",
               path);
  return FALSE;
}

guint
rp_tile_width (guint level, gint64 number, gint64 size)
{
  gint64 count = (size >> (WIDTH_BITS * level)) - number * RP_TILE_WIDTH;

  return (guint) CLAMP (count, 0, RP_TILE_WIDTH);
}

void
rp_tile_fold (const RpHash *hashes, guint count, RpHash *out)
{
  RpHash row[RP_TILE_WIDTH];

  memcpy (row, hashes, count * sizeof *hashes);
  for (; count > 1; count /= 2)
    for (guint i = 0; i < count / 2; i++)
      rp_merkle_node (&row[2 * i], &row[2 * i + 1], &row[i]);
  *out = row[0];
}

/* ---- bytes ---- */

/* In a bundle each entry has two bytes of length before it. */
static gsize
stride_of (const RpTile *tile)
{
  return tile->entries ? 2 + RP_HASH_SIZE : RP_HASH_SIZE;
}

GBytes *
rp_tile_encode (const RpTile *tile, const RpHash *hashes)
{
  gsize stride = stride_of (tile);
  guint8 *bytes = g_malloc0 (stride * tile->width);

  for (guint i = 0; i < tile->width; i++)
    {
      guint8 *at = bytes + i * stride;

      if (tile->entries)
        at[1] = RP_HASH_SIZE;
      memcpy (at + stride - RP_HASH_SIZE, hashes[i].bytes, RP_HASH_SIZE);
    }
  return g_bytes_new_take (bytes, stride * tile->width);
}

gboolean
rp_tile_decode (const RpTile *tile, const void *data, gsize size, RpHash *out, GError **error)
{
  gsize stride = stride_of (tile);
  const guint8 *bytes = data;
  gboolean right = size == stride * tile->width || size == stride * RP_TILE_WIDTH;
  g_autofree char *path = NULL;

  for (guint i = 0; right && i < tile->width; i++)
    {
      const guint8 *at = bytes + i * stride;

      right = !tile->entries || (at[0] == 0 && at[1] == RP_HASH_SIZE);
      memcpy (out[i].bytes, at + stride - RP_HASH_SIZE, RP_HASH_SIZE);
    }
  if (right)
    return TRUE;
  path = rp_tile_path (tile);
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "%s has %" G_GSIZE_FORMAT " bytes, which are not %u hashes", path, size, tile->width);
  return FALSE;
}

/* ---- reading a tree ---- */

static const RpHash *
find_tile (RpTileTree *tree, const RpTile *tile, GError **error)
{
  g_autofree char *path = rp_tile_path (tile);
  g_autofree RpHash *hashes = NULL;
  const RpHash *found = g_hash_table_lookup (tree->known, path);

  if (found)
    return found;
  hashes = g_new0 (RpHash, tile->width);
  if (!tree->fetch (tree->data, tile, hashes, error))
    return NULL;
  found = hashes;
  g_hash_table_insert (tree->known, g_steal_pointer (&path), g_steal_pointer (&hashes));
  return found;
}

static gboolean
read_node (gpointer data, guint level, gint64 index, RpHash *out, GError **error)
{
  RpTileTree *tree = data;
  guint count = 1u << (level % WIDTH_BITS);
  gint64 first = index * count;
  RpTile tile = { .level = level / WIDTH_BITS, .number = first / RP_TILE_WIDTH };
  const RpHash *hashes;

  tile.width = rp_tile_width (tile.level, tile.number, tree->size);
  g_assert (first % RP_TILE_WIDTH + count <= tile.width);
  hashes = find_tile (tree, &tile, error);
  if (!hashes)
    return FALSE;
  rp_tile_fold (hashes + first % RP_TILE_WIDTH, count, out);
  return TRUE;
}

void
rp_tile_tree_init (RpTileTree *tree, gint64 size,
                   gboolean (*fetch) (gpointer data, const RpTile *tile, RpHash *out, GError **error),
                   gpointer data)
{
  *tree = (RpTileTree){ .size = size, .fetch = fetch, .data = data };
  tree->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  tree->source = (RpMerkleSource){ read_node, tree };
}

void
rp_tile_tree_clear (RpTileTree *tree)
{
  g_clear_pointer (&tree->known, g_hash_table_unref);
}
