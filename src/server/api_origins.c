#include "base/json.h"
#include "registry/origin.h"
#include "server/api.h"

/* Of what the account may pull. */
static json_t *
visible (const RpRequest *request, const json_t *all)
{
  json_t *some = json_array ();
  gsize i;
  json_t *origin;
  json_array_foreach (all, i, origin)
    if (rp_request_may (request, RP_ACTION_PULL, rp_json_str (origin, "repository")))
      json_array_append (some, origin);
  return some;
}

gboolean
rp_api_origins (RpRequest *request, GError **error)
{
  const char *text = rp_request_query (request, "digest");
  RpDigest digest;
  if (text != NULL && !rp_digest_parse (text, &digest, error))
    return FALSE;
  g_autoptr (json_t) all = rp_origin_list (rp_request_services (request)->registry,
                                           text != NULL ? &digest : NULL, error);
  if (all == NULL)
    return FALSE;
  json_t *answer = json_object ();
  json_object_set_new (answer, "origins", visible (request, all));
  rp_respond_json (request, 200, answer);
  return TRUE;
}

static gboolean
read_origin (json_t *body, RpOrigin *out, GError **error)
{
  const char *digest;
  json_t *upstream;
  return rp_json_need_string (body, "digest", "origin", &digest, error)
         && rp_digest_parse (digest, &out->digest, error)
         && rp_json_need_object (body, "upstream", "origin", &upstream, error)
         && rp_json_need_string (upstream, "registry", "origin.upstream", &out->upstream_registry,
                                 error)
         && rp_json_need_string (upstream, "repository", "origin.upstream",
                                 &out->upstream_repository, error)
         && rp_json_opt_string (upstream, "tag", "origin.upstream", &out->upstream_tag, error);
}

gboolean
rp_api_origin_record (RpRequest *request, GError **error)
{
  static const char *const fields[] = { "digest", "upstream", NULL };
  RpOrigin origin = { .repository = rp_request_param (request, "name") };
  gboolean recorded = FALSE;
  g_autoptr (json_t) body = rp_request_fields (request, fields, error);
  if (body == NULL || !read_origin (body, &origin, error))
    return FALSE;
  if (!rp_origin_record (rp_request_services (request)->registry, &origin,
                         rp_request_actor (request), &recorded, error))
    return FALSE;
  json_t *answer = json_object ();
  json_object_set_new (answer, "recorded", json_boolean (recorded));
  rp_respond_json (request, recorded ? 201 : 200, answer);
  return TRUE;
}
