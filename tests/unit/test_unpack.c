#include "driver/unpack.h"

#include "base/error.h"
#include "base/file.h"
#include "driver/tree.h"
#include "tar.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define LAYERS_MAX 3

/* A directory beside which nothing may appear:  BASE/secret, BASE/into/ */
typedef struct {
  char *base, *into, *secret, *record;
} Place;

static int
set_up (void **state)
{
  Place *place = g_new0 (Place, 1);
  place->base = g_dir_make_tmp ("repoint-unpack-XXXXXX", NULL);
  place->into = g_build_filename (place->base, "into", NULL);
  place->secret = g_build_filename (place->base, "secret", NULL);
  place->record = g_build_filename (place->base, "record", NULL);
  g_assert (g_mkdir (place->into, 0755) == 0);
  g_assert (g_file_set_contents (place->secret, "secret", -1, NULL));
  *state = place;
  return 0;
}

static int
tear_down (void **state)
{
  Place *place = *state;
  g_autoptr (GError) error = NULL;
  if (!rp_dir_remove (place->base, &error))
    fail_msg ("%s", error->message);
  g_free (place->base);
  g_free (place->into);
  g_free (place->secret);
  g_free (place->record);
  g_free (place);
  return 0;
}

static int
memory_file (GBytes *bytes)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);
  int fd = memfd_create ("layer", MFD_CLOEXEC);
  g_assert (rp_file_write_all (fd, data, size, "layer", NULL));
  lseek (fd, 0, SEEK_SET);
  return fd;
}

static const RpUnpackLimits roomy = { 1000, 64 * 1024 * 1024 };

static gboolean
unpack_bytes (Place *place, GBytes *const *tars, gsize n, const RpUnpackLimits *limits,
              GError **error)
{
  static const char *const names[] = { "layer 1", "layer 2", "layer 3" };
  RpUnpackLayer layers[LAYERS_MAX];
  for (gsize i = 0; i < n; i++)
    layers[i] = (RpUnpackLayer){ memory_file (tars[i]), names[i] };
  gboolean ok = rp_unpack (place->into, layers, n, limits, NULL, error);
  for (gsize i = 0; i < n; i++)
    close (layers[i].fd);
  return ok;
}

static gboolean
unpack (Place *place, const TarEntry *entries, const RpUnpackLimits *limits, GError **error)
{
  g_autoptr (GBytes) tar = tar_make (entries, NULL);
  return unpack_bytes (place, &tar, 1, limits, error);
}

static void
assert_file (Place *place, const char *path, const char *text)
{
  g_autofree char *full = g_build_filename (place->into, path, NULL);
  g_autofree char *found = NULL;
  if (!g_file_get_contents (full, &found, NULL, NULL))
    fail_msg ("%s is not there", path);
  assert_string_equal (found, text);
}

static void
assert_gone (Place *place, const char *path)
{
  struct stat st;
  g_autofree char *full = g_build_filename (place->into, path, NULL);
  if (lstat (full, &st) == 0)
    fail_msg ("%s is there", path);
}

/* Nothing escaped: beside the target there is the one file that was there, unchanged. */
static void
assert_contained (Place *place)
{
  g_autofree char *text = NULL;
  g_assert (g_file_get_contents (place->secret, &text, NULL, NULL));
  assert_string_equal (text, "secret");
  g_autoptr (GDir) dir = g_dir_open (place->base, 0, NULL);
  for (const char *name = g_dir_read_name (dir); name; name = g_dir_read_name (dir))
    if (!g_str_equal (name, "into") && !g_str_equal (name, "secret"))
      fail_msg ("%s was made outside", name);
}

/* ---- good archives ---- */

static void
files_links_and_modes (void **state)
{
  Place *place = *state;
  static const TarEntry entries[] = {
    { 'd', "./", NULL, 0700, 0 },
    { 'd', "bin/", NULL, 0777, 0 },
    { 'f', "bin/run", "#!/bin/sh\n", 04777, 0 },
    { 'f', "./a//b/./c", "deep", 0, 0 },
    { 'f', "unreadable", "x", 0001, 0 },
    { 'f', "grüße.txt", "hello", 0, 0 },
    { 'h', "bin/same", "./bin/run", 06755, 0 },
    { 'l', "bin/up", "../a/b/c", 0, 0 },
    { 'l', "dangling", "nowhere/at/all", 0, 0 },
    { 'l', "here", "./bin", 0, 0 },
    TAR_END,
  };
  g_autoptr (GError) error = NULL;
  if (!unpack (place, entries, &roomy, &error))
    fail_msg ("%s", error->message);
  assert_file (place, "bin/run", "#!/bin/sh\n");
  assert_file (place, "bin/same", "#!/bin/sh\n");
  assert_file (place, "bin/up", "deep");
  assert_file (place, "grüße.txt", "hello");

  static const struct {
    const char *path;
    unsigned mode;
  } modes[]
      = { { "bin/run", 0555 }, { "bin/same", 0555 }, { "unreadable", 0401 }, { "bin", 0755 } };
  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      struct stat st;
      g_autofree char *full = g_build_filename (place->into, modes[i].path, NULL);
      assert_int_equal (lstat (full, &st), 0);
      if ((st.st_mode & 07777) != modes[i].mode)
        fail_msg ("%s has mode %o", modes[i].path, st.st_mode & 07777);
      assert_int_equal (st.st_uid, geteuid ());
    }
}

static void
compressions (void **state)
{
  Place *place = *state;
  static const char *const filters[] = { NULL, "gzip", "zstd" };
  static const TarEntry entries[] = { { 'f', "a", "text", 0, 0 }, TAR_END };
  for (gsize i = 0; i < G_N_ELEMENTS (filters); i++)
    {
      g_autoptr (GBytes) tar = tar_make (entries, filters[i]);
      g_autoptr (GError) error = NULL;
      if (!unpack_bytes (place, &tar, 1, &roomy, &error))
        fail_msg ("%s: %s", filters[i] ? filters[i] : "plain", error->message);
      assert_file (place, "a", "text");
      g_autofree char *path = g_build_filename (place->into, "a", NULL);
      g_unlink (path);
    }
}

static void
last_of_a_name_counts (void **state)
{
  Place *place = *state;
  static const TarEntry entries[] = {
    { 'f', "a", "one", 0, 0 },
    { 'h', "b", "a", 0, 0 },
    { 'f', "./a", "two", 0, 0 },
    { 'd', "d", NULL, 0, 0 },
    { 'f', "d/x", "x", 0, 0 },
    { 'd', "d/", NULL, 0, 0 },
    TAR_END,
  };
  g_autoptr (GError) error = NULL;
  if (!unpack (place, entries, &roomy, &error))
    fail_msg ("%s", error->message);
  assert_file (place, "a", "two");
  assert_file (place, "b", "one");
  assert_file (place, "d/x", "x");
}

static void
layers_and_whiteouts (void **state)
{
  Place *place = *state;
  static const TarEntry lower[] = {
    { 'f', "keep", "lower", 0, 0 },       { 'f', "gone", "lower", 0, 0 },
    { 'f', "dir/gone/deep", "l", 0, 0 },  { 'f', "dir/keep", "lower", 0, 0 },
    { 'f', "opaque/low", "lower", 0, 0 }, { 'f', "opaque/sub/low", "lower", 0, 0 },
    { 'f', "same", "lower", 0, 0 },       { 'f', "becomes-dir", "lower", 0, 0 },
    { 'f', "becomes-file/x", "l", 0, 0 }, TAR_END,
  };
  static const TarEntry upper[] = {
    { 'f', "opaque/new", "upper", 0, 0 }, /* before the whiteout: stays all the same */
    { 'f', "opaque/sub/new", "upper", 0, 0 },
    { 'f', "opaque/.wh..wh..opq", "", 0, 0 },
    { 'f', ".wh.gone", "", 0, 0 },
    { 'f', "dir/.wh.gone", "", 0, 0 },
    { 'f', ".wh.never-there", "", 0, 0 },
    { 'f', "absent/dir/.wh.x", "", 0, 0 },
    { 'f', ".wh..wh.plnk/1.2", "", 0, 0 },
    { 'f', "same", "upper", 0, 0 },
    { 'f', ".wh.same", "", 0, 0 },
    { 'd', "becomes-dir", NULL, 0, 0 },
    { 'f', "becomes-dir/x", "upper", 0, 0 },
    { 'f', "becomes-file", "upper", 0, 0 },
    TAR_END,
  };
  g_autoptr (GBytes) one = tar_make (lower, NULL);
  g_autoptr (GBytes) two = tar_make (upper, "gzip");
  GBytes *const tars[] = { one, two };
  g_autoptr (GError) error = NULL;
  if (!unpack_bytes (place, tars, 2, &roomy, &error))
    fail_msg ("%s", error->message);
  assert_file (place, "keep", "lower");
  assert_file (place, "dir/keep", "lower");
  assert_file (place, "opaque/new", "upper");
  assert_file (place, "opaque/sub/new", "upper");
  assert_file (place, "same", "upper");
  assert_file (place, "becomes-dir/x", "upper");
  assert_file (place, "becomes-file", "upper");
  static const char *const gone[]
      = { "gone",     "dir/gone",   "opaque/low", "opaque/sub/low", "opaque/.wh..wh..opq",
          ".wh.gone", "never-there" };
  for (gsize i = 0; i < G_N_ELEMENTS (gone); i++)
    assert_gone (place, gone[i]);
}

/* ---- bad archives ---- */

static void
bad_entries (void **state)
{
  Place *place = *state;
  static const struct {
    TarEntry entries[5];
    const char *says;
  } cases[] = {
    { { { 'f', "../secret", "x", 0, 0 }, TAR_END }, "entry \"../secret\" has \"..\"" },
    { { { 'f', "a/../../secret", "x", 0, 0 }, TAR_END }, "has \"..\"" },
    { { { 'f', "a/..", "x", 0, 0 }, TAR_END }, "has \"..\"" },
    { { { 'f', "/tmp/repoint-abs", "x", 0, 0 }, TAR_END }, "absolute" },
    { { { 'f', "//x", "x", 0, 0 }, TAR_END }, "absolute" },
    { { { 'l', ".", "x", 0, 0 }, TAR_END }, "in the place of the whole release" },
    { { { 'l', "s", "..", 0, 0 }, TAR_END }, "leads out" },
    { { { 'l', "s", "/etc", 0, 0 }, TAR_END }, "absolute path /etc" },
    { { { 'l', "d/s", "../../secret", 0, 0 }, TAR_END }, "leads out" },
    { { { 'l', "d/s", "x/../../../secret", 0, 0 }, TAR_END }, "only leading ones" },
    /* Each looks harmless by its text; together they would lead out. */
    { { { 'l', "d/s", "..", 0, 0 }, { 'l', "d/t", "s/../secret", 0, 0 }, TAR_END },
      "only leading ones" },
    { { { 'd', "d", NULL, 0, 0 }, { 'l', "s", "d", 0, 0 }, { 'f', "s/x", "x", 0, 0 }, TAR_END },
      "through the link \"s\"" },
    { { { 'd', "d", NULL, 0, 0 }, { 'l', "s", "d", 0, 0 }, { 'd', "s/x/y", NULL, 0, 0 }, TAR_END },
      "through the link" },
    { { { 'd', "d", NULL, 0, 0 }, { 'l', "s", "d", 0, 0 }, { 'f', "s/.wh.x", "", 0, 0 }, TAR_END },
      "through the link" },
    { { { 'd', "d", NULL, 0, 0 },
        { 'l', "s", "d", 0, 0 },
        { 'f', "s/.wh..wh..opq", "", 0, 0 },
        TAR_END },
      "through the link" },
    { { { 'h', "h", "../secret", 0, 0 }, TAR_END }, "has \"..\"" },
    { { { 'h', "h", "/etc/passwd", 0, 0 }, TAR_END }, "absolute" },
    { { { 'h', "h", "absent", 0, 0 }, TAR_END }, "not there" },
    { { { 'h', "h", "h", 0, 0 }, TAR_END }, "itself" },
    { { { 'd', "d", NULL, 0, 0 }, { 'h', "h", "d", 0, 0 }, TAR_END }, "no file" },
    { { { 'l', "s", "d", 0, 0 }, { 'h', "h", "s", 0, 0 }, TAR_END }, "no file" },
    { { { 'f', "d/f", "x", 0, 0 }, { 'l', "s", "d", 0, 0 }, { 'h', "h", "s/f", 0, 0 }, TAR_END },
      "through the link" },
    { { { 'c', "null", NULL, 0, 0 }, TAR_END }, "is a device" },
    { { { 'b', "disk", NULL, 0, 0 }, TAR_END }, "is a device" },
    { { { 'p', "pipe", NULL, 0, 0 }, TAR_END }, "is a named pipe" },
    { { { 'f', "a", "x", 0, 0 }, { 'f', "a/b", "x", 0, 0 }, TAR_END }, "is a file" },
    { { { 'f', "a", "x", 0, 0 }, { 'd', "a", NULL, 0, 0 }, TAR_END }, "in the same layer" },
    { { { 'f', "a/b", "x", 0, 0 }, { 'l', "a", "c", 0, 0 }, TAR_END }, "in the same layer" },
    { { { 'f', ".wh.", "", 0, 0 }, TAR_END }, "whiteout of nothing" },
    { { { 'f', ".wh...", "", 0, 0 }, TAR_END }, "whiteout of nothing" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      if (unpack (place, cases[i].entries, &roomy, &error))
        fail_msg ("case %zu (%s) was taken", i, cases[i].says);
      if (!g_error_matches (error, RP_ERROR, RP_ERROR_INVALID)
          || !strstr (error->message, cases[i].says)
          || !g_str_has_prefix (error->message, "layer 1: "))
        fail_msg ("case %zu: \"%s\" does not say \"%s\"", i, error->message, cases[i].says);
      assert_contained (place);
      assert_true (rp_dir_remove (place->into, NULL));
      g_assert (g_mkdir (place->into, 0755) == 0);
    }
  assert_false (g_file_test ("/tmp/repoint-abs", G_FILE_TEST_EXISTS));
}

/* A directory of a lower layer turned into a link must not carry the next layer's files away. */
static void
link_in_one_layer_write_in_the_next (void **state)
{
  Place *place = *state;
  static const TarEntry one[] = { { 'f', "d/x", "x", 0, 0 }, { 'd', "e", NULL, 0, 0 }, TAR_END };
  static const TarEntry two[] = { { 'l', "d", "e", 0, 0 }, TAR_END };
  static const TarEntry three[] = { { 'f', "d/y", "y", 0, 0 }, TAR_END };
  g_autoptr (GBytes) a = tar_make (one, NULL);
  g_autoptr (GBytes) b = tar_make (two, NULL);
  g_autoptr (GBytes) c = tar_make (three, NULL);
  GBytes *const tars[] = { a, b, c };
  g_autoptr (GError) error = NULL;
  assert_false (unpack_bytes (place, tars, 3, &roomy, &error));
  assert_string_equal (error->message,
                       "layer 3: entry \"d/y\" would be written through the link \"d\"");
}

static void
bombs (void **state)
{
  Place *place = *state;
  static const TarEntry three[] = {
    { 'f', "a", "1234", 0, 0 }, { 'f', "b", "1234", 0, 0 }, { 'f', "c", "1234", 0, 0 }, TAR_END
  };
  static const TarEntry hole[] = { { 'f', "hole", "x", 0, G_GINT64_CONSTANT (1) << 40 }, TAR_END };
  static const struct {
    const TarEntry *entries;
    RpUnpackLimits limits;
    const char *says;
  } cases[] = {
    { three, { 2, 1000 }, "limit max_entries" },
    { three, { 100, 11 }, "entry \"c\" takes the release beyond 11 bytes (limit max_bytes)" },
    { hole, { 100, 1 << 20 }, "limit max_bytes" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      assert_false (unpack (place, cases[i].entries, &cases[i].limits, &error));
      assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_TOO_LARGE));
      if (!strstr (error->message, cases[i].says))
        fail_msg ("\"%s\" does not say \"%s\"", error->message, cases[i].says);
    }
  const RpUnpackLimits exact = { 3, 12 };
  assert_true (unpack (place, three, &exact, NULL));
}

static void
deep_nesting (void **state)
{
  Place *place = *state;
  g_autoptr (GString) path = g_string_new ("a");
  for (int i = 0; i < RP_UNPACK_DEPTH_MAX; i++)
    g_string_append (path, "/a");
  const TarEntry entries[] = { { 'f', path->str, "x", 0, 0 }, TAR_END };
  g_autoptr (GError) error = NULL;
  assert_false (unpack (place, entries, &roomy, &error));
  assert_non_null (strstr (error->message, "deeper than"));
}

/* Cut anywhere, garbled anywhere: an error or a harmless archive, never anything outside. */
static void
damaged_archives (void **state)
{
  Place *place = *state;
  static const TarEntry entries[]
      = { { 'f', "a", "some text", 0, 0 }, { 'l', "l", "a", 0, 0 }, TAR_END };
  static const char *const filters[] = { NULL, "gzip", "zstd" };
  for (gsize f = 0; f < G_N_ELEMENTS (filters); f++)
    {
      gsize size;
      g_autoptr (GBytes) whole = tar_make (entries, filters[f]);
      const guint8 *data = g_bytes_get_data (whole, &size);
      for (gsize cut = 0; cut < MIN (size, 2048); cut += 61)
        {
          g_autoptr (GBytes) part = g_bytes_new (data, cut);
          g_autoptr (GError) error = NULL;
          gboolean ok = unpack_bytes (place, &part, 1, &roomy, &error);
          assert_true (ok == (error == NULL));
          g_autofree guint8 *copy = g_memdup2 (data, size);
          copy[cut] ^= 0x5a;
          g_autoptr (GBytes) garbled = g_bytes_new (copy, size);
          g_autoptr (GError) second = NULL;
          ok = unpack_bytes (place, &garbled, 1, &roomy, &second);
          assert_true (ok == (second == NULL));
          assert_contained (place);
        }
    }
  static const char *const rubbish[] = { "", "not a tar at all", "PK\003\004" };
  for (gsize i = 0; i < G_N_ELEMENTS (rubbish); i++)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (rubbish[i], strlen (rubbish[i]));
      g_autoptr (GError) error = NULL;
      assert_false (unpack_bytes (place, &bytes, 1, &roomy, &error));
      assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_INVALID));
      assert_non_null (strstr (error->message, "tar archive"));
    }
}

static void
full_disk (void **state)
{
  Place *place = *state;
  if (mount ("none", place->into, "tmpfs", 0, "size=64k") != 0)
    {
      print_message ("no right to mount a tmpfs\n");
      skip ();
    }
  g_autofree char *text = g_strnfill (200 * 1024, 'x');
  const TarEntry entries[] = { { 'f', "a", text, 0, 0 }, TAR_END };
  g_autoptr (GError) error = NULL;
  gboolean ok = unpack (place, entries, &roomy, &error);
  umount2 (place->into, MNT_DETACH);
  assert_false (ok);
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_NO_SPACE));
  assert_string_equal (error->message, "layer 1: entry \"a\" cannot be unpacked: the disk is full");
}

/* ---- the record ---- */

static RpDigest
make_recorded (Place *place)
{
  static const TarEntry entries[] = {
    { 'f', "a", "text", 0, 0 },
    { 'f', "d/b", "text", 0755, 0 },
    { 'f', "d/tab\tnew\nline", "x", 0, 0 },
    { 'l', "l", "d/b", 0, 0 },
    { 'd', "empty", NULL, 0, 0 },
    TAR_END,
  };
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, "artifact", 8);
  g_autoptr (GError) error = NULL;
  if (!unpack (place, entries, &roomy, &error) || !rp_tree_seal (place->into, &error)
      || !rp_tree_record (place->into, &digest, place->record, &error)
      || !rp_tree_check (place->into, &digest, place->record, RP_TREE_HASH, &error)
      || !rp_tree_check (place->into, &digest, place->record, RP_TREE_LOOK, &error))
    fail_msg ("%s", error->message);
  return digest;
}

static void
touch (Place *place, const char *path, const char *text, gboolean keep_time)
{
  struct stat st;
  g_autofree char *full = g_build_filename (place->into, path, NULL);
  stat (full, &st);
  chmod (full, 0644);
  int fd = open (full, O_WRONLY | O_TRUNC | O_CREAT, 0444);
  g_assert (rp_file_write_all (fd, text, strlen (text), path, NULL));
  fchmod (fd, st.st_mode);
  const struct timespec times[2] = { st.st_atim, st.st_mtim };
  if (keep_time)
    futimens (fd, times);
  close (fd);
}

static void
remove_a (Place *place)
{
  g_autofree char *path = g_build_filename (place->into, "a", NULL);
  g_unlink (path);
}

static void
add_extra (Place *place)
{
  g_autofree char *path = g_build_filename (place->into, "d", "extra", NULL);
  g_autofree char *dir = g_build_filename (place->into, "d", NULL);
  chmod (dir, 0755);
  g_assert (g_file_set_contents (path, "x", -1, NULL));
  chmod (dir, 0555);
}

static void
change_size (Place *place)
{
  touch (place, "d/b", "other text", TRUE);
}

static void
change_bytes (Place *place)
{
  touch (place, "a", "tExt", FALSE);
}

static void
change_bytes_unseen (Place *place)
{
  touch (place, "a", "tExt", TRUE);
}

static void
change_mode (Place *place)
{
  g_autofree char *path = g_build_filename (place->into, "a", NULL);
  chmod (path, 0644);
}

static void
change_link (Place *place)
{
  g_autofree char *path = g_build_filename (place->into, "l", NULL);
  g_unlink (path);
  g_assert (symlink ("a", path) == 0);
}

static void
open_directory (Place *place)
{
  chmod (place->into, 0755);
}

static void
replace_by_link (Place *place)
{
  g_autofree char *path = g_build_filename (place->into, "a", NULL);
  g_unlink (path);
  g_assert (symlink ("d/b", path) == 0);
}

static void
tree_changes (void **state)
{
  static const struct {
    void (*change) (Place *);
    const char *by_hash, *by_look; /* NULL: not seen */
  } cases[] = {
    { remove_a, "missing a", "missing a" },
    { add_extra, "extra d/extra", "extra d/extra" },
    { change_size, "changed d/b (size)", "changed d/b (size)" },
    { change_bytes, "changed a (content)", "changed a (time of change)" },
    { change_bytes_unseen, "changed a (content)", NULL },
    { change_mode, "changed a (mode)", "changed a (mode)" },
    { change_link, "changed l (link target)", "changed l (link target)" },
    { open_directory, "changed . (mode)", "changed . (mode)" },
    { replace_by_link, "changed a (another kind of thing)", "changed a (another kind of thing)" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      Place *place = *state;
      RpDigest digest = make_recorded (place);
      cases[i].change (place);
      g_autoptr (GError) hash = NULL;
      g_autoptr (GError) look = NULL;
      assert_false (rp_tree_check (place->into, &digest, place->record, RP_TREE_HASH, &hash));
      assert_true (g_error_matches (hash, RP_ERROR, RP_ERROR_CORRUPT));
      if (!strstr (hash->message, cases[i].by_hash))
        fail_msg ("case %zu: %s", i, hash->message);
      gboolean ok = rp_tree_check (place->into, &digest, place->record, RP_TREE_LOOK, &look);
      if (ok != !cases[i].by_look || (look && !strstr (look->message, cases[i].by_look)))
        fail_msg ("case %zu: %s", i, look ? look->message : "not seen");
      tear_down (state);
      set_up (state);
    }
}

static void
tree_record_damage (void **state)
{
  Place *place = *state;
  RpDigest digest = make_recorded (place);
  RpDigest other = rp_digest_of (RP_DIGEST_SHA256, "other", 5);
  g_autofree char *text = NULL;
  gsize size;
  g_assert (g_file_get_contents (place->record, &text, &size, NULL));
  g_autoptr (GError) error = NULL;
  assert_false (rp_tree_check (place->into, &other, place->record, RP_TREE_LOOK, &error));
  assert_non_null (strstr (error->message, "another artifact"));
  for (gsize i = 0; i < size; i += 7)
    {
      g_autofree char *copy = g_memdup2 (text, size);
      copy[i] ^= 1;
      g_autoptr (GError) damage = NULL;
      chmod (place->record, 0644);
      g_assert (g_file_set_contents (place->record, copy, (gssize)size, NULL));
      assert_false (rp_tree_check (place->into, &digest, place->record, RP_TREE_LOOK, &damage));
      assert_true (g_error_matches (damage, RP_ERROR, RP_ERROR_CORRUPT));
    }
  g_unlink (place->record);
  g_autoptr (GError) missing = NULL;
  assert_false (rp_tree_check (place->into, &digest, place->record, RP_TREE_LOOK, &missing));
  assert_true (g_error_matches (missing, RP_ERROR, RP_ERROR_CORRUPT));
}

#define CASE(function) cmocka_unit_test_setup_teardown (function, set_up, tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    CASE (files_links_and_modes),
    CASE (compressions),
    CASE (last_of_a_name_counts),
    CASE (layers_and_whiteouts),
    CASE (bad_entries),
    CASE (link_in_one_layer_write_in_the_next),
    CASE (bombs),
    CASE (deep_nesting),
    CASE (damaged_archives),
    CASE (full_disk),
    CASE (tree_changes),
    CASE (tree_record_damage),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
