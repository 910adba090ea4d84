#include "server/v2.h"

#include <string.h>

#include "base/error.h"
#include "oci/reference.h"
#include "server/parts.h"
#include "server/etag.h"

const char *
rp_v2_repository (const RpRequest *request, GError **error)
{
  const char *name = rp_request_param (request, "name");

  return rp_repository_check (name, error) ? name : NULL;
}

const char *
rp_v2_pushed_repository (const RpRequest *request, GError **error)
{
  const char *name = rp_v2_repository (request, error);

  return name != NULL && rp_proxy_admits_push (rp_request_server (request)->proxy, name, error) ? name
                                                                                                : NULL;
}

gboolean
rp_v2_digest_param (const RpRequest *request, RpDigest *out, GError **error)
{
  return rp_digest_parse (rp_request_param (request, "digest"), out, error);
}

void
rp_v2_digest_header (RpRequest *request, const char *name, const RpDigest *digest)
{
  char text[RP_DIGEST_STRING_SIZE];

  rp_respond_header (request, name, rp_digest_format (digest, text));
}

void
rp_v2_location (RpRequest *request, const char *repository, const char *kind,
                const char *reference)
{
  g_autofree char *path = g_strconcat ("/v2/", repository, "/", kind, "/", reference, NULL);

  rp_respond_header (request, "Location", path);
}

gboolean
rp_v2_not_modified (RpRequest *request, const RpDigest *digest, gboolean immutable)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autofree char *etag = g_strconcat ("\"", rp_digest_format (digest, text), "\"", NULL);
  const char *known = rp_request_header (request, "If-None-Match");

  rp_respond_header (request, "ETag", etag);
  rp_respond_header (request, "Cache-Control",
                     immutable ? "max-age=31536000, immutable" : "no-cache");
  return known != NULL && rp_etag_listed (known, etag);
}

void
rp_v2_next_link (RpRequest *request, gint64 limit, const char *last)
{
  g_autofree char *escaped = g_uri_escape_string (last, "/", FALSE);
  g_autofree char *link = NULL;

  link = g_strdup_printf ("<%s?n=%" G_GINT64_FORMAT "&last=%s>; rel=\"next\"", request->path,
                          limit, escaped);
  rp_respond_header (request, "Link", link);
}

gboolean
rp_v2_limit (const RpRequest *request, gint64 *out, GError **error)
{
  return rp_request_query_int (request, "n", -1, out, error);
}

void
rp_v2_fail (RpRequest *request, const GError *error, json_t *detail)
{
  json_t *entry = json_object ();
  json_t *errors = json_array ();
  json_t *envelope = json_object ();

  json_object_set_new (entry, "code", json_string (rp_error_oci_code (error)));
  json_object_set_new (entry, "message", json_string (error->message));
  json_object_set_new (entry, "detail", detail);
  json_array_append_new (errors, entry);
  json_object_set_new (envelope, "errors", errors);
  rp_respond_json (request, rp_error_http_status (error), envelope);
}

gboolean
rp_v2_refused (RpRequest *request, GError *cause, json_t *detail, GError **error)
{
  if (detail == NULL)
    {
      g_propagate_error (error, cause);
      return FALSE;
    }
  rp_v2_fail (request, cause, detail);
  g_error_free (cause);
  return TRUE;
}

/* GET /v2/: yes, this is a registry. */
static gboolean
handle_base (RpRequest *request, GError **error)
{
  rp_respond_json (request, 200, json_object ());
  return TRUE;
}

#define READ RP_ROUTE_REGISTRY
#define WRITE (RP_ROUTE_REGISTRY | RP_ROUTE_WRITE)
#define STREAM (RP_ROUTE_REGISTRY | RP_ROUTE_WRITE | RP_ROUTE_STREAM)
/* May read manifests first, to learn what releases need. */
#define DELETION (RP_ROUTE_REGISTRY | RP_ROUTE_WRITE | RP_ROUTE_SLOW)
#define TOKEN (RP_ROUTE_REGISTRY | RP_ROUTE_SLOW)
#define UPLOADS "/v2/{name}/blobs/uploads/"
#define UPLOAD "/v2/{name}/blobs/uploads/{id}"

const RpRoute rp_registry_routes[] = {
  { "GET", "/v2/", READ, RP_NEED_ACCOUNT, handle_base, "Says that this is a registry" },
  { "GET", "/v2", READ, RP_NEED_ACCOUNT, handle_base, "Says that this is a registry" },
  { "GET", "/v2/token", TOKEN, RP_NEED_NOTHING, rp_v2_token_get,
    "A ticket for the credentials of the request" },
  { "POST", "/v2/token", TOKEN, RP_NEED_NOTHING, rp_v2_token_post,
    "A ticket for the credentials of a form" },
  { "GET", "/v2/_catalog", READ, RP_NEED_PULL, rp_v2_catalog, "Lists repositories" },
  { "GET", "/v2/{name}/manifests/{reference}", READ, RP_NEED_PULL, rp_v2_manifest_get,
    "A manifest by tag or digest" },
  { "PUT", "/v2/{name}/manifests/{reference}", WRITE, RP_NEED_PUSH, rp_v2_manifest_put,
    "Records a manifest and tags it" },
  { "DELETE", "/v2/{name}/manifests/{reference}", DELETION, RP_NEED_DELETE, rp_v2_manifest_delete,
    "Takes a tag away, or a manifest with all its tags" },
  { "GET", "/v2/{name}/blobs/{digest}", READ, RP_NEED_PULL, rp_v2_blob_get,
    "A blob, or ranges of it" },
  { "DELETE", "/v2/{name}/blobs/{digest}", DELETION, RP_NEED_DELETE, rp_v2_blob_delete,
    "Takes a blob out of the repository" },
  { "POST", UPLOADS, STREAM, RP_NEED_PUSH, rp_v2_upload_post,
    "Starts an upload, mounts a blob or takes a whole one", rp_v2_upload_post_begin },
  { "POST", "/v2/{name}/blobs/uploads", STREAM, RP_NEED_PUSH, rp_v2_upload_post,
    "Starts an upload, mounts a blob or takes a whole one", rp_v2_upload_post_begin },
  { "PATCH", UPLOAD, STREAM, RP_NEED_UPLOAD, rp_v2_upload_patch,
    "Appends to an upload", rp_v2_upload_begin },
  { "PUT", UPLOAD, STREAM, RP_NEED_UPLOAD, rp_v2_upload_put,
    "Completes an upload", rp_v2_upload_begin },
  { "GET", UPLOAD, WRITE, RP_NEED_UPLOAD, rp_v2_upload_get, "How far an upload has come" },
  { "DELETE", UPLOAD, WRITE, RP_NEED_UPLOAD, rp_v2_upload_delete, "Gives an upload up" },
  { "GET", "/v2/{name}/tags/list", READ, RP_NEED_PULL, rp_v2_tags, "Lists tags" },
  { "GET", "/v2/{name}/referrers/{digest}", READ, RP_NEED_PULL, rp_v2_referrers,
    "Lists manifests whose subject this is" },
  { NULL },
};
