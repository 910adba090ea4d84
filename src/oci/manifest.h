/* Manifests and indexes (OCI image-spec 1.1 manifest.md and image-index.md; Docker image manifest v2,
 * schema 2, and manifest list).  Parsers take bytes, keep nothing of them, and are fuzzed.
 */
#pragma once

#include "base/digest.h"

#define RP_MANIFEST_LIMIT (8 * 1024 * 1024) /* bytes; larger is RP_ERROR_TOO_LARGE */

#define RP_MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define RP_MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define RP_MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define RP_MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"

typedef enum {
  RP_DESCRIPTOR_MANIFEST, /* child of an index */
  RP_DESCRIPTOR_CONFIG,
  RP_DESCRIPTOR_LAYER
} RpDescriptorRole;

typedef struct {
  RpDescriptorRole role;
  char *media_type;
  RpDigest digest;
  guint64 size_bytes;
  char *platform;       /* `linux/arm64/v8`, or NULL */
  char *title;          /* org.opencontainers.image.title, or NULL */
  char *reference_type;   /* BuildKit's vnd.docker.reference.type, or NULL */
  char *reference_digest; /* and .digest: what an attestation is about, unchecked, or NULL */
  char *predicate_type;   /* in-toto.io/predicate-type, or NULL */
  gboolean foreign;     /* non-distributable layer, whose bytes may be elsewhere */
} RpDescriptor;

typedef struct {
  char *media_type;
  char *artifact_type; /* artifactType, else config.mediaType of an image manifest; NULL for an index without */
  gboolean is_index;
  GPtrArray *descriptors; /* RpDescriptor: children, or config and then layers in order */
  gboolean has_subject;
  RpDigest subject;
  char *annotations_json; /* "{}" if none */
} RpManifest;

/* `media_type` is the Content-Type (parameters ignored), or NULL to take the body's own; they must not
 * contradict.  RP_ERROR_MANIFEST_INVALID says which field is wrong. */
RpManifest *rp_manifest_parse (const void *data, gsize size, const char *media_type, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_manifest_free (RpManifest *manifest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpManifest, rp_manifest_free)
gboolean rp_media_type_is_index (const char *media_type);
gboolean rp_media_type_is_manifest (const char *media_type); /* of any of the four */
