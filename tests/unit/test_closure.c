#include "oci/closure.h"

#include "base/error.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* A world of manifests by digest. Digests are claimed, not computed, so that cycles can be made. */
typedef struct {
  GHashTable *manifests; /* RpDigest → JSON text */
  guint loads;
} World;

static RpDigest
digest_of (const char *name)
{
  return rp_digest_of (RP_DIGEST_SHA256, name, strlen (name));
}

static json_t *
descriptor (const char *name, const char *media_type, gint64 size)
{
  RpDigest digest = digest_of (name);
  char text[RP_DIGEST_STRING_SIZE];
  return json_pack ("{s:s,s:s,s:I}", "mediaType", media_type, "digest",
                    rp_digest_format (&digest, text), "size", (json_int_t) size);
}

static gint64
add (World *world, const char *name, json_t *document)
{
  RpDigest digest = digest_of (name);
  char *text = rp_json_print (document);
  json_decref (document);
  g_hash_table_insert (world->manifests, rp_digest_copy (&digest), text);
  return (gint64) strlen (text);
}

static gint64
add_image (World *world, const char *name, const char *layer, gint64 layer_size)
{
  return add (world, name,
              json_pack ("{s:i,s:s,s:o,s:[o]}", "schemaVersion", 2, "mediaType",
                         RP_MEDIA_OCI_MANIFEST, "config",
                         descriptor ("config", "application/vnd.oci.image.config.v1+json", 10),
                         "layers", descriptor (layer, "application/x-tar", layer_size)));
}

static json_t *
index_of (json_t *children)
{
  return json_pack ("{s:i,s:s,s:o}", "schemaVersion", 2, "mediaType", RP_MEDIA_OCI_INDEX,
                    "manifests", children);
}

static GBytes *
load (const RpDigest *digest, const char *media_type, gpointer user_data, GError **error)
{
  World *world = user_data;
  const char *text = g_hash_table_lookup (world->manifests, digest);
  world->loads++;
  if (text)
    return g_bytes_new (text, strlen (text));
  g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN, "nobody has it");
  return NULL;
}

static int
set_up (void **state)
{
  World *world = g_new0 (World, 1);
  world->manifests = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, g_free);
  *state = world;
  return 0;
}

static int
tear_down (void **state)
{
  World *world = *state;
  g_hash_table_unref (world->manifests);
  g_free (world);
  return 0;
}

static RpClosure *
walk (World *world, const char *root, GError **error)
{
  RpDigest digest = digest_of (root);
  return rp_closure_walk (&digest, NULL, load, world, error);
}

/* The names of the items, in order. */
static void
assert_items (const RpClosure *closure, const char *const *names)
{
  assert_int_equal (closure->items->len, g_strv_length ((char **) names));
  for (guint i = 0; i < closure->items->len; i++) {
    const RpClosureItem *item = g_ptr_array_index (closure->items, i);
    RpDigest expected = digest_of (names[i]);
    if (!rp_digest_equal (&item->digest, &expected))
      fail_msg ("item %u is not %s", i, names[i]);
  }
}

static void
index_with_shared_config (void **state)
{
  World *world = *state;
  gint64 one = add_image (world, "one", "layer-1", 100);
  gint64 two = add_image (world, "two", "layer-2", 200);
  gint64 top = add (world, "top",
                    index_of (json_pack ("[o,o,o]", descriptor ("one", RP_MEDIA_OCI_MANIFEST, one),
                                         descriptor ("two", RP_MEDIA_OCI_MANIFEST, two),
                                         descriptor ("one", RP_MEDIA_OCI_MANIFEST, one))));
  g_autoptr (GError) error = NULL;
  g_autoptr (RpClosure) closure = walk (world, "top", &error);
  assert_non_null (closure);
  static const char *const expected[] = { "config", "layer-1", "one", "layer-2", "two", "top", NULL };
  assert_items (closure, expected);
  assert_int_equal (closure->total_bytes, 10 + 100 + 200 + one + two + top);
  assert_int_equal (world->loads, 3);
  const RpClosureItem *last = g_ptr_array_index (closure->items, 5);
  assert_true (last->is_manifest);
  assert_string_equal (last->media_type, RP_MEDIA_OCI_INDEX);
}

/* A digest first met as a plain blob still has its own children in the closure, and before it. */
static void
blob_that_is_a_manifest (void **state)
{
  World *world = *state;
  gint64 one = add_image (world, "one", "layer-1", 100);
  gint64 two = add_image (world, "two", "one", one);
  add (world, "top",
       index_of (json_pack ("[o,o]", descriptor ("two", RP_MEDIA_OCI_MANIFEST, two),
                            descriptor ("one", RP_MEDIA_OCI_MANIFEST, one))));
  g_autoptr (RpClosure) closure = walk (world, "top", NULL);
  static const char *const expected[] = { "config", "two", "layer-1", "one", "top", NULL };
  assert_items (closure, expected);
}

static void
foreign_layers_stay_out (void **state)
{
  World *world = *state;
  add (world, "one",
       json_pack ("{s:i,s:o,s:[o]}", "schemaVersion", 2, "config",
                  descriptor ("config", "application/vnd.oci.image.config.v1+json", 10), "layers",
                  descriptor ("layer",
                              "application/vnd.oci.image.layer.nondistributable.v1.tar", 5)));
  g_autoptr (RpClosure) closure = walk (world, "one", NULL);
  static const char *const expected[] = { "config", "one", NULL };
  assert_items (closure, expected);
}

static void
missing_child_is_named_with_its_path (void **state)
{
  World *world = *state;
  add (world, "top", index_of (json_pack ("[o]", descriptor ("gone", RP_MEDIA_OCI_MANIFEST, 5))));
  g_autoptr (GError) error = NULL;
  assert_null (walk (world, "top", &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN));
  RpDigest top = digest_of ("top"), gone = digest_of ("gone");
  g_autofree char *top_text = rp_digest_to_string (&top);
  g_autofree char *gone_text = rp_digest_to_string (&gone);
  g_autofree char *path = g_strdup_printf ("%s → %s: nobody has it", top_text, gone_text);
  assert_string_equal (error->message, path);
}

static void
cycle (void **state)
{
  World *world = *state;
  g_autoptr (GError) error = NULL;
  /* Sizes that agree with each other, so that only the cycle is wrong. */
  gint64 size = add (world, "a",
                     index_of (json_pack ("[o]", descriptor ("b", RP_MEDIA_OCI_INDEX, 100))));
  size = add (world, "b", index_of (json_pack ("[o]", descriptor ("a", RP_MEDIA_OCI_INDEX, size))));
  add (world, "a", index_of (json_pack ("[o]", descriptor ("b", RP_MEDIA_OCI_INDEX, size))));
  assert_null (walk (world, "a", &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_TOO_LARGE));
  assert_non_null (strstr (error->message, "contains itself"));
}

static void
too_deep (void **state)
{
  World *world = *state;
  gint64 size = add_image (world, "0", "layer", 1);
  const char *type = RP_MEDIA_OCI_MANIFEST;
  for (int i = 1; i <= 8; i++) {
    g_autofree char *below = g_strdup_printf ("%d", i - 1);
    g_autofree char *name = g_strdup_printf ("%d", i);
    size = add (world, name, index_of (json_pack ("[o]", descriptor (below, type, size))));
    type = RP_MEDIA_OCI_INDEX;
  }
  g_autoptr (GError) error = NULL;
  g_autoptr (RpClosure) fits = walk (world, "7", &error);
  assert_non_null (fits);
  assert_null (walk (world, "8", &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_TOO_LARGE));
}

static void
contradictions (void **state)
{
  World *world = *state;
  gint64 one = add_image (world, "one", "layer", 1);
  gint64 two = add_image (world, "two", "layer", 2);
  add (world, "wrong-size",
       index_of (json_pack ("[o]", descriptor ("one", RP_MEDIA_OCI_MANIFEST, one + 1))));
  add (world, "wrong-type", index_of (json_pack ("[o]", descriptor ("one", RP_MEDIA_OCI_INDEX, one))));
  add (world, "two-sizes",
       index_of (json_pack ("[o,o]", descriptor ("one", RP_MEDIA_OCI_MANIFEST, one),
                            descriptor ("two", RP_MEDIA_OCI_MANIFEST, two))));
  add (world, "overflow",
       json_pack ("{s:i,s:o,s:[o,o]}", "schemaVersion", 2, "config",
                  descriptor ("c", "application/x", G_MAXINT64), "layers",
                  descriptor ("d", "application/x", G_MAXINT64),
                  descriptor ("e", "application/x", G_MAXINT64)));
  static const struct {
    const char *root;
    RpErrorCode code;
  } cases[] = {
    { "wrong-size", RP_ERROR_SIZE_INVALID },
    { "wrong-type", RP_ERROR_MANIFEST_INVALID },
    { "two-sizes", RP_ERROR_MANIFEST_INVALID },
    { "overflow", RP_ERROR_TOO_LARGE },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    assert_null (walk (world, cases[i].root, &error));
    if (!g_error_matches (error, RP_ERROR, (int) cases[i].code))
      fail_msg ("%s: %s", cases[i].root, error->message);
  }
}

#define CASE(function) cmocka_unit_test_setup_teardown (function, set_up, tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    CASE (index_with_shared_config),
    CASE (blob_that_is_a_manifest),
    CASE (foreign_layers_stay_out),
    CASE (missing_child_is_named_with_its_path),
    CASE (cycle),
    CASE (too_deep),
    CASE (contradictions),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
