#include "base/json.h"
#include "retention/lifecycle.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autoptr (json_t) document = rp_json_parse (data, size, "policy", &error);
  g_clear_error (&error);
  if (document == NULL)
    return 0;
  g_autoptr (RpLifecycle) policy = rp_lifecycle_parse (document, &error);
  fuzz_check (policy != NULL, &error);
  if (policy == NULL)
    return 0;
  g_assert (policy->rules->len <= RP_LIFECYCLE_RULES_MAX);
  g_assert (policy->keep->len <= RP_LIFECYCLE_KEEP_MAX);
  for (guint i = 0; i < policy->rules->len; i++)
    {
      const RpLifecycleRule *rule = g_ptr_array_index (policy->rules, i);
      const RpLifecycleRule *before = i > 0 ? g_ptr_array_index (policy->rules, i - 1) : NULL;
      g_assert (rule->number > 0 && (rule->patterns != NULL) == (rule->tags == RP_TAGGED));
      g_assert (before == NULL || before->priority < rule->priority);
    }
  return 0;
}
