#include "base/json.h"
#include "oci/reference.h"
#include "server/api.h"

/* ?repository=: the one that counts for it. */
static gboolean
respond_effective (RpRequest *request, const char *repository, GError **error)
{
  RpRegistry *registry = rp_request_services (request)->registry;
  if (!rp_repository_check (repository, error))
    return FALSE;
  g_autoptr (json_t) policy = rp_registry_policy_of (registry, repository, error);
  g_autoptr (json_t) use = policy ? rp_registry_use (registry, repository, error) : NULL;
  g_autoptr (json_t) quotas = use ? rp_registry_quotas (registry, repository, error) : NULL;
  if (quotas == NULL)
    return FALSE;
  json_t *json = json_object ();
  json_object_set_new (json, "repository", json_string (repository));
  json_object_set (json, "policy", policy);
  json_object_set (json, "use", use);
  json_object_set (json, "quotas", quotas);
  rp_respond_json (request, 200, json);
  return TRUE;
}

gboolean
rp_api_policies (RpRequest *request, GError **error)
{
  const char *repository = rp_request_query (request, "repository");
  if (repository != NULL)
    return respond_effective (request, repository, error);
  RpRegistry *registry = rp_request_services (request)->registry;
  g_autoptr (json_t) policies = rp_registry_policies (registry, error);
  g_autoptr (json_t) quotas = policies ? rp_registry_quotas (registry, NULL, error) : NULL;
  if (quotas == NULL)
    return FALSE;
  json_t *json = json_object ();
  json_object_set (json, "policies", policies);
  json_object_set (json, "quotas", quotas);
  rp_respond_json (request, 200, json);
  return TRUE;
}

gboolean
rp_api_policy_put (RpRequest *request, GError **error)
{
  g_autoptr (json_t) fields = rp_request_json (request, error);
  if (fields == NULL)
    return FALSE;
  json_t *policy = rp_registry_configure (rp_request_services (request)->registry,
                                          rp_request_param (request, "pattern"), fields,
                                          rp_request_actor (request), error);
  if (policy == NULL)
    return FALSE;
  rp_respond_json (request, 200, policy);
  return TRUE;
}

gboolean
rp_api_policy_delete (RpRequest *request, GError **error)
{
  if (!rp_registry_unconfigure (rp_request_services (request)->registry,
                                rp_request_param (request, "pattern"), rp_request_actor (request),
                                error))
    return FALSE;
  rp_respond_empty (request, 204);
  return TRUE;
}
