#include "check.h"

#include "server/router.h"

static gboolean
never (RpRequest *request, GError **error)
{
  return FALSE;
}

static const RpRoute api[] = {
  { "GET", "/", RP_ROUTE_READ, RP_NEED_NOTHING, never, "front" },
  { "GET", "/api/v1/apps", RP_ROUTE_READ, RP_NEED_NOTHING, never, "apps" },
  { "GET", "/api/v1/apps/{app}", RP_ROUTE_READ, RP_NEED_NOTHING, never, "app" },
  { "POST", "/api/v1/apps/{app}/releases", RP_ROUTE_WRITE, RP_NEED_NOTHING, never, "release" },
  { "GET", "/api/v1/apps/{app}/releases/{ref}", RP_ROUTE_READ, RP_NEED_NOTHING, never, "release" },
  { NULL },
};

static const RpRoute registry[] = {
  { "GET", "/v2/", RP_ROUTE_READ, RP_NEED_NOTHING, never, "base" },
  { "GET", "/v2/_catalog", RP_ROUTE_READ, RP_NEED_NOTHING, never, "catalog" },
  { "GET", "/v2/{name}/manifests/{reference}", RP_ROUTE_READ, RP_NEED_NOTHING, never, "get" },
  { "PUT", "/v2/{name}/manifests/{reference}", RP_ROUTE_WRITE, RP_NEED_NOTHING, never, "put" },
  { "GET", "/v2/{name}/blobs/{digest}", RP_ROUTE_READ, RP_NEED_NOTHING, never, "blob" },
  { "POST", "/v2/{name}/blobs/uploads/", RP_ROUTE_WRITE, RP_NEED_NOTHING, never, "start" },
  { "GET", "/v2/{name}/blobs/uploads/{id}", RP_ROUTE_READ, RP_NEED_NOTHING, never, "status" },
  { "GET", "/v2/{name}/tags/list", RP_ROUTE_READ, RP_NEED_NOTHING, never, "tags" },
  { NULL },
};

static const RpRoute *const tables[] = { api, registry, NULL };

static const char *
value_of (const RpRouteMatch *match, const char *name)
{
  for (guint i = 0; i < match->n_params; i++)
    if (strcmp (match->names[i], name) == 0)
      return match->values[i];
  return NULL;
}

/* `param` and `value` may be NULL; template NULL: no route. */
static const struct {
  const char *method, *path, *template, *param, *value;
} matches[] = {
  { "GET", "/", "/" },
  { "HEAD", "/api/v1/apps", "/api/v1/apps" },
  { "GET", "/api/v1/apps/shop", "/api/v1/apps/{app}", "app", "shop" },
  { "GET", "/api/v1/apps/a%20b", "/api/v1/apps/{app}", "app", "a b" },
  { "GET", "/api/v1/apps/shop/releases/%2312", "/api/v1/apps/{app}/releases/{ref}", "ref", "#12" },
  { "GET", "/api/v1/apps/sh/op", NULL },
  { "GET", "/api/v1/apps/", NULL },
  { "GET", "/api/v1/apps/a%00b", NULL },
  { "GET", "/api/v1/apps/a%ff", NULL },
  { "GET", "/v2/", "/v2/" },
  { "GET", "/v2/_catalog", "/v2/_catalog" },
  { "GET", "/v2/a/manifests/1.0", "/v2/{name}/manifests/{reference}", "name", "a" },
  { "GET", "/v2/a/b/c/manifests/1.0", "/v2/{name}/manifests/{reference}", "name", "a/b/c" },
  { "GET", "/v2/a/b/c/manifests/1.0", "/v2/{name}/manifests/{reference}", "reference", "1.0" },
  { "GET", "/v2/a%2Fb/blobs/sha256%3Aab", "/v2/{name}/blobs/{digest}", "name", "a/b" },
  { "GET", "/v2/a%2Fb/blobs/sha256%3Aab", "/v2/{name}/blobs/{digest}", "digest", "sha256:ab" },
  { "POST", "/v2/a/b/blobs/uploads/", "/v2/{name}/blobs/uploads/", "name", "a/b" },
  { "GET", "/v2/a/b/blobs/uploads/u1", "/v2/{name}/blobs/uploads/{id}", "id", "u1" },
  /* the words of the templates as names */
  { "GET", "/v2/a/blobs/uploads/manifests/x", "/v2/{name}/manifests/{reference}", "name",
    "a/blobs/uploads" },
  { "GET", "/v2/manifests/manifests/manifests", "/v2/{name}/manifests/{reference}", "name",
    "manifests" },
  { "POST", "/v2/blobs/uploads/blobs/uploads/", "/v2/{name}/blobs/uploads/", "name",
    "blobs/uploads" },
  { "GET", "/v2/tags/tags/list", "/v2/{name}/tags/list", "name", "tags" },
  { "GET", "/v2/a/tags/list/tags/list", "/v2/{name}/tags/list", "name", "a/tags/list" },
  { "GET", "/v2//manifests/x", NULL },
  { "GET", "/v2/manifests/x", NULL },
  { "GET", "nothing", NULL },
  { "GET", "", NULL },
};

static void
test_match (void **state)
{
  g_autoptr (RpRouter) router = rp_router_new (tables);

  for (gsize i = 0; i < G_N_ELEMENTS (matches); i++)
    {
      g_auto (RpRouteMatch) match = { 0 };
      rp_router_match (router, matches[i].method, matches[i].path, &match);
      if (g_strcmp0 (match.route != NULL ? match.route->template : NULL, matches[i].template) != 0)
        fail_msg ("%s %s: %s", matches[i].method, matches[i].path,
                  match.route != NULL ? match.route->template : "no route");
      if (matches[i].param != NULL
          && g_strcmp0 (value_of (&match, matches[i].param), matches[i].value) != 0)
        fail_msg ("%s: %s is %s", matches[i].path, matches[i].param,
                  value_of (&match, matches[i].param));
      if (match.route != NULL)
        assert_ptr_equal (rp_router_at (router, match.index), match.route);
    }
}

static void
test_allow (void **state)
{
  static const struct {
    const char *method, *path, *allow;
  } cases[] = {
    { "DELETE", "/", "GET, HEAD" },
    { "PATCH", "/v2/a/manifests/x", "GET, HEAD, PUT" },
    { "GET", "/v2/a/blobs/uploads/", "POST" },
    { "GET", "/nowhere", NULL },
  };
  g_autoptr (RpRouter) router = rp_router_new (tables);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (RpRouteMatch) match = { 0 };
      rp_router_match (router, cases[i].method, cases[i].path, &match);
      assert_null (match.route);
      if (g_strcmp0 (match.allow, cases[i].allow) != 0)
        fail_msg ("%s: allows %s", cases[i].path, match.allow);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_match),
    cmocka_unit_test (test_allow),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
