/* What somebody carried across an air gap: a tar with an OCI image layout and records of releases in it. */
#include "cli/bundle.h"

#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"

static char *path;

static void
end (void)
{
  unlink (path);
  g_free (path);
}

static void
write_file (const guint8 *data, gsize size)
{
  if (path == NULL)
    {
      int fd = g_file_open_tmp ("fuzz-bundle-XXXXXX", &path, NULL);
      g_assert (fd >= 0);
      close (fd);
      atexit (end);
    }
  unlink (path); /* what takes the place of a file is synced */
  g_assert (g_file_set_contents (path, (const char *) data, (gssize) size, NULL));
}

/* What was taken is whole: nothing that a root names is missing. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autoptr (RpStore) store = rp_store_open ("mem:", &error);
  g_autoptr (GPtrArray) roots = NULL;
  json_t *releases = NULL;
  g_assert (store != NULL);
  write_file (data, size);
  gboolean ok = rp_bundle_read (path, store, &roots, &releases, &error);
  fuzz_check (ok, &error);
  for (guint i = 0; ok && i < roots->len; i++)
    {
      const RpBundleRoot *one = g_ptr_array_index (roots, i);
      g_autoptr (RpClosure) closure
          = rp_closure_walk (&one->digest, NULL, rp_bundle_load, store, &error);
      g_assert (closure != NULL);
      for (guint k = 0; k < closure->items->len; k++)
        {
          const RpClosureItem *item = g_ptr_array_index (closure->items, k);
          g_assert (rp_store_verify (store, &item->digest, &error));
        }
    }
  json_decref (releases);
  return 0;
}
