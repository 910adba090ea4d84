#include "base/json.h"
#include "registry/policy.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autoptr (json_t) fields = rp_json_parse (data, size, "policy", &error);
  g_clear_error (&error);
  if (!json_is_object (fields))
    return 0;
  g_auto (RpPolicy) policy = { 0 };
  gboolean ok = rp_policy_update (&policy, fields, &error);
  fuzz_check (ok, &error);
  if (!ok)
    return 0;
  /* What it prints is taken again, and changes nothing. */
  g_autoptr (json_t) printed = rp_policy_to_json (&policy);
  ok = rp_policy_update (&policy, printed, &error);
  g_assert (ok && error == NULL);
  g_autoptr (json_t) again = rp_policy_to_json (&policy);
  g_assert (json_equal (printed, again));
  (void) rp_policy_tag_may_move (&policy, "1.0");
  return 0;
}
