#include "base/error.h"
#include "oci/manifest.h"
#include "server/v2.h"

#define REFERRERS_PAGE 1000

/* ---- names ---- */

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

/* ---- referrers ---- */

/* `after` is a place in the order in which they were pushed: ours to know, the client's to hand
 * back. */
static void
link_referrers (RpRequest *request, gint64 limit, gint64 after, const char *artifact_type)
{
  g_autofree char *escaped
      = artifact_type != NULL ? g_uri_escape_string (artifact_type, NULL, FALSE) : NULL;
  g_autofree char *link = g_strdup_printf (
      "<%s?n=%" G_GINT64_FORMAT "&after=%" G_GINT64_FORMAT "%s%s>; rel=\"next\"", request->path,
      limit, after, escaped != NULL ? "&artifactType=" : "", escaped != NULL ? escaped : "");

  rp_respond_header (request, "Link", link);
}

static gboolean
referrers_page (const RpRequest *request, gint64 *out_limit, gint64 *out_after, GError **error)
{
  if (!rp_request_query_int (request, "n", REFERRERS_PAGE, out_limit, error)
      || !rp_request_query_int (request, "after", 0, out_after, error))
    return FALSE;
  *out_limit = CLAMP (*out_limit, 1, REFERRERS_PAGE);
  *out_after = MAX (*out_after, 0);
  return TRUE;
}

gboolean
rp_v2_referrers (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  const char *artifact_type = rp_request_query (request, "artifactType");
  gint64 limit, after, next = 0;
  RpDigest digest;
  json_t *index;

  if (repository == NULL || !rp_v2_digest_param (request, &digest, error)
      || !referrers_page (request, &limit, &after, error))
    return FALSE;
  index = rp_registry_referrers_page (rp_request_services (request)->registry, repository, &digest,
                                      artifact_type, after, limit, &next, error);
  if (index == NULL)
    return FALSE;
  rp_respond_header (request, "Content-Type", RP_MEDIA_OCI_INDEX);
  if (artifact_type != NULL)
    rp_respond_header (request, "OCI-Filters-Applied", "artifactType");
  if (next > 0)
    link_referrers (request, limit, next, artifact_type);
  rp_respond_json (request, 200, index);
  return TRUE;
}
