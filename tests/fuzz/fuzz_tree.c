/* Records of release directories, checked against a directory that stays the same.  What is fuzzed is behind the
 * first line, so that its sum is always right; or, after a NUL, all of the record.
 */
#include "driver/tree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#include "fuzz.h"

#define MAGIC "repoint-tree 1 "

static char *directory, *root, *record;
static RpDigest artifact;
static GBytes *right; /* what is behind the first line of the right record */

static void
end (void)
{
  g_autoptr (GError) error = NULL;
  g_assert (rp_dir_remove (directory, &error));
  g_bytes_unref (right);
  g_free (directory);
  g_free (root);
  g_free (record);
}

static void
put (const char *name, const char *text)
{
  const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
  g_autofree char *path = g_build_filename (root, name, NULL);
  g_assert (g_file_set_contents (path, text, -1, NULL));
  g_assert (utimensat (AT_FDCWD, path, times, 0) == 0);
}

static void
begin (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *below = NULL;
  g_autofree char *link = NULL;
  gsize size;
  directory = g_dir_make_tmp ("fuzz-tree-XXXXXX", &error);
  root = g_build_filename (directory, "root", NULL);
  record = g_build_filename (directory, "record", NULL);
  below = g_build_filename (root, "bin", NULL);
  link = g_build_filename (root, "run", NULL);
  g_assert (g_mkdir_with_parents (below, 0755) == 0 && symlink ("bin/a b", link) == 0);
  put ("bin/a b", "hello\n");
  put ("empty", "");
  artifact = rp_digest_of (RP_DIGEST_SHA256, "", 0);
  if (!rp_tree_seal (root, &error) || !rp_tree_record (root, &artifact, record, &error)
      || !g_file_get_contents (record, &text, &size, &error))
    g_error ("%s", error->message);
  const char *rest = strchr (text, '\n') + 1;
  right = g_bytes_new (rest, size - (gsize) (rest - text));
  /* OpenSSL ends after what used it: it began above. */
  atexit (end);
}

static void
write_record (const guint8 *data, gsize size)
{
  g_autoptr (GString) text = g_string_new (NULL);
  if (size > 0 && data[0] == '\0')
    g_string_append_len (text, (const char *) data + 1, (gssize) size - 1);
  else
    {
      RpDigest sum = rp_digest_of (RP_DIGEST_SHA256, data, size);
      char sum_text[RP_DIGEST_STRING_SIZE];
      g_string_append_printf (text, MAGIC "%s\n", rp_digest_format (&sum, sum_text));
      g_string_append_len (text, (const char *) data, (gssize) size);
    }
  unlink (record); /* what takes the place of a file is synced */
  g_assert (g_file_set_contents (record, text->str, (gssize) text->len, NULL));
}

/* The record that was made of it fits; one of something else never does. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  if (root == NULL)
    begin ();
  write_record (data, size);
  gboolean looks = rp_tree_check (root, &artifact, record, RP_TREE_LOOK, &error);
  gboolean wrong = error != NULL && !g_error_matches (error, RP_ERROR, RP_ERROR_CORRUPT);
  if (wrong)
    g_error ("not a matter of the record: %s", error->message);
  fuzz_check (looks, &error);
  gboolean hashes = rp_tree_check (root, &artifact, record, RP_TREE_HASH, &error);
  fuzz_check (hashes, &error);
  if (g_bytes_get_size (right) == size && memcmp (g_bytes_get_data (right, NULL), data, size) == 0)
    g_assert (looks && hashes);
  RpDigest other = rp_digest_of (RP_DIGEST_SHA256, "x", 1);
  g_assert (!rp_tree_check (root, &other, record, RP_TREE_LOOK, &error) || !looks);
  g_clear_error (&error);
  return 0;
}
