#include "agent/state.h"
#include "base/json.h"

#include "fuzz.h"

/* What the agent's journal holds of a target. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autoptr (json_t) document = rp_json_parse (data, size, "state", &error);
  g_clear_error (&error);
  if (document == NULL)
    return 0;
  g_autoptr (RpTargetState) state = rp_target_state_from_json (document, &error);
  fuzz_check (state != NULL, &error);
  if (state == NULL)
    return 0;
  g_assert (state->window != NULL && rp_phase_name (state->phase) != NULL);
  g_autoptr (json_t) printed = rp_target_state_to_json (state);
  g_autoptr (RpTargetState) again = rp_target_state_from_json (printed, &error);
  g_assert (again != NULL && error == NULL);
  g_autoptr (json_t) second = rp_target_state_to_json (again);
  g_assert (json_equal (printed, second));
  return 0;
}
