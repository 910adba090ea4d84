#include "check.h"

#include "server/manifest_cache.h"

static void
put (RpManifestCache *cache, gint64 seq, const char *reference, gsize size)
{
  g_autofree char *data = g_malloc0 (size);
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_auto (RpManifestInfo) info = { .digest = rp_digest_of (RP_DIGEST_SHA256, data, size),
                                   .media_type = g_strdup (RP_MEDIA_OCI_MANIFEST),
                                   .size_bytes = size };

  rp_manifest_cache_put (cache, seq, "shop/web", reference, &info, bytes);
}

static gboolean
has (RpManifestCache *cache, gint64 seq, const char *repository, const char *reference)
{
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  gboolean found = rp_manifest_cache_get (cache, seq, repository, reference, &info, &bytes);

  if (found)
    {
      assert_string_equal (info.media_type, RP_MEDIA_OCI_MANIFEST);
      assert_int_equal (info.size_bytes, g_bytes_get_size (bytes));
    }
  return found;
}

static void
test_entries_count_for_one_sequence (void **state)
{
  RpManifestCache *cache = rp_manifest_cache_new ();

  put (cache, 5, "1.0", 100);
  assert_true (has (cache, 5, "shop/web", "1.0"));
  assert_false (has (cache, 5, "shop/web", "1.1"));
  assert_false (has (cache, 5, "shop", "1.0"));
  assert_false (has (cache, 6, "shop/web", "1.0"));
  assert_false (has (cache, 4, "shop/web", "1.0"));

  put (cache, 6, "2.0", 100);
  assert_true (has (cache, 6, "shop/web", "2.0"));
  assert_false (has (cache, 6, "shop/web", "1.0"));
  put (cache, 5, "late", 100); /* read before the ledger moved */
  assert_false (has (cache, 5, "shop/web", "late"));
  assert_false (has (cache, 6, "shop/web", "late"));
  rp_manifest_cache_free (cache);
}

static void
test_size_is_bounded (void **state)
{
  RpManifestCache *cache = rp_manifest_cache_new ();
  guint kept = 0;

  put (cache, 1, "large", 1024 * 1024);
  assert_false (has (cache, 1, "shop/web", "large"));
  for (guint i = 0; i < 5000; i++)
    {
      g_autofree char *tag = g_strdup_printf ("t%u", i);
      put (cache, 1, tag, 10);
      assert_true (has (cache, 1, "shop/web", tag));
    }
  for (guint i = 0; i < 5000; i++)
    {
      g_autofree char *tag = g_strdup_printf ("t%u", i);
      kept += has (cache, 1, "shop/web", tag);
    }
  assert_in_range (kept, 1, 256);
  rp_manifest_cache_free (cache);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_entries_count_for_one_sequence),
    cmocka_unit_test (test_size_is_bounded),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
