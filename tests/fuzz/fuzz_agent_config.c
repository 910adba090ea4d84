#include "agent/config.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autoptr (RpAgentConfig) config
      = rp_agent_config_parse (data, size, "agent.yaml", "/etc/repoint", &error);
  fuzz_check (config != NULL, &error);
  if (config == NULL)
    return 0;
  g_assert (g_path_is_absolute (config->state) && config->targets->len > 0);
  for (guint i = 0; i < config->targets->len; i++)
    {
      const RpTargetConfig *target = config->targets->pdata[i];
      /* A name finds its own target, and no state directory leads out of the agent's. */
      g_assert (rp_agent_config_find (config, target->name, NULL) == target);
      g_assert (g_str_has_prefix (target->state_dir, config->state));
      g_assert (strstr (target->state_dir + strlen (config->state), "/../") == NULL);
    }
  return 0;
}
