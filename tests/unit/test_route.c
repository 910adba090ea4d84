/* Every route says what it needs, and its template has what that is about. */
#include "check.h"

#include "server/route.h"

static const RpRoute *const tables[]
    = { rp_system_routes, rp_registry_routes, rp_api_routes, NULL };

static gboolean
names (const RpRoute *route, const char *param)
{
  g_autofree char *text = g_strconcat ("{", param, "}", NULL);
  return strstr (route->template, text) != NULL;
}

/* Params that the need takes its subject from. */
static gboolean
fits (const RpRoute *route)
{
  switch (route->need)
    {
    case RP_NEED_NOTHING:
    case RP_NEED_ACCOUNT:
    case RP_NEED_ADMINISTER:
      return !names (route, "name") && !names (route, "app");
    case RP_NEED_PULL:
      return !names (route, "app");
    case RP_NEED_PUSH:
    case RP_NEED_UPLOAD:
    case RP_NEED_DELETE:
      return names (route, "name");
    case RP_NEED_READ:
      return !names (route, "name");
    case RP_NEED_RELEASE:
      return names (route, "app");
    case RP_NEED_DEPLOY:
    case RP_NEED_APPROVE:
      return names (route, "app") && names (route, "environment");
    case RP_NEED_AGENT:
      return names (route, "app") && names (route, "environment") && names (route, "target");
    case RP_NEED_UNSAID:
      break;
    }
  return FALSE;
}

static void
test_every_route_says_what_it_needs (void **state)
{
  guint count = 0;
  for (gsize i = 0; tables[i] != NULL; i++)
    for (const RpRoute *route = tables[i]; route->method != NULL; route++, count++)
      if (!fits (route))
        fail_msg ("%s %s: need %d", route->method, route->template, (int) route->need);
  assert_true (count > 30);
}

/* What changes something is never open to whoever has just any account; these two check by themselves
 * whose secret it is. */
static void
test_changes_need_more_than_an_account (void **state)
{
  for (gsize i = 0; tables[i] != NULL; i++)
    for (const RpRoute *route = tables[i]; route->method != NULL; route++)
      {
        gboolean own = strstr (route->template, "/tokens") != NULL
                       || strstr (route->template, "/password") != NULL;
        if ((route->flags & RP_ROUTE_WRITE) && route->need <= RP_NEED_ACCOUNT && !own)
          fail_msg ("%s %s changes something for anybody", route->method, route->template);
      }
}

static void
test_open_doors (void **state)
{
  static const char *const open[] = { "/healthz", "/readyz", "/v2/token", NULL };
  for (gsize i = 0; tables[i] != NULL; i++)
    for (const RpRoute *route = tables[i]; route->method != NULL; route++)
      assert_int_equal (route->need == RP_NEED_NOTHING, g_strv_contains (open, route->template));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_every_route_says_what_it_needs),
    cmocka_unit_test (test_changes_need_more_than_an_account),
    cmocka_unit_test (test_open_doors),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
