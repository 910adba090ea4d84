#include "oci/manifest.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* The empty JSON object and its digest, as image-spec's "empty descriptor" has it. */
#define EMPTY_DIGEST "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define EMPTY "\"digest\":\"" EMPTY_DIGEST "\",\"size\":2"
#define CONFIG "{\"mediaType\":\"application/vnd.oci.image.config.v1+json\"," EMPTY "}"
#define LAYER "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\"," EMPTY "}"
#define IMAGE(more) "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER "]" more "}"
#define CHILD(more) "{\"mediaType\":\"" RP_MEDIA_OCI_MANIFEST "\"," EMPTY more "}"
#define INDEX(children) "{\"schemaVersion\":2,\"manifests\":[" children "]}"

static RpManifest *
parse (const char *text, const char *media_type)
{
  g_autoptr (GError) error = NULL;
  RpManifest *manifest = rp_manifest_parse (text, strlen (text), media_type, &error);
  if (!manifest)
    fail_msg ("%s", error->message);
  return manifest;
}

static void
image (void **state)
{
  g_autoptr (RpManifest) manifest
      = parse (IMAGE (",\"annotations\":{\"b\":\"2\",\"a\":\"1\"},\"custom\":[1]"),
               RP_MEDIA_OCI_MANIFEST "; charset=utf-8");
  assert_false (manifest->is_index);
  assert_string_equal (manifest->media_type, RP_MEDIA_OCI_MANIFEST);
  assert_string_equal (manifest->artifact_type, "application/vnd.oci.image.config.v1+json");
  assert_string_equal (manifest->annotations_json, "{\"a\":\"1\",\"b\":\"2\"}");
  assert_false (manifest->has_subject);
  assert_int_equal (manifest->descriptors->len, 2);
  const RpDescriptor *config = g_ptr_array_index (manifest->descriptors, 0);
  const RpDescriptor *layer = g_ptr_array_index (manifest->descriptors, 1);
  assert_int_equal (config->role, RP_DESCRIPTOR_CONFIG);
  assert_int_equal (layer->role, RP_DESCRIPTOR_LAYER);
  assert_int_equal (layer->size_bytes, 2);
  g_autofree char *digest = rp_digest_to_string (&layer->digest);
  assert_string_equal (digest, EMPTY_DIGEST);
}

static void
image_index (void **state)
{
  g_autoptr (RpManifest) manifest = parse (
      INDEX (CHILD (",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"}")
             "," CHILD ("") ",{\"mediaType\":\"text/plain\"," EMPTY "}"),
      RP_MEDIA_OCI_INDEX);
  assert_true (manifest->is_index);
  assert_null (manifest->artifact_type);
  const RpDescriptor *first = g_ptr_array_index (manifest->descriptors, 0);
  const RpDescriptor *second = g_ptr_array_index (manifest->descriptors, 1);
  const RpDescriptor *third = g_ptr_array_index (manifest->descriptors, 2);
  assert_string_equal (first->platform, "linux/arm64/v8");
  assert_int_equal (first->role, RP_DESCRIPTOR_MANIFEST);
  assert_null (second->platform);
  assert_int_equal (third->role, RP_DESCRIPTOR_LAYER);
}

static void
media_types (void **state)
{
  static const struct {
    const char *text, *sent_as, *taken_as;
  } cases[] = {
    { IMAGE (""), NULL, RP_MEDIA_OCI_MANIFEST },
    { IMAGE (""), RP_MEDIA_DOCKER_MANIFEST, RP_MEDIA_DOCKER_MANIFEST },
    { IMAGE (",\"mediaType\":\"" RP_MEDIA_DOCKER_MANIFEST "\""), NULL, RP_MEDIA_DOCKER_MANIFEST },
    { INDEX (""), NULL, RP_MEDIA_OCI_INDEX },
    { INDEX (""), RP_MEDIA_DOCKER_LIST, RP_MEDIA_DOCKER_LIST },
    { "{\"schemaVersion\":2,\"manifests\":null}", RP_MEDIA_OCI_INDEX, RP_MEDIA_OCI_INDEX },
    { "{\"schemaVersion\":2,\"layers\":null,\"config\":" CONFIG "}", NULL, RP_MEDIA_OCI_MANIFEST },
    { "{\"schemaVersion\":2,\"config\":" CONFIG "}", NULL, RP_MEDIA_OCI_MANIFEST },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (RpManifest) manifest = parse (cases[i].text, cases[i].sent_as);
    assert_string_equal (manifest->media_type, cases[i].taken_as);
  }
  assert_true (rp_media_type_is_index (RP_MEDIA_DOCKER_LIST));
  assert_false (rp_media_type_is_index (RP_MEDIA_OCI_MANIFEST));
  assert_true (rp_media_type_is_manifest (RP_MEDIA_OCI_INDEX));
  assert_false (rp_media_type_is_manifest ("application/json"));
  assert_false (rp_media_type_is_manifest (NULL));
}

static void
extras (void **state)
{
  g_autoptr (RpManifest) subject
      = parse (IMAGE (",\"subject\":" CHILD ("") ",\"artifactType\":\"x/y\""), NULL);
  assert_true (subject->has_subject);
  assert_string_equal (subject->artifact_type, "x/y");

  g_autoptr (RpManifest) foreign = parse (
      "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[{\"mediaType\":"
      "\"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip\"," EMPTY "},{\"mediaType\":"
      "\"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\"," EMPTY "}," LAYER "]}",
      NULL);
  for (guint i = 0; i < 4; i++) {
    const RpDescriptor *descriptor = g_ptr_array_index (foreign->descriptors, i);
    assert_int_equal (descriptor->foreign, i == 1 || i == 2);
  }

  g_autoptr (RpManifest) titled
      = parse (INDEX (CHILD (",\"annotations\":{\"org.opencontainers.image.title\":\"a.txt\"}")),
               NULL);
  const RpDescriptor *child = g_ptr_array_index (titled->descriptors, 0);
  assert_string_equal (child->title, "a.txt");

  /* `e30=` is `{}` */
  g_autoptr (RpManifest) data = parse (INDEX (CHILD (",\"data\":\"e30=\"")), NULL);
  assert_int_equal (data->descriptors->len, 1);
}

static void
bad (void **state)
{
  static const struct {
    const char *text, *sent_as, *says;
  } cases[] = {
    { "", NULL, "manifest" },
    { "[]", NULL, "not a JSON object" },
    { "{\"schemaVersion\":2", NULL, "manifest" },
    { "{}", NULL, "schemaVersion" },
    { "{\"schemaVersion\":1}", NULL, "schemaVersion 1 is not supported" },
    { "{\"schemaVersion\":3}", NULL, "expected 2" },
    { "{\"schemaVersion\":\"2\"}", NULL, "schemaVersion" },
    { "{\"schemaVersion\":2}", NULL, "config" },
    { "{\"schemaVersion\":2}", RP_MEDIA_OCI_INDEX, "manifests" },
    { IMAGE (""), "application/json", "media type \"application/json\"" },
    { IMAGE (""), RP_MEDIA_OCI_INDEX, "must not have \"config\"" },
    { IMAGE (",\"manifests\":[]"), RP_MEDIA_OCI_MANIFEST, "must not have \"manifests\"" },
    { IMAGE (",\"mediaType\":\"" RP_MEDIA_DOCKER_MANIFEST "\""), RP_MEDIA_OCI_MANIFEST,
      "must agree" },
    { IMAGE (",\"mediaType\":7"), NULL, "mediaType" },
    { IMAGE (",\"annotations\":{\"a\":1}"), NULL, "annotations.a" },
    { IMAGE (",\"annotations\":[]"), NULL, "annotations" },
    { IMAGE (",\"subject\":{\"digest\":\"sha256:1\"}"), NULL, "sha256" },
    { INDEX ("1"), NULL, "manifests[0]" },
    { INDEX ("{\"mediaType\":\"x\",\"digest\":\"" EMPTY_DIGEST "\"}"), NULL, "size" },
    { INDEX ("{\"mediaType\":\"x\",\"size\":2}"), NULL, "digest" },
    { INDEX ("{\"digest\":\"" EMPTY_DIGEST "\",\"size\":2}"), NULL, "mediaType" },
    { INDEX ("{\"mediaType\":\"x\",\"digest\":\"" EMPTY_DIGEST "\",\"size\":-1}"), NULL,
      "negative" },
    { INDEX ("{\"mediaType\":\"x\",\"digest\":\"md5:00\",\"size\":1}"), NULL,
      "manifests[0].digest" },
    { INDEX (CHILD (",\"data\":\"e30x\"")), NULL, "manifests[0].data" },
    { INDEX (CHILD (",\"platform\":3")), NULL, "platform" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (RpManifest) manifest
        = rp_manifest_parse (cases[i].text, strlen (cases[i].text), cases[i].sent_as, &error);
    if (manifest)
      fail_msg ("taken: %s", cases[i].text);
    assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_MANIFEST_INVALID));
    if (!strstr (error->message, cases[i].says))
      fail_msg ("\"%s\" does not say \"%s\"", error->message, cases[i].says);
  }
}

static void
too_large (void **state)
{
  g_autoptr (GError) error = NULL;
  gsize size = RP_MANIFEST_LIMIT + 1;
  g_autofree char *text = g_strnfill (size, ' ');
  assert_null (rp_manifest_parse (text, size, NULL, &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_TOO_LARGE));
}

/* Every prefix of a good manifest is refused, and no byte is read beyond its end. */
static void
truncated (void **state)
{
  const char *text = IMAGE (",\"annotations\":{\"a\":\"1\"}");
  for (gsize size = 0; size < strlen (text); size++) {
    g_autofree char *part = g_memdup2 (text, size);
    assert_null (rp_manifest_parse (part, size, NULL, NULL));
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (image),  cmocka_unit_test (image_index), cmocka_unit_test (media_types),
    cmocka_unit_test (extras), cmocka_unit_test (bad),         cmocka_unit_test (too_large),
    cmocka_unit_test (truncated),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
