#include "driver/unpack.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "driver/tree.h"

#include "fuzz.h"

#define ENTRIES_MAX 200
#define BYTES_MAX (1024 * 1024)

/* Stands beside the directory that is unpacked into: whoever gets out of that can change it. */
static const char canary[] = "nobody writes here\n";

static void
check_canary (const char *directory, const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (directory, 0, &error);
  guint names = 0;
  while (g_dir_read_name (dir) != NULL)
    names++;
  g_assert_cmpuint (names, ==, 2);
  g_assert (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, canary);
}

static void
unpack (const char *into, const guint8 *data, gsize size)
{
  const RpUnpackLimits limits = { ENTRIES_MAX, BYTES_MAX };
  rp_autofd int fd = memfd_create ("layer", MFD_CLOEXEC);
  RpUnpackLayer layers[] = { { fd, "layer 1" } };
  GError *error = NULL;
  g_assert (write (fd, data, size) == (gssize) size && lseek (fd, 0, SEEK_SET) == 0);
  gboolean ok = rp_unpack (into, layers, 1, &limits, NULL, &error);
  fuzz_check (ok, &error);
  if (!ok)
    return;
  ok = rp_tree_seal (into, &error);
  fuzz_check (ok, &error);
  g_assert (ok);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *directory = g_dir_make_tmp ("fuzz-unpack-XXXXXX", &error);
  g_assert_no_error (error);
  g_autofree char *into = g_build_filename (directory, "into", NULL);
  g_autofree char *path = g_build_filename (directory, "canary", NULL);
  g_assert (mkdir (into, 0700) == 0);
  g_assert (g_file_set_contents (path, canary, -1, &error));
  unpack (into, data, size);
  check_canary (directory, path);
  g_assert (rp_dir_remove (directory, &error));
  return 0;
}
