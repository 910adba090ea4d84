#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "oci/reference.h"
#include "server/parts.h"
#include "server/v2.h"

#define TAGS_MAX 32 /* in one request */

static gboolean
check_reference (const char *reference, gboolean *out_is_digest, GError **error)
{
  RpDigest digest;

  *out_is_digest = strchr (reference, ':') != NULL;
  if (*out_is_digest)
    return rp_digest_parse (reference, &digest, error);
  return rp_tag_check (reference, error);
}

/* HEAD could do without the bytes, but who asks by HEAD mostly asks by GET next. */
static gboolean
find_manifest (RpRequest *request, const char *repository, const char *reference,
               RpManifestInfo *out, GBytes **out_bytes, GError **error)
{
  RpServer *server = rp_request_server (request);
  gint64 seq = rp_server_ledger_seq (server);

  if (rp_manifest_cache_get (server->manifests, seq, repository, reference, out, out_bytes))
    return TRUE;
  if (!rp_registry_manifest_get (server->services.registry, repository, reference, out, out_bytes,
                                 error))
    return FALSE;
  rp_manifest_cache_put (server->manifests, seq, repository, reference, out, *out_bytes);
  return TRUE;
}

gboolean
rp_v2_manifest_get (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  const char *reference = rp_request_param (request, "reference");
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  gboolean is_digest;

  if (repository == NULL || !check_reference (reference, &is_digest, error)
      || !find_manifest (request, repository, reference, &info, &bytes, error))
    return FALSE;
  rp_v2_digest_header (request, "Docker-Content-Digest", &info.digest);
  if (rp_v2_not_modified (request, &info.digest, is_digest))
    rp_respond_empty (request, 304);
  else
    rp_respond_bytes (request, 200, info.media_type, bytes);
  return TRUE;
}

/* ---- PUT ---- */

static gboolean
put_one (RpRequest *request, const char *repository, const char *reference, RpManifestInfo *out,
         GError **error)
{
  gsize size;
  const void *data = g_bytes_get_data (rp_request_body (request), &size);

  return rp_registry_manifest_put (rp_request_services (request)->registry, repository, reference,
                                   rp_request_header (request, "Content-Type"), data, size,
                                   rp_request_actor (request), out, error);
}

/* Whether every tag of `tags` could be given to `digest`: asked first, so that a refusal leaves
 * none given. */
static gboolean
check_tags (RpRequest *request, const char *repository, GPtrArray *tags, const RpDigest *digest,
            GError **error)
{
  RpRegistry *registry = rp_request_services (request)->registry;

  if (tags->len > TAGS_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%u tags at once; at most %d are taken",
                   tags->len, TAGS_MAX);
      return FALSE;
    }
  for (guint i = 0; i < tags->len; i++)
    {
      g_auto (RpManifestInfo) info = { 0 };
      g_autoptr (GError) unknown = NULL;
      if (!rp_tag_check (tags->pdata[i], error))
        return FALSE;
      if (rp_registry_manifest_get (registry, repository, tags->pdata[i], &info, NULL, &unknown)
          && !rp_digest_equal (&info.digest, digest))
        {
          char text[RP_DIGEST_STRING_SIZE];
          g_set_error (error, RP_ERROR, RP_ERROR_TAG_IMMUTABLE,
                       "tag %s of %s already names %s and tags are write-once; none of the tags "
                       "was given; push under a new tag",
                       (const char *) tags->pdata[i], repository,
                       rp_digest_format (&info.digest, text));
          return FALSE;
        }
    }
  return TRUE;
}

/* PUT …/manifests/DIGEST?tag=a&tag=b */
static gboolean
put_tags (RpRequest *request, const char *repository, GPtrArray *tags, GError **error)
{
  for (guint i = 0; i < tags->len; i++)
    {
      g_auto (RpManifestInfo) info = { 0 };
      if (!put_one (request, repository, tags->pdata[i], &info, error))
        return FALSE;
      rp_respond_header (request, "OCI-Tag", tags->pdata[i]);
    }
  return TRUE;
}

gboolean
rp_v2_manifest_put (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  const char *reference = rp_request_param (request, "reference");
  g_autoptr (GPtrArray) tags = rp_request_query_all (request, "tag");
  g_auto (RpManifestInfo) info = { 0 };
  char text[RP_DIGEST_STRING_SIZE];
  gboolean is_digest;

  if (repository == NULL || !check_reference (reference, &is_digest, error))
    return FALSE;
  if (tags->len > 0)
    {
      RpDigest digest;
      if (!rp_digest_parse (reference, &digest, error)
          || !check_tags (request, repository, tags, &digest, error))
        return FALSE;
    }
  if (!put_one (request, repository, reference, &info, error)
      || !put_tags (request, repository, tags, error))
    return FALSE;
  rp_v2_location (request, repository, "manifests", rp_digest_format (&info.digest, text));
  rp_v2_digest_header (request, "Docker-Content-Digest", &info.digest);
  if (info.has_subject)
    rp_v2_digest_header (request, "OCI-Subject", &info.subject);
  rp_respond_empty (request, 201);
  return TRUE;
}

/* ---- lists ---- */

/* Answers `list`, whose `key` holds at most `limit` names, with a link to what comes after. `n=0`
 * asks for nothing and gets no link, or a client would go round for ever. */
static void
respond_page (RpRequest *request, json_t *list, const char *key, gint64 limit, gboolean more)
{
  const json_t *names = json_object_get (list, key);
  gsize count = json_array_size (names);

  if (more && limit > 0 && count > 0)
    rp_v2_next_link (request, limit, json_string_value (json_array_get (names, count - 1)));
  rp_respond_json (request, 200, list);
}

gboolean
rp_v2_tags (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  gboolean more = FALSE;
  gint64 limit;
  json_t *list;

  if (repository == NULL || !rp_v2_limit (request, &limit, error))
    return FALSE;
  list = rp_registry_tags (rp_request_services (request)->registry, repository, limit,
                           rp_request_query (request, "last"), &more, error);
  if (list == NULL)
    return FALSE;
  respond_page (request, list, "tags", limit, more);
  return TRUE;
}

gboolean
rp_v2_catalog (RpRequest *request, GError **error)
{
  gboolean more = FALSE;
  gint64 limit;
  json_t *list;

  if (!rp_v2_limit (request, &limit, error))
    return FALSE;
  list = rp_registry_catalog (rp_request_services (request)->registry, limit,
                              rp_request_query (request, "last"), &more, error);
  if (list == NULL)
    return FALSE;
  respond_page (request, list, "repositories", limit, more);
  return TRUE;
}

gboolean
rp_v2_referrers (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  const char *artifact_type = rp_request_query (request, "artifactType");
  RpDigest digest;
  json_t *index;

  if (repository == NULL || !rp_v2_digest_param (request, &digest, error))
    return FALSE;
  index = rp_registry_referrers (rp_request_services (request)->registry, repository, &digest,
                                 artifact_type, error);
  if (index == NULL)
    return FALSE;
  rp_respond_header (request, "Content-Type", RP_MEDIA_OCI_INDEX);
  if (artifact_type != NULL)
    rp_respond_header (request, "OCI-Filters-Applied", "artifactType");
  rp_respond_json (request, 200, index);
  return TRUE;
}
