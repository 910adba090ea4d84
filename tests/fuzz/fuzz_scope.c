#include "access/scope.h"
#include "base/json.h"

#include "fuzz.h"

/* A name of the kind that each action is about. */
static const char *const subjects[RP_ACTION_N] = {
  [RP_ACTION_PULL] = "shop/web",
  [RP_ACTION_PUSH] = "shop/web",
  [RP_ACTION_DELETE] = "shop/web",
  [RP_ACTION_READ] = "shop",
  [RP_ACTION_RELEASE] = "shop",
  [RP_ACTION_DEPLOY] = "shop/production",
  [RP_ACTION_APPROVE] = "shop/production",
  [RP_ACTION_AGENT] = "shop/production/web-1",
  [RP_ACTION_ADMINISTER] = NULL,
};

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autoptr (json_t) list = rp_json_parse (data, size, "scopes", &error);
  g_clear_error (&error);
  if (list == NULL)
    return 0;
  g_autoptr (RpScopes) scopes = rp_scopes_from_json (list, &error);
  fuzz_check (scopes != NULL, &error);
  if (scopes == NULL)
    return 0;
  g_autoptr (json_t) printed = rp_scopes_to_json (scopes);
  g_autoptr (RpScopes) again = rp_scopes_from_json (printed, &error);
  g_assert (again != NULL && error == NULL);
  for (int action = 0; action < RP_ACTION_N; action++)
    {
      gboolean all = rp_scopes_allow (scopes, (RpAction) action, NULL);
      gboolean one = rp_scopes_allow (scopes, (RpAction) action, subjects[action]);
      g_assert (!all || one);
      g_assert (one == rp_scopes_allow (again, (RpAction) action, subjects[action]));
    }
  return 0;
}
