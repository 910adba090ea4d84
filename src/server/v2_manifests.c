#include <string.h>

#include "base/clock.h"
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
find_manifest (RpRequest *request, gint64 seq, const char *repository, const char *reference,
               RpManifestInfo *out, GBytes **out_bytes, GError **error)
{
  RpServer *server = rp_request_server (request);

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
  RpServer *server = rp_request_server (request);
  gint64 seq = rp_server_ledger_seq (server);
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  GError *local = NULL;
  gboolean is_digest;
  guint64 size;

  if (repository == NULL || !check_asked (reference, &is_digest, error))
    return FALSE;
  if (rp_proxy_asks_first (request, repository, reference))
    return TRUE;
  if (!find_manifest (request, seq, repository, reference, &info, &bytes, &local))
    return rp_proxy_missed (request, RP_FLIGHT_MANIFEST, repository, reference, local, &size, error)
           == RP_PROXY_AWAY;
  rp_proxy_served (request, repository, reference);
  rp_v2_digest_header (request, "Docker-Content-Digest", &info.digest);
  if (!request->is_head)
    rp_pulls_note (rp_request_services (request)->retention, repository, &info.digest,
                   rp_clock_now_us ());
  if (rp_v2_not_modified (request, &info.digest, is_digest))
    {
      rp_respond_empty (request, 304);
      return TRUE;
    }
  rp_respond_bytes (request, 200, info.media_type, bytes);
  if (!rp_proxy_is_proxied (server->proxy, repository))
    rp_request_keep_answer (request, seq);
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

/* Does `tag` stand in the way of `pushed`?  *out_existing is what it names (g_free()), NULL for one
 * that is free, or burnt. */
static gboolean
is_in_the_way (RpRegistry *registry, const char *repository, const char *tag,
               const RpDigest *pushed, char **out_existing)
{
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GError) local = NULL;
  gboolean may_move = FALSE;

  *out_existing = NULL;
  if (!rp_registry_manifest_get (registry, repository, tag, &info, NULL, &local))
    return TRUE;
  if (rp_digest_equal (&info.digest, pushed)
      || !rp_registry_tag_may_move (registry, repository, tag, &may_move, &local) || may_move)
    return FALSE;
  *out_existing = rp_digest_to_string (&info.digest);
  return TRUE;
}

/* {"tag", "existing"?, "pushed"}: one that names something else before one that is burnt. */
static json_t *
describe_conflict (RpRequest *request, const char *repository, const char *const *tags,
                   const RpDigest *pushed)
{
  RpRegistry *registry = rp_request_services (request)->registry;
  char text[RP_DIGEST_STRING_SIZE];
  json_t *detail = json_object ();

  json_object_set_new (detail, "pushed", json_string (rp_digest_format (pushed, text)));
  for (; *tags != NULL && json_object_get (detail, "existing") == NULL; tags++)
    {
      g_autofree char *existing = NULL;

      if (!is_in_the_way (registry, repository, *tags, pushed, &existing))
        continue;
      json_object_set_new (detail, "tag", json_string (*tags));
      if (existing != NULL)
        json_object_set_new (detail, "existing", json_string (existing));
    }
  return detail;
}

static gboolean
explain_put (RpRequest *request, const char *repository, const char *reference,
             const GPtrArray *tags, GError *cause, GError **error)
{
  gsize size;
  const void *data = g_bytes_get_data (rp_request_body (request), &size);
  const char *const one[] = { reference, NULL };
  RpDigest pushed = rp_digest_of (RP_DIGEST_SHA256, data, size);

  if (!g_error_matches (cause, RP_ERROR, RP_ERROR_TAG_IMMUTABLE)
      || (tags->len > 0 && !rp_digest_parse (reference, &pushed, NULL)))
    return rp_v2_refused (request, cause, NULL, error);
  return rp_v2_refused (request, cause,
                        describe_conflict (request, repository,
                                           tags->len > 0 ? (const char *const *) tags->pdata : one,
                                           &pushed),
                        error);
}

gboolean
rp_v2_manifest_put (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_pushed_repository (request, error);
  const char *reference = rp_request_param (request, "reference");
  g_autoptr (GPtrArray) tags = rp_request_query_all (request, "tag");
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GError) local = NULL;
  char text[RP_DIGEST_STRING_SIZE];
  gboolean is_digest;

  if (repository == NULL || !check_reference (reference, &is_digest, error))
    return FALSE;
  if (tags->len > 0 ? !put_tags (request, repository, reference, tags, &info, &local)
                    : !put_one (request, repository, reference, &info, &local))
    return explain_put (request, repository, reference, tags, g_steal_pointer (&local), error);
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
