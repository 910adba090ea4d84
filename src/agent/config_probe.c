/* What of agent.yaml only this machine and the drivers can tell. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/config.h"
#include "base/authorities.h"
#include "base/file.h"
#include "base/place.h"
#include "driver/driver.h"

static void
take (GPtrArray *problems, GError *error)
{
  g_ptr_array_add (problems, g_strdup (error->message));
  g_error_free (error);
}

static void
probe_target (const RpTargetConfig *target, GPtrArray *problems)
{
  GError *error = NULL;

  if (rp_driver_find (target->driver, &error) == NULL)
    {
      g_autofree char *why = g_strdup (error->message);
      g_clear_error (&error);
      rp_yaml_error (rp_yaml_get (target->node, "driver"), &error, "%s", why);
    }
  else if (target->options == NULL)
    rp_yaml_error (target->node, &error, "options: absent; the driver %s needs them",
                   target->driver);
  else if (rp_driver_check (target->driver, target->name, target->options, &error))
    return;
  take (problems, error);
}

static void
probe_token (const char *path, GPtrArray *problems)
{
  struct stat info;
  rp_autofd int fd = open (path, O_RDONLY | O_CLOEXEC);

  if (fd < 0 || fstat (fd, &info) != 0)
    g_ptr_array_add (problems, g_strdup_printf ("token_file: cannot read %s: %s", path,
                                                g_strerror (errno)));
  else if ((info.st_mode & 077) != 0)
    g_ptr_array_add (problems,
                     g_strdup_printf ("token_file: others can read %s (mode %04o): chmod 600 it",
                                      path, (unsigned) info.st_mode & 07777));
}

void
rp_agent_config_probe (const RpAgentConfig *config, GPtrArray *problems)
{
  GError *error = NULL;

  if (config->state != NULL && !rp_place_probe (config->state, &error))
    {
      g_prefix_error (&error, "state: ");
      take (problems, g_steal_pointer (&error));
    }
  if (config->ca_file != NULL && !rp_authorities_probe (config->ca_file, &error))
    {
      g_prefix_error (&error, "ca_file: ");
      take (problems, g_steal_pointer (&error));
    }
  if (config->token_file != NULL)
    probe_token (config->token_file, problems);
  for (guint i = 0; i < config->targets->len; i++)
    probe_target (config->targets->pdata[i], problems);
}
