#include "oci/manifest.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

static const char *const index_types[] = { RP_MEDIA_OCI_INDEX, RP_MEDIA_DOCKER_LIST, NULL };
static const char *const image_types[] = { RP_MEDIA_OCI_MANIFEST, RP_MEDIA_DOCKER_MANIFEST, NULL };

gboolean
rp_media_type_is_index (const char *media_type)
{
  return media_type && g_strv_contains (index_types, media_type);
}

gboolean
rp_media_type_is_manifest (const char *media_type)
{
  return rp_media_type_is_index (media_type)
         || (media_type && g_strv_contains (image_types, media_type));
}

static void
descriptor_free (gpointer data)
{
  RpDescriptor *descriptor = data;
  g_free (descriptor->media_type);
  g_free (descriptor->platform);
  g_free (descriptor->title);
  g_free (descriptor->reference_type);
  g_free (descriptor->reference_digest);
  g_free (descriptor->predicate_type);
  g_free (descriptor);
}

void
rp_manifest_free (RpManifest *manifest)
{
  if (!manifest)
    return;
  g_free (manifest->media_type);
  g_free (manifest->artifact_type);
  g_free (manifest->annotations_json);
  g_ptr_array_unref (manifest->descriptors);
  g_free (manifest);
}

G_GNUC_PRINTF (2, 3)
static gboolean
invalid (GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_INVALID, "manifest: %s", text);
  return FALSE;
}

static gboolean
is_foreign (const char *media_type)
{
  return strstr (media_type, ".nondistributable.") != NULL
         || strstr (media_type, ".rootfs.foreign.") != NULL;
}

/* ---- descriptors ---- */

/* Copies an optional string field of `object` (NULL object: nothing) to `*out`. */
static gboolean
copy_string (const json_t *object, const char *key, const char *where, char **out, GError **error)
{
  const char *text = NULL;
  if (object && !rp_json_opt_string (object, key, where, &text, error))
    return FALSE;
  *out = g_strdup (text);
  return TRUE;
}

static gboolean
object_or_absent (const json_t *object, const char *key, const char *where, json_t **out,
                  GError **error)
{
  json_t *value = json_object_get (object, key);
  *out = NULL;
  if (!value || json_is_null (value))
    return TRUE;
  return rp_json_need_object (object, key, where, out, error);
}

static gboolean
parse_platform (const json_t *object, const char *where, char **out, GError **error)
{
  json_t *platform = NULL;
  if (!object_or_absent (object, "platform", where, &platform, error))
    return FALSE;
  if (!platform)
    return TRUE;
  const char *os = NULL, *architecture = NULL, *variant = NULL;
  if (!rp_json_opt_string (platform, "os", where, &os, error)
      || !rp_json_opt_string (platform, "architecture", where, &architecture, error)
      || !rp_json_opt_string (platform, "variant", where, &variant, error))
    return FALSE;
  if (os && architecture)
    *out = variant && *variant ? g_strjoin ("/", os, architecture, variant, NULL)
                               : g_strjoin ("/", os, architecture, NULL);
  return TRUE;
}

/* Embedded content must be the content that the digest names: somebody may run it unseen. */
static gboolean
check_data (const json_t *object, const char *where, const RpDescriptor *descriptor, GError **error)
{
  const char *text = NULL;
  if (!rp_json_opt_string (object, "data", where, &text, error))
    return FALSE;
  if (!text)
    return TRUE;
  gsize size = 0;
  g_autofree guchar *data = g_base64_decode (text, &size);
  RpDigest found = rp_digest_of (descriptor->digest.algorithm, data, size);
  if (size == descriptor->size_bytes && rp_digest_equal (&found, &descriptor->digest))
    return TRUE;
  return invalid (error, "%s.data is not the content that digest and size describe", where);
}

static gboolean
fill_descriptor (const json_t *object, const char *where, RpDescriptor *out, GError **error)
{
  const char *media_type, *digest;
  gint64 size;
  json_t *annotations = NULL;
  if (!json_is_object (object))
    return invalid (error, "%s is not an object", where);
  if (!rp_json_need_string (object, "mediaType", where, &media_type, error)
      || !rp_json_need_string (object, "digest", where, &digest, error)
      || !rp_json_need_int (object, "size", where, &size, error))
    return FALSE;
  if (size < 0)
    return invalid (error, "%s.size is negative", where);
  if (!rp_digest_parse (digest, &out->digest, error))
    {
      g_prefix_error (error, "%s.digest: ", where);
      return FALSE;
    }
  out->size_bytes = (guint64)size;
  out->media_type = g_strdup (media_type);
  out->foreign = is_foreign (media_type);
  if (!check_data (object, where, out, error)
      || !parse_platform (object, where, &out->platform, error)
      || !object_or_absent (object, "annotations", where, &annotations, error)
      || !copy_string (annotations, "org.opencontainers.image.title", where, &out->title, error))
    return FALSE;
  out->reference_type = g_strdup (rp_json_str (annotations, "vnd.docker.reference.type"));
  out->reference_digest = g_strdup (rp_json_str (annotations, "vnd.docker.reference.digest"));
  out->predicate_type = g_strdup (rp_json_str (annotations, "in-toto.io/predicate-type"));
  return TRUE;
}

static gboolean
add_descriptor (RpManifest *manifest, const json_t *object, RpDescriptorRole role,
                const char *where, GError **error)
{
  RpDescriptor *descriptor = g_new0 (RpDescriptor, 1);
  descriptor->role = role;
  g_ptr_array_add (manifest->descriptors, descriptor);
  if (!fill_descriptor (object, where, descriptor, error))
    return FALSE;
  /* An index may also list things that are not manifests; those are plain blobs. */
  if (role == RP_DESCRIPTOR_MANIFEST && !rp_media_type_is_manifest (descriptor->media_type))
    descriptor->role = RP_DESCRIPTOR_LAYER;
  return TRUE;
}

/* A list that is null is an empty list: that is how Go prints a slice that was never filled. */
static gboolean
add_descriptors (RpManifest *manifest, const json_t *root, const char *key, RpDescriptorRole role,
                 GError **error)
{
  json_t *list = json_object_get (root, key);
  if (list && json_is_null (list))
    return TRUE;
  if (!rp_json_need_array (root, key, "manifest", &list, error))
    return FALSE;
  for (gsize i = 0; i < json_array_size (list); i++)
    {
      g_autofree char *where = g_strdup_printf ("%s[%zu]", key, i);
      if (!add_descriptor (manifest, json_array_get (list, i), role, where, error))
        return FALSE;
    }
  return TRUE;
}

/* ---- the whole ---- */

static gboolean
check_schema_version (const json_t *root, GError **error)
{
  gint64 version;
  if (!rp_json_need_int (root, "schemaVersion", "manifest", &version, error))
    return FALSE;
  if (version == 2)
    return TRUE;
  if (version == 1)
    return invalid (error, "schemaVersion 1 is not supported; push the image again with a client "
                           "of this decade (docker, podman, skopeo), which uses version 2");
  return invalid (error, "schemaVersion is %" G_GINT64_FORMAT ", expected 2", version);
}

/* `application/json; charset=utf-8` → `application/json` */
static char *
bare_media_type (const char *content_type)
{
  char *bare = g_strndup (content_type, strcspn (content_type, ";"));
  return g_strstrip (bare);
}

static gboolean
decide_media_type (const json_t *root, const char *content_type, char **out, GError **error)
{
  const char *own = NULL;
  g_autofree char *told = content_type ? bare_media_type (content_type) : NULL;
  if (!rp_json_opt_string (root, "mediaType", "manifest", &own, error))
    return FALSE;
  if (own && told && !g_str_equal (own, told))
    return invalid (error, "it says mediaType \"%s\" but was sent as \"%s\"; the two must agree",
                    own, told);
  const char *guess
      = json_object_get (root, "manifests") ? RP_MEDIA_OCI_INDEX : RP_MEDIA_OCI_MANIFEST;
  const char *type = own ? own : told ? told : guess;
  if (!rp_media_type_is_manifest (type))
    return invalid (error,
                    "media type \"%s\" is not one of OCI image manifest, OCI index, Docker "
                    "manifest v2 and Docker manifest list",
                    type);
  *out = g_strdup (type);
  return TRUE;
}

/* A document that reads as an index to one client and as an image to another is an attack. */
static gboolean
check_unambiguous (const json_t *root, gboolean is_index, GError **error)
{
  static const char *const of_image[] = { "config", "layers", NULL };
  static const char *const of_index[] = { "manifests", NULL };
  for (const char *const *key = is_index ? of_image : of_index; *key; key++)
    if (json_object_get (root, *key))
      return invalid (error, "an %s must not have \"%s\"", is_index ? "index" : "image manifest",
                      *key);
  return TRUE;
}

static gboolean
parse_descriptors (RpManifest *manifest, const json_t *root, GError **error)
{
  if (manifest->is_index)
    return add_descriptors (manifest, root, "manifests", RP_DESCRIPTOR_MANIFEST, error);
  json_t *config;
  if (!rp_json_need_object (root, "config", "manifest", &config, error)
      || !add_descriptor (manifest, config, RP_DESCRIPTOR_CONFIG, "config", error))
    return FALSE;
  if (!json_object_get (root, "layers"))
    return TRUE; /* an artifact that is all annotations */
  return add_descriptors (manifest, root, "layers", RP_DESCRIPTOR_LAYER, error);
}

static gboolean
parse_subject (RpManifest *manifest, const json_t *root, GError **error)
{
  json_t *subject = NULL;
  const char *digest;
  if (!object_or_absent (root, "subject", "manifest", &subject, error))
    return FALSE;
  if (!subject)
    return TRUE;
  if (!rp_json_need_string (subject, "digest", "subject", &digest, error)
      || !rp_digest_parse (digest, &manifest->subject, error))
    return FALSE;
  manifest->has_subject = TRUE;
  return TRUE;
}

static gboolean
parse_annotations (RpManifest *manifest, const json_t *root, GError **error)
{
  json_t *annotations = NULL, *value;
  const char *key;
  if (!object_or_absent (root, "annotations", "manifest", &annotations, error))
    return FALSE;
  if (!annotations)
    {
      manifest->annotations_json = g_strdup ("{}");
      return TRUE;
    }
  json_object_foreach (annotations, key, value) if (!json_is_string (value)) return invalid (
      error, "annotations.%s is not a string", key);
  manifest->annotations_json = rp_json_canonical (annotations);
  return TRUE;
}

static gboolean
parse_artifact_type (RpManifest *manifest, const json_t *root, GError **error)
{
  if (!copy_string (root, "artifactType", "manifest", &manifest->artifact_type, error))
    return FALSE;
  if (manifest->artifact_type && !*manifest->artifact_type)
    g_clear_pointer (&manifest->artifact_type, g_free);
  if (!manifest->artifact_type && !manifest->is_index)
    {
      const RpDescriptor *config = g_ptr_array_index (manifest->descriptors, 0);
      manifest->artifact_type = g_strdup (config->media_type);
    }
  return TRUE;
}

static gboolean
fill_manifest (RpManifest *manifest, const json_t *root, const char *media_type, GError **error)
{
  if (!json_is_object (root))
    return invalid (error, "it is not a JSON object");
  if (!check_schema_version (root, error)
      || !decide_media_type (root, media_type, &manifest->media_type, error))
    return FALSE;
  manifest->is_index = rp_media_type_is_index (manifest->media_type);
  return check_unambiguous (root, manifest->is_index, error)
         && parse_descriptors (manifest, root, error) && parse_subject (manifest, root, error)
         && parse_annotations (manifest, root, error)
         && parse_artifact_type (manifest, root, error);
}

RpManifest *
rp_manifest_parse (const void *data, gsize size, const char *media_type, GError **error)
{
  if (size > RP_MANIFEST_LIMIT)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "manifest of %zu bytes is too large: at most %d are read", size,
                   RP_MANIFEST_LIMIT);
      return NULL;
    }
  g_autoptr (GError) local = NULL;
  g_autoptr (RpManifest) manifest = g_new0 (RpManifest, 1);
  manifest->descriptors = g_ptr_array_new_with_free_func (descriptor_free);
  g_autoptr (json_t) root = rp_json_parse (data, size, "manifest", &local);
  if (root && fill_manifest (manifest, root, media_type, &local))
    return g_steal_pointer (&manifest);
  /* Whatever field it was: to a client the manifest is invalid. */
  g_set_error_literal (error, RP_ERROR, RP_ERROR_MANIFEST_INVALID, local->message);
  return NULL;
}
