#include "base/error.h"
#include "base/json.h"
#include "release/release.h"
#include "release/trace.h"
#include "server/api.h"

static gboolean
read_components (json_t *body, GArray *components, GError **error)
{
  json_t *map;
  const char *name;
  json_t *reference;
  if (!rp_json_need_object (body, "components", "release", &map, error))
    return FALSE;
  json_object_foreach (map, name, reference)
  {
    RpWantedComponent component = { .name = name };
    if (!rp_json_need_string (map, name, "release.components", &component.reference, error))
      return FALSE;
    g_array_append_val (components, component);
  }
  return TRUE;
}

static gboolean
read_source (json_t *body, RpReleaseRequest *out, GError **error)
{
  json_t *source = json_object_get (body, "source");
  if (source == NULL || json_is_null (source))
    return TRUE;
  return rp_json_need_object (body, "source", "release", &source, error)
         && rp_json_opt_string (source, "repository", "release.source", &out->source_repository,
                                error)
         && rp_json_opt_string (source, "commit", "release.source", &out->commit, error)
         && rp_json_opt_string (source, "build", "release.source", &out->build, error)
         && rp_json_opt_string (source, "run_url", "release.source", &out->run_url, error);
}

gboolean
rp_api_release_create (RpRequest *request, GError **error)
{
  gboolean created;
  g_autofree char *hash = NULL;
  g_autoptr (json_t) body = rp_request_json (request, error);
  g_autoptr (GArray) components = g_array_new (FALSE, FALSE, sizeof (RpWantedComponent));
  RpReleaseRequest wanted = { .app = rp_request_param (request, "app"),
                              .components = components,
                              .actor = rp_request_actor (request) };
  if (body == NULL || !rp_api_key (request, body, &wanted.idempotency_key, &hash, error)
      || !rp_json_opt_string (body, "version", "release", &wanted.version, error)
      || !read_source (body, &wanted, error) || !read_components (body, components, error))
    return FALSE;
  wanted.request_hash = hash;
  g_autoptr (RpRelease) release
      = rp_release_create (rp_request_services (request)->engine, &wanted, &created, error);
  if (release == NULL)
    return FALSE;
  rp_respond_json (request, created ? 201 : 200, rp_release_to_json (release));
  return TRUE;
}

gboolean
rp_api_releases (RpRequest *request, GError **error)
{
  gint64 limit;
  gint64 before;
  if (!rp_api_page (request, &limit, &before, error))
    return FALSE;
  g_autoptr (GPtrArray) releases
      = rp_release_list (rp_request_services (request)->engine, rp_request_param (request, "app"),
                         limit, before, rp_request_query (request, "commit"), error);
  if (releases == NULL)
    return FALSE;
  json_t *json = json_object ();
  json_object_set_new (json, "releases", rp_release_list_to_json (releases));
  rp_respond_json (request, 200, json);
  return TRUE;
}

static json_t *
candidates (RpRequest *request, const char *app, const char *ref)
{
  json_t *detail = json_object ();
  g_autoptr (GPtrArray) found
      = rp_release_candidates (rp_request_services (request)->engine, app, ref, NULL);
  json_object_set_new (detail, "candidates",
                       found != NULL ? rp_release_list_to_json (found) : json_array ());
  return detail;
}

gboolean
rp_api_release (RpRequest *request, GError **error)
{
  const char *app = rp_request_param (request, "app");
  const char *ref = rp_request_param (request, "release");
  g_autoptr (GError) local = NULL;
  g_autoptr (RpRelease) release
      = rp_release_get (rp_request_services (request)->engine, app, ref, &local);
  if (release != NULL)
    {
      rp_respond_json (request, 200, rp_release_to_json (release));
      return TRUE;
    }
  if (g_error_matches (local, RP_ERROR, RP_ERROR_AMBIGUOUS))
    return rp_api_fail (request, local, candidates (request, app, ref));
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

gboolean
rp_api_trace (RpRequest *request, GError **error)
{
  g_autoptr (RpTrace) trace = rp_trace (rp_request_services (request)->engine,
                                        rp_request_param (request, "digest"), error);
  if (trace == NULL)
    return FALSE;
  rp_respond_json (request, 200, rp_trace_to_json (trace));
  return TRUE;
}
