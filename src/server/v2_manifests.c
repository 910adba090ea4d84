#include <string.h>

#include "base/error.h"
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

/* What can be no tag names nothing: not there, like any other. */
static gboolean
check_asked (const char *reference, gboolean *out_is_digest, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (check_reference (reference, out_is_digest, &local))
    return TRUE;
  if (*out_is_digest)
    g_propagate_error (error, g_steal_pointer (&local));
  else
    g_set_error_literal (error, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN, local->message);
  return FALSE;
}

gboolean
rp_v2_manifest_get (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  const char *reference = rp_request_param (request, "reference");
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  gboolean is_digest;

  if (repository == NULL || !check_asked (reference, &is_digest, error)
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

/* PUT …/manifests/DIGEST?tag=a&tag=b gives all tags or none. */
static gboolean
put_tags (RpRequest *request, const char *repository, const char *reference, GPtrArray *tags,
          RpManifestInfo *out, GError **error)
{
  gsize size;
  const void *data = g_bytes_get_data (rp_request_body (request), &size);
  RpDigest digest;

  if (tags->len > TAGS_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LONG, "%u tags at once; at most %d are taken",
                   tags->len, TAGS_MAX);
      return FALSE;
    }
  if (!rp_digest_parse (reference, &digest, error))
    return FALSE;
  g_ptr_array_add (tags, NULL);
  if (!rp_registry_manifest_put_tags (rp_request_services (request)->registry, repository, &digest,
                                      (const char *const *) tags->pdata,
                                      rp_request_header (request, "Content-Type"), data, size,
                                      rp_request_actor (request), out, error))
    return FALSE;
  for (guint i = 0; tags->pdata[i] != NULL; i++)
    rp_respond_header (request, "OCI-Tag", tags->pdata[i]);
  return TRUE;
}

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
  if (tags->len > 0 ? !put_tags (request, repository, reference, tags, &info, error)
                    : !put_one (request, repository, reference, &info, error))
    return FALSE;
  rp_v2_location (request, repository, "manifests", rp_digest_format (&info.digest, text));
  rp_v2_digest_header (request, "Docker-Content-Digest", &info.digest);
  if (info.has_subject)
    rp_v2_digest_header (request, "OCI-Subject", &info.subject);
  rp_respond_empty (request, 201);
  return TRUE;
}

/* ---- DELETE ---- */

gboolean
rp_v2_manifest_delete (RpRequest *request, GError **error)
{
  RpRegistry *registry = rp_request_services (request)->registry;
  const char *repository = rp_v2_repository (request, error);
  const char *reference = rp_request_param (request, "reference");
  const char *actor = rp_request_actor (request);
  g_autoptr (GError) local = NULL;
  json_t *detail = NULL;
  gboolean is_digest, ok;
  RpDigest digest;

  if (repository == NULL || !check_asked (reference, &is_digest, error))
    return FALSE;
  if (!is_digest)
    ok = rp_registry_tag_delete (registry, repository, reference, actor, &local);
  else
    ok = rp_digest_parse (reference, &digest, &local)
         && rp_registry_manifest_delete (registry, repository, &digest, actor, &detail, &local);
  if (!ok)
    return rp_v2_refused (request, g_steal_pointer (&local), detail, error);
  rp_respond_empty (request, 202);
  return TRUE;
}
