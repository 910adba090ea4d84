#include "agent/host.h"

#include <string.h>

#include "agent/reserve.h"
#include "base/error.h"

const RpDriverOps *
rp_host_driver (const RpDriverOps *const *drivers, const RpTargetConfig *target, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (gsize i = 0; drivers[i] != NULL; i++)
    {
      if (strcmp (drivers[i]->name, target->driver) == 0)
        return drivers[i];
      g_string_append_printf (names, "%s%s", i > 0 ? ", " : "", drivers[i]->name);
    }
  rp_yaml_error (rp_yaml_get (target->node, "driver"), error,
                 "there is no driver \"%s\"; expected one of: %s", target->driver, names->str);
  return NULL;
}

static gboolean
open_store (RpHost *host, gboolean online, GError **error)
{
  g_autofree char *path = g_build_filename (host->config->state, "store", NULL);
  g_autofree char *url = g_strconcat ("fs:", path, NULL);

  host->store = rp_store_open (url, error);
  if (host->store == NULL)
    return FALSE;
  if (!online)
    return TRUE;
  if (!rp_agent_config_read_token (host->config, error))
    return FALSE;
  host->client = rp_oci_client_new (host->config->server, error);
  if (host->client == NULL)
    return FALSE;
  rp_oci_client_trust (host->client, host->config->ca_file);
  rp_oci_client_set_bearer (host->client, host->config->bearer);
  return TRUE;
}

RpHost *
rp_host_open (const char *config_path, const RpDriverOps *const *drivers, gboolean online,
              GError **error)
{
  g_autoptr (RpHost) host = g_new0 (RpHost, 1);
  g_autofree char *lock_path = NULL;

  host->drivers = drivers;
  host->loops = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_target_loop_free);
  host->config = rp_agent_config_load (
      config_path != NULL ? config_path : RP_AGENT_DEFAULT_CONFIG, error);
  if (host->config == NULL || !rp_dir_make (host->config->state, 0700, error))
    return NULL;
  rp_reserve_release_if_full (host->config->state);
  lock_path = g_build_filename (host->config->state, "lock", NULL);
  host->lock = rp_lock_take (lock_path, error);
  if (host->lock == NULL)
    {
      g_prefix_error (error, "the agent's state directory is in use: ");
      return NULL;
    }
  host->journal = rp_journal_open (host->config->state, error);
  if (host->journal == NULL || !open_store (host, online, error))
    return NULL;
  host->stock = rp_stock_new (host->config, host->journal, host->store);
  return g_steal_pointer (&host);
}

void
rp_host_close (RpHost *host)
{
  if (host == NULL)
    return;
  g_ptr_array_unref (host->loops);
  rp_oci_client_free (host->client);
  rp_stock_free (host->stock);
  rp_store_close (host->store);
  rp_journal_close (host->journal);
  rp_lock_release (host->lock);
  rp_agent_config_free (host->config);
  g_free (host);
}

RpTargetLoop *
rp_host_add (RpHost *host, const RpTargetConfig *target, void (*reported) (gpointer user_data),
             gpointer user_data, GError **error)
{
  RpTargetLoopOptions options = { .config = host->config,
                                  .target = target,
                                  .journal = host->journal,
                                  .ops = rp_host_driver (host->drivers, target, error),
                                  .store = host->store,
                                  .stock = host->stock,
                                  .client = host->client,
                                  .reported = reported,
                                  .user_data = user_data };
  RpTargetLoop *loop = options.ops == NULL ? NULL : rp_target_loop_new (&options, error);

  if (loop != NULL)
    g_ptr_array_add (host->loops, loop);
  return loop;
}
