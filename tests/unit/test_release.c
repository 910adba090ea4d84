/* Releases: made once (R02), whole (R09), by digest (R01), found by what people type (R24). */
#include "shop.h"

#include "base/file.h"
#include "release/protection.h"

static void
test_once_per_commit (void **unused)
{
  GError *error = NULL;
  gboolean created;
  Shop *shop = shop_open ();
  (void) shop_push (shop, "shop/web", "1", "one");
  (void) shop_push (shop, "shop/web", "2", "two");
  g_autoptr (RpRelease) first = shop_try_release (shop, "1.0", "abc123", "1", &created, &error);
  check_ok (first != NULL && created);
  assert_int_equal (first->number, 1);

  g_autoptr (RpRelease) again = shop_try_release (shop, "1.0", "abc123", "1", &created, &error);
  check_ok (again != NULL && !created);
  assert_int_equal (again->seq, first->seq);

  g_autoptr (RpRelease) other_version
      = shop_try_release (shop, "9.9", "abc123", "1", &created, &error);
  check_ok (other_version != NULL && !created);
  assert_string_equal (other_version->version, "1.0");

  static const struct
  {
    const char *version;
    const char *commit;
    const char *tag;
    const char *says;
  } conflicts[] = {
    { "1.1", "abc123", "2",
      "commit abc123 of app shop is recorded already as 1.0 (release 1), made by tester@host" },
    { "1.0", "def456", "2", "version 1.0 of app shop is recorded already" },
    { "1.0", "def456", "1", "version 1.0 of app shop is recorded already" },
    { "1.0", NULL, "2", "A release is built once" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (conflicts); i++)
    {
      RpRelease *release = shop_try_release (shop, conflicts[i].version, conflicts[i].commit,
                                             conflicts[i].tag, &created, &error);
      assert_null (release);
      check_contains (error->message, conflicts[i].says);
      check_fails (FALSE, RP_ERROR_CONFLICT);
    }
  shop_close (shop);
}

static void
test_default_versions (void **unused)
{
  GError *error = NULL;
  gboolean created;
  Shop *shop = shop_open ();
  static const struct
  {
    const char *commit;
    const char *tag;
    const char *version;
    gboolean created;
  } table[] = {
    { "0123456789abcdef", "1", "0123456", TRUE },
    { "0123456fffffffff", "2", "0123456f", TRUE }, /* longer, since the short one is taken */
    { NULL, "3", "r3", TRUE },
    { NULL, "3", "r3", FALSE }, /* the newest is the very same */
    { NULL, "4", "r4", TRUE },
    { "abc", "5", "abc", TRUE },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      (void) shop_push (shop, "shop/web", table[i].tag, table[i].tag);
      g_autoptr (RpRelease) release
          = shop_try_release (shop, NULL, table[i].commit, table[i].tag, &created, &error);
      check_ok (release != NULL);
      assert_string_equal (release->version, table[i].version);
      assert_int_equal (created, table[i].created);
    }
  shop_close (shop);
}

static void
test_references (void **unused)
{
  GError *error = NULL;
  gboolean created;
  Shop *shop = shop_open ();
  RpDigest digest = shop_push (shop, "shop/web", "1.2", "bytes");
  RpDigest foreign = shop_push (shop, "other/app", "1", "foreign bytes");
  g_autofree char *text = rp_digest_to_string (&digest);
  g_autofree char *foreign_text = rp_digest_to_string (&foreign);
  g_autofree char *prefix = g_strndup (text, 19);
  g_autofree char *pinned = g_strconcat ("shop/web@", text, NULL);
  const char *good[]
      = { "1.2", "shop/web:1.2", "localhost:5000/shop/web:1.2", text, prefix, pinned };
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *version = g_strdup_printf ("v%d", (int)i);
      g_autoptr (RpRelease) release
          = shop_try_release (shop, version, NULL, good[i], &created, &error);
      check_ok (release != NULL);
      const RpReleaseComponent *web = rp_release_component (release, "web");
      assert_true (rp_digest_equal (&web->digest, &digest));
      assert_string_equal (web->requested, good[i]);
      assert_true (web->size_bytes > 0);
    }
  const struct
  {
    const char *reference;
    int code;
    const char *says;
  } bad[] = {
    { "1.3", RP_ERROR_MANIFEST_UNKNOWN, "component web: " },
    { foreign_text, RP_ERROR_MANIFEST_UNKNOWN, "component web: " },
    { "other/app:1", RP_ERROR_INVALID, "component web is declared to be in shop/web" },
    { "sha256:0000", RP_ERROR_NOT_FOUND, "0000" },
    { "shop/web", RP_ERROR_INVALID, "shop/web" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      RpRelease *release = shop_try_release (shop, "x", NULL, bad[i].reference, &created, &error);
      assert_null (release);
      check_contains (error->message, bad[i].says);
      check_fails (FALSE, bad[i].code);
    }
  shop_close (shop);
}

/* R09: the manifest is there, one layer is not. */
static void
test_missing_layer (void **unused)
{
  GError *error = NULL;
  gboolean created;
  Shop *shop = shop_open ();
  (void) shop_push (shop, "shop/web", "1", "the layer");
  RpDigest layer = rp_digest_of (RP_DIGEST_SHA256, "the layer", 9);
  char text[RP_DIGEST_STRING_SIZE];
  check_ok (rp_store_quarantine (shop->store, &layer, &error));
  assert_null (shop_try_release (shop, "1", "abcd", "1", &created, &error));
  check_contains (error->message, rp_digest_format (&layer, text));
  check_contains (error->message, "no release was made");
  check_fails (FALSE, RP_ERROR_MANIFEST_BLOB_UNKNOWN);
  g_autoptr (GPtrArray) releases = rp_release_list (shop->engine, "shop", 10, 0, NULL, &error);
  check_ok (releases != NULL);
  assert_int_equal (releases->len, 0);
  shop_close (shop);
}

static void
test_all_components (void **unused)
{
  GError *error = NULL;
  gboolean created;
  Shop *shop = shop_open ();
  shop_apply (
      shop,
      "app: shop\ncomponents: {web: {repository: shop/web}, worker: {repository: shop/worker}}\n");
  (void) shop_push (shop, "shop/web", "1", "web");
  assert_null (shop_try_release (shop, "1", NULL, "1", &created, &error));
  check_contains (error->message, "component worker is not given");
  check_fails (FALSE, RP_ERROR_INVALID);
  shop_apply (shop, "app: shop\ncomponents: {worker: {repository: shop/worker}}\n");
  assert_null (shop_try_release (shop, "1", NULL, "1", &created, &error));
  check_contains (error->message, "no component \"web\"");
  check_fails (FALSE, RP_ERROR_INVALID);
  shop_close (shop);
}

/* R24 */
static void
test_find (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_open ();
  gboolean created;
  static const char *const commits[] = { "aaaa1111", "aaaa2222", "12ab34cd" };
  static const char *const versions[] = { "1.0", "2", "3.0" };
  g_autofree char *digest_of_first = NULL;
  for (gsize i = 0; i < 3; i++)
    {
      RpDigest digest = shop_push (shop, "shop/web", versions[i], versions[i]);
      g_autoptr (RpRelease) release
          = shop_try_release (shop, versions[i], commits[i], versions[i], &created, &error);
      check_ok (release != NULL);
      if (i == 0)
        digest_of_first = rp_digest_to_string (&digest);
    }
  g_autofree char *prefix = g_strndup (digest_of_first, 7 + 12);
  const struct
  {
    const char *ref;
    gint64 number;
  } good[] = {
    { "1.0", 1 },      { "#1", 1 },           { "1", 1 },        { "2", 2 }, /* a version first */
    { "3", 3 },        { "aaaa1", 1 },        { "aaaa2222", 2 }, { "12ab", 3 }, { prefix, 1 },
    { prefix + 7, 1 }, { digest_of_first, 1 }
  };
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (RpRelease) release = rp_release_get (shop->engine, "shop", good[i].ref, &error);
      check_ok (release != NULL);
      assert_int_equal (release->number, good[i].number);
    }
  check_fails (rp_release_get (shop->engine, "shop", "aaa", &error) != NULL, RP_ERROR_NOT_FOUND);
  check_fails (rp_release_get (shop->engine, "shop", "#9", &error) != NULL, RP_ERROR_NOT_FOUND);
  check_fails (rp_release_get (shop->engine, "shoo", "1.0", &error) != NULL, RP_ERROR_NOT_FOUND);
  assert_null (rp_release_get (shop->engine, "shop", "9.9", &error));
  check_contains (error->message,
                  "the latest are: 3.0 (release 3), 2 (release 2), 1.0 (release 1)");
  g_clear_error (&error);
  assert_null (rp_release_get (shop->engine, "shop", "aaaa", &error));
  check_contains (error->message, "2 (release 2, commit aaaa2222");
  check_contains (error->message, "1.0 (release 1, commit aaaa1111");
  check_fails (FALSE, RP_ERROR_AMBIGUOUS);
  shop_close (shop);
}

typedef struct
{
  Shop *shop;
  guint created;
  guint conflicts;
  gint start;
  GMutex lock;
} Race;

static gpointer
race_thread (gpointer data)
{
  Race *race = data;
  GError *error = NULL;
  gboolean created = FALSE;
  gint me = g_atomic_int_add (&race->start, 1);
  RpRelease *release = shop_try_release (race->shop, me % 2 == 0 ? "even" : "odd", "same-commit",
                                         me % 2 == 0 ? "1" : "2", &created, &error);
  g_mutex_lock (&race->lock);
  race->created += created;
  race->conflicts += release == NULL && g_error_matches (error, RP_ERROR, RP_ERROR_CONFLICT);
  g_mutex_unlock (&race->lock);
  g_clear_error (&error);
  rp_release_free (release);
  return NULL;
}

/* Two pipelines for one commit at once: one release, and the other build is refused. */
static void
test_race (void **unused)
{
  Race race = { .shop = shop_open () };
  GThread *threads[8];
  (void) shop_push (race.shop, "shop/web", "1", "one");
  (void) shop_push (race.shop, "shop/web", "2", "two");
  g_mutex_init (&race.lock);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("pipeline", race_thread, &race);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  assert_int_equal (race.created, 1);
  assert_int_equal (race.conflicts, 4);
  g_mutex_clear (&race.lock);
  shop_close (race.shop);
}

/* What is held is asked about each image that goes, and first whether anything new was released: among all releases that
 * must not be a walk through them. */
static gboolean
explain_newest (RpTxn *txn, gpointer unused, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "EXPLAIN QUERY PLAN SELECT COALESCE (MAX (seq), 0) FROM app_release", "");
  if (rows == NULL)
    return FALSE;
  assert_int_equal (rp_rows_count (rows), 1);
  assert_non_null (strstr (rp_rows_text (rows, 0, 3), "SEARCH"));
  return TRUE;
}

static void
test_the_newest_is_found_without_a_walk (void **unused)
{
  GError *error = NULL;
  Shop *shop = shop_open ();
  check_ok (rp_db_read (shop->db, explain_newest, NULL, &error));
  shop_close (shop);
}

static gboolean
add_manifests (RpTxn *txn, gpointer user_data, GError **error)
{
  const Shop *shop = user_data;
  for (int i = 0; i < 8000; i++)
    {
      g_autofree char *name = g_strdup_printf ("%d", i);
      char text[RP_DIGEST_STRING_SIZE];
      RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, name, strlen (name));
      g_autoptr (json_t) body
          = json_pack ("{s:s, s:s, s:i, s:s, s:[]}", "repository", "shop/web", "digest",
                       rp_digest_format (&digest, text), "size", 1, "media_type", "a/b", "references");
      if (!rp_ledger_append (shop->ledger, txn, "tester@host", "manifest.added", body, NULL, error))
        return FALSE;
    }
  return TRUE;
}

static guint64
bytes_read_so_far (void)
{
  g_autofree char *text = NULL;
  assert_true (g_file_get_contents ("/proc/self/io", &text, NULL, NULL));
  assert_true (g_str_has_prefix (text, "rchar: "));
  return g_ascii_strtoull (text + strlen ("rchar: "), NULL, 10);
}

/* It is asked once for every few bytes that go. */
static void
test_protection_does_not_read_all_manifests (void **unused)
{
  GError *error = NULL;
  g_autofree char *directory = g_dir_make_tmp ("repoint-release-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "repoint.db", NULL);
  Shop *shop = shop_open_at (path);
  check_ok (rp_db_write (shop->db, add_manifests, shop, &error));
  guint64 before = bytes_read_so_far ();
  check_ok (rp_protection_prepare (shop->engine, &error));
  assert_true (bytes_read_so_far () - before < 500000); /* the manifests alone are two million */
  shop_close (shop);
  check_ok (rp_dir_remove (directory, &error));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_once_per_commit),
    cmocka_unit_test (test_default_versions),
    cmocka_unit_test (test_references),
    cmocka_unit_test (test_missing_layer),
    cmocka_unit_test (test_all_components),
    cmocka_unit_test (test_find),
    cmocka_unit_test (test_race),
    cmocka_unit_test (test_the_newest_is_found_without_a_walk),
    cmocka_unit_test (test_protection_does_not_read_all_manifests),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
