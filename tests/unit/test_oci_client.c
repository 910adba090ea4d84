#include "oci/client.h"

#include "base/error.h"
#include "base/file.h"
#include "oci/platform.h"
#include "registry_peer.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define BLOB_BYTES 100000

typedef struct {
  Registry *registry;
  RpStore *store;
  RpOciClient *client;
  RpDigest image, layer, small;
  guint64 done, total;
} World;

static GBytes *
noise (gsize size, guint32 seed)
{
  guint8 *data = g_malloc (size);
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  for (gsize i = 0; i < size; i++)
    data[i] = (guint8)g_rand_int (rand);
  return g_bytes_new_take (data, size);
}

static int
set_up (void **state)
{
  World *world = g_new0 (World, 1);
  world->registry = registry_start ();
  world->store = rp_store_open ("mem:", NULL);
  world->client = rp_oci_client_new (world->registry->url, NULL);
  rp_oci_client_set_retry (world->client, 1);
  g_autoptr (GBytes) big = noise (BLOB_BYTES, 1);
  g_autoptr (GBytes) small = noise (10, 2);
  GBytes *const layers[] = { big, small };
  world->layer = rp_digest_of (RP_DIGEST_SHA256, g_bytes_get_data (big, NULL), BLOB_BYTES);
  world->small = rp_digest_of (RP_DIGEST_SHA256, g_bytes_get_data (small, NULL), 10);
  world->image = registry_put_image (world->registry, layers, 2, NULL);
  *state = world;
  return 0;
}

static int
tear_down (void **state)
{
  World *world = *state;
  rp_oci_client_free (world->client);
  rp_store_close (world->store);
  registry_stop (world->registry);
  g_free (world);
  return 0;
}

static void
progress (guint64 done, guint64 total, gpointer user_data)
{
  World *world = user_data;
  assert_true (done <= total);
  world->done = done;
  world->total = total;
}

static gboolean
pull (World *world, const RpDigest *digest, const char *platform, RpDigest *out, GError **error)
{
  RpDigest ignored;
  return rp_oci_client_pull (world->client, REPOSITORY, digest, platform, world->store, progress,
                             world, &world->registry->cancel, out ? out : &ignored, error);
}

static void
assert_pulled (World *world)
{
  g_autoptr (GError) error = NULL;
  if (!pull (world, &world->image, NULL, NULL, &error))
    fail_msg ("%s", error->message);
  assert_true (rp_store_verify (world->store, &world->image, NULL));
  assert_true (rp_store_verify (world->store, &world->layer, NULL));
  assert_true (rp_store_verify (world->store, &world->small, NULL));
}

static guint
count_requests (World *world, const char *part)
{
  guint n = 0;
  for (guint i = 0; i < world->registry->requests->len; i++)
    n += strstr (g_ptr_array_index (world->registry->requests, i), part) != NULL;
  return n;
}

static char *
hex_of (const RpDigest *digest)
{
  return rp_digest_to_string (digest);
}

/* ---- the good case ---- */

static void
whole_closure_once (void **state)
{
  World *world = *state;
  assert_pulled (world);
  assert_int_equal (world->registry->requests->len, 4); /* manifest, config, two layers */
  assert_int_equal (world->done, world->total);
  assert_true (world->total > BLOB_BYTES + 10 + 2);
  assert_pulled (world);
  assert_int_equal (world->registry->requests->len, 4); /* nothing is fetched again */
}

static void
one_platform_of_an_index (void **state)
{
  World *world = *state;
  gsize other_size, ours_size = 0;
  g_autoptr (GBytes) layer = noise (50, 3);
  GBytes *const layers[] = { layer };
  RpDigest other = registry_put_image (world->registry, layers, 1, &other_size);
  g_autofree char *image = hex_of (&world->image);
  g_autofree char *path = g_strconcat ("/v2/" REPOSITORY "/manifests/", image, NULL);
  ours_size = g_bytes_get_size (g_hash_table_lookup (world->registry->things, path));
  json_t *one = registry_descriptor (&other, RP_MEDIA_OCI_MANIFEST, other_size);
  json_t *two = registry_descriptor (&world->image, RP_MEDIA_OCI_MANIFEST, ours_size);
  json_object_set_new (
      one, "platform",
      json_pack ("{s:s,s:s,s:s}", "os", "linux", "architecture", "arm64", "variant", "v8"));
  json_object_set_new (two, "platform",
                       json_pack ("{s:s,s:s}", "os", "linux", "architecture", "amd64"));
  RpDigest index
      = registry_put_json (world->registry, RP_MEDIA_OCI_INDEX,
                           json_pack ("{s:i,s:s,s:[o,o]}", "schemaVersion", 2, "mediaType",
                                      RP_MEDIA_OCI_INDEX, "manifests", one, two),
                           NULL);
  RpDigest run;
  g_autoptr (GError) error = NULL;
  if (!pull (world, &index, "linux/amd64", &run, &error))
    fail_msg ("%s", error->message);
  assert_true (rp_digest_equal (&run, &world->image));
  assert_true (rp_store_verify (world->store, &index, NULL));
  assert_true (rp_store_verify (world->store, &world->layer, NULL));
  assert_false (rp_store_verify (world->store, &other, NULL));

  assert_true (pull (world, &index, "linux/arm64", &run, NULL));
  assert_true (rp_digest_equal (&run, &other));
  assert_false (pull (world, &index, "linux/s390x", &run, &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_NOT_FOUND));
  assert_non_null (strstr (error->message, "linux/arm64/v8, linux/amd64"));
  assert_true (pull (world, &index, NULL, &run, NULL));
  assert_true (rp_digest_equal (&run, &index));
}

static void
platforms (void **state)
{
  static const struct {
    const char *offered, *wanted;
    gboolean match;
  } cases[] = {
    { "linux/amd64", "linux/amd64", TRUE },    { "linux/arm64/v8", "linux/arm64", TRUE },
    { "linux/arm64", "linux/arm64/v8", TRUE }, { "linux/arm/v6", "linux/arm/v7", FALSE },
    { "linux/arm", "linux/arm64", FALSE },     { "linux", "linux/arm64", FALSE },
    { "windows/amd64", "linux/amd64", FALSE }, { "", "linux/amd64", FALSE },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    if (rp_platform_matches (cases[i].offered, cases[i].wanted) != cases[i].match)
      fail_msg ("%s for %s", cases[i].offered, cases[i].wanted);
  assert_true (g_str_has_prefix (rp_platform_host (), "linux/"));
}

static void
resolve (void **state)
{
  World *world = *state;
  RpDigest found;
  g_autofree char *image = hex_of (&world->image);
  g_autofree char *path = g_strconcat ("/v2/" REPOSITORY "/manifests/", image, NULL);
  registry_set (world->registry, "/v2/" REPOSITORY "/manifests/1.0", RP_MEDIA_OCI_MANIFEST,
                g_hash_table_lookup (world->registry->things, path));
  assert_true (rp_oci_client_resolve (world->client, REPOSITORY, "1.0", &found, NULL));
  assert_true (rp_digest_equal (&found, &world->image));
  assert_int_equal (count_requests (world, "HEAD"), 1);
  assert_int_equal (count_requests (world, "GET"), 0);

  world->registry->hide_digest = TRUE;
  memset (&found, 0, sizeof found);
  assert_true (rp_oci_client_resolve (world->client, REPOSITORY, "1.0", &found, NULL));
  assert_true (rp_digest_equal (&found, &world->image));

  g_autoptr (GError) unknown = NULL;
  g_autoptr (GError) name = NULL;
  assert_false (rp_oci_client_resolve (world->client, REPOSITORY, "2.0", &found, &unknown));
  assert_true (g_error_matches (unknown, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN));
  assert_false (rp_oci_client_resolve (world->client, "Bad/../Name", "1", &found, &name));
  assert_true (g_error_matches (name, RP_ERROR, RP_ERROR_NAME_INVALID));
}

/* ---- what a network does ---- */

static void
broken_transfers_go_on (void **state)
{
  World *world = *state;
  g_autofree char *layer = hex_of (&world->layer);
  const Fault faults[] = {
    { layer, FAULT_CUT, 30000, NULL, 1 },
    { layer, FAULT_CUT, 1, NULL, 20 }, /* far more often than may fail without progress */
    { layer, FAULT_DROP, 0, NULL, 3 },
  };
  memcpy (world->registry->faults, faults, sizeof faults);
  assert_pulled (world);
  g_autofree char *first = g_strconcat (layer, " 30000-", NULL);
  g_autofree char *last = g_strconcat (layer, " 30020-", NULL);
  assert_int_equal (count_requests (world, first), 1);
  assert_int_equal (count_requests (world, last), 4);
}

static void
servers_that_cannot_resume (void **state)
{
  static const FaultKind kinds[] = { FAULT_IGNORE_RANGE, FAULT_WRONG_RANGE };
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      World *world = *state;
      g_autofree char *layer = hex_of (&world->layer);
      const Fault faults[] = {
        { layer, FAULT_CUT, 30000, NULL, 1 },
        { layer, kinds[i], 0, NULL, 1 },
        { layer, FAULT_CUT, 70000, NULL, 1 },
      };
      memcpy (world->registry->faults, faults, sizeof faults);
      assert_pulled (world);
      g_autofree char *again = g_strconcat (layer, " 70000-", NULL);
      assert_int_equal (count_requests (world, again), 0);
      tear_down (state);
      set_up (state);
    }
}

static void
range_refused (void **state)
{
  World *world = *state;
  g_autofree char *layer = hex_of (&world->layer);
  const Fault faults[]
      = { { layer, FAULT_CUT, 30000, NULL, 1 }, { layer, FAULT_STATUS, 416, NULL, 1 } };
  memcpy (world->registry->faults, faults, sizeof faults);
  assert_pulled (world);
}

static void
wrong_piece_is_fetched_again_whole (void **state)
{
  World *world = *state;
  g_autofree char *layer = hex_of (&world->layer);
  const Fault faults[]
      = { { layer, FAULT_CUT, 30000, NULL, 1 }, { layer, FAULT_GARBLE, 0, NULL, 1 } };
  memcpy (world->registry->faults, faults, sizeof faults);
  assert_pulled (world);
}

static void
resumed_by_the_next_pull (void **state)
{
  World *world = *state;
  g_autofree char *layer = hex_of (&world->layer);
  g_autoptr (GError) error = NULL;
  const Fault faults[]
      = { { layer, FAULT_CUT, 40000, NULL, 1 }, { layer, FAULT_DROP, 0, NULL, -1 } };
  memcpy (world->registry->faults, faults, sizeof faults);
  assert_false (pull (world, &world->image, NULL, NULL, &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_UNREACHABLE));
  assert_false (rp_store_verify (world->store, &world->image, NULL)); /* nothing half-complete */
  guint before = world->registry->requests->len;
  memset (world->registry->faults, 0, sizeof world->registry->faults);
  assert_pulled (world);
  g_autofree char *range = g_strconcat (layer, " 40000-", NULL);
  assert_int_equal (count_requests (world, range), 5 + 1); /* as often as it was tried, and now */
  assert_true (world->registry->requests->len > before);
}

static void
busy_servers_are_asked_later (void **state)
{
  World *world = *state;
  g_autofree char *layer = hex_of (&world->layer);
  const Fault faults[] = {
    { "manifests", FAULT_STATUS, 429, "Retry-After: 0\r\n", 2 },
    { layer, FAULT_STATUS, 503, "Retry-After: 0\r\n", 2 },
    { layer, FAULT_STATUS, 502, NULL, 1 },
    { layer, FAULT_STATUS, 503, "Retry-After: Tue, 01 Jan 2019 00:00:00 GMT\r\n", 1 },
  };
  memcpy (world->registry->faults, faults, sizeof faults);
  assert_pulled (world);
}

static void
retry_after_is_honoured (void **state)
{
  World *world = *state;
  world->registry->faults[0] = (Fault){ "manifests", FAULT_STATUS, 503, "Retry-After: 1\r\n", 1 };
  gint64 start = g_get_monotonic_time ();
  assert_pulled (world);
  assert_true (g_get_monotonic_time () - start >= G_USEC_PER_SEC); /* never sooner */
}

static void
patience_has_an_end (void **state)
{
  static const struct {
    Fault fault;
    RpErrorCode code;
  } cases[] = {
    { { "manifests", FAULT_DROP, 0, NULL, -1 }, RP_ERROR_UNREACHABLE },
    { { "manifests", FAULT_STATUS, 429, "Retry-After: 0\r\n", -1 }, RP_ERROR_TOO_MANY },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      World *world = *state;
      g_autoptr (GError) error = NULL;
      world->registry->faults[0] = cases[i].fault;
      assert_false (pull (world, &world->image, NULL, NULL, &error));
      if (!g_error_matches (error, RP_ERROR, (int)cases[i].code))
        fail_msg ("%s: %s", rp_error_name (error), error->message);
      assert_int_equal (world->registry->requests->len, 6);
      tear_down (state);
      set_up (state);
    }
}

static void
endless_trickle_has_an_end (void **state)
{
  World *world = *state;
  g_autofree char *layer = hex_of (&world->layer);
  g_autoptr (GError) error = NULL;
  world->registry->faults[0] = (Fault){ layer, FAULT_CUT, 1, NULL, -1 };
  assert_false (pull (world, &world->image, NULL, NULL, &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_UNREACHABLE));
  assert_int_equal (count_requests (world, layer), 64);
}

static void
nobody_there (void **state)
{
  World *world = *state;
  g_autoptr (GError) error = NULL;
  peer_stop (g_steal_pointer (&world->registry->peer));
  assert_false (pull (world, &world->image, NULL, NULL, &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_UNREACHABLE));
  assert_non_null (strstr (error->message, "pulling " REPOSITORY "@sha256:"));
}

static void
cancelled_at_once (void **state)
{
  World *world = *state;
  g_autofree char *layer = hex_of (&world->layer);
  g_autoptr (GError) error = NULL;
  world->registry->faults[0] = (Fault){ layer, FAULT_CANCEL, 5, NULL, -1 };
  assert_false (pull (world, &world->image, NULL, NULL, &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_BUSY));
  assert_non_null (strstr (error->message, "cancelled"));
  assert_int_equal (count_requests (world, layer), 1);
}

/* ---- wrong bytes ---- */

static void
lies (void **state)
{
  static const struct {
    const char *on; /* NULL: the big layer */
    FaultKind kind;
    gssize amount;
    RpErrorCode code;
  } cases[] = {
    { NULL, FAULT_GARBLE, 0, RP_ERROR_DIGEST_MISMATCH },
    { "manifests", FAULT_GARBLE, 0, RP_ERROR_DIGEST_MISMATCH },
    { NULL, FAULT_STATUS, 404, RP_ERROR_BLOB_UNKNOWN },
    { "manifests", FAULT_STATUS, 404, RP_ERROR_MANIFEST_UNKNOWN },
    { NULL, FAULT_STATUS, 403, RP_ERROR_DENIED },
    { NULL, FAULT_STATUS, 204, RP_ERROR_UNREACHABLE },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      World *world = *state;
      g_autofree char *layer = hex_of (&world->layer);
      g_autoptr (GError) error = NULL;
      world->registry->faults[0]
          = (Fault){ cases[i].on ? cases[i].on : layer, cases[i].kind, cases[i].amount, NULL, -1 };
      assert_false (pull (world, &world->image, NULL, NULL, &error));
      if (!g_error_matches (error, RP_ERROR, (int)cases[i].code))
        fail_msg ("case %zu: %s: %s", i, rp_error_name (error), error->message);
      assert_false (rp_store_verify (world->store, &world->image, NULL));
      assert_false (rp_store_verify (world->store, &world->layer, NULL));
      tear_down (state);
      set_up (state);
    }
}

static void
other_sizes_than_told (void **state)
{
  static const gsize sizes[] = { 5, BLOB_BYTES - 1, BLOB_BYTES + 1, 3 * BLOB_BYTES };
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      World *world = *state;
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) other = noise (sizes[i], 1);
      g_autofree char *layer = hex_of (&world->layer);
      g_autofree char *path = g_strconcat ("/v2/" REPOSITORY "/blobs/", layer, NULL);
      registry_set (world->registry, path, "x", other);
      assert_false (pull (world, &world->image, NULL, NULL, &error));
      assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_SIZE_INVALID));
      assert_int_equal (count_requests (world, layer), 1);
      tear_down (state);
      set_up (state);
    }
}

/* ---- damage at home ---- */

static void
damaged_copy_is_replaced (void **state)
{
  World *world = *state;
  g_autofree char *root = g_dir_make_tmp ("repoint-client-XXXXXX", NULL);
  g_autofree char *layer = hex_of (&world->layer);
  const char *hex = strchr (layer, ':') + 1;
  g_autofree char *prefix = g_strndup (hex, 2);
  g_autofree char *path = g_build_filename (root, "blobs", "sha256", prefix, hex, NULL);
  rp_store_close (world->store);
  world->store = rp_store_open (root, NULL);
  assert_pulled (world);
  g_chmod (path, 0644);
  g_assert (g_file_set_contents (path, "rotten", -1, NULL));
  assert_false (rp_store_verify (world->store, &world->layer, NULL));
  assert_pulled (world);
  assert_int_equal (count_requests (world, layer), 2);
  rp_store_close (g_steal_pointer (&world->store));
  assert_true (rp_dir_remove (root, NULL));
}

static void
addresses (void **state)
{
  g_autoptr (GError) error = NULL;
  assert_null (rp_oci_client_new ("127.0.0.1:5000", &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_USAGE));
}

#define CASE(function) cmocka_unit_test_setup_teardown (function, set_up, tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    CASE (whole_closure_once),
    CASE (one_platform_of_an_index),
    cmocka_unit_test (platforms),
    CASE (resolve),
    CASE (broken_transfers_go_on),
    CASE (servers_that_cannot_resume),
    CASE (range_refused),
    CASE (wrong_piece_is_fetched_again_whole),
    CASE (resumed_by_the_next_pull),
    CASE (busy_servers_are_asked_later),
    CASE (retry_after_is_honoured),
    CASE (patience_has_an_end),
    CASE (endless_trickle_has_an_end),
    CASE (nobody_there),
    CASE (cancelled_at_once),
    CASE (lies),
    CASE (other_sizes_than_told),
    CASE (damaged_copy_is_replaced),
    cmocka_unit_test (addresses),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
