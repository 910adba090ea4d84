#include "agent/config.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"

#define CONFIG_LIMIT_BYTES (1024 * 1024)
#define NAME_LIMIT 128 /* bytes; of an app, an environment, a target or an agent */

static const char *const agent_keys[] 
    = { "agent", "server", "ca_file", "state", "token_file", "targets", NULL };
static const char *const target_keys[]
    = { "app", "environment", "target", "driver", "options", NULL };

static void
target_config_free (gpointer data)
{
  RpTargetConfig *target = data;

  g_free (target->name);
  g_free (target->app);
  g_free (target->environment);
  g_free (target->target);
  g_free (target->driver);
  g_free (target->state_dir);
  g_free (target);
}

void
rp_agent_config_free (RpAgentConfig *config)
{
  if (config == NULL)
    return;
  g_free (config->agent);
  g_free (config->server);
  g_free (config->registry);
  g_free (config->state);
  g_free (config->base_dir);
  g_free (config->ca_file);
  g_free (config->token_file);
  rp_bearer_free (config->bearer);
  g_ptr_array_unref (config->targets);
  rp_yaml_free (config->yaml);
  g_free (config);
}

/* Names become parts of paths and URLs. */
static gboolean
name_ok (const char *name)
{
  if (name[0] == '\0' || name[0] == '.' || strlen (name) > NAME_LIMIT)
    return FALSE;
  for (const char *p = name; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && strchr ("._-", *p) == NULL)
      return FALSE;
  return TRUE;
}

static gboolean
need_name (const RpYamlNode *map, const char *key, char **out, GError **error)
{
  const char *text = NULL;

  if (!rp_yaml_need_string (map, key, &text, error))
    return FALSE;
  if (!name_ok (text))
    return rp_yaml_error (rp_yaml_get (map, key), error,
                          "expected a name of letters, digits, '.', '_' and '-' that does not start "
                          "with a dot, found \"%s\"",
                          text);
  *out = g_strdup (text);
  return TRUE;
}

/* FALSE, and the text is taken, if `error` is set. */
static gboolean
no_problem (GPtrArray *problems, GError **error)
{
  if (*error == NULL)
    return TRUE;
  g_ptr_array_add (problems, g_strdup ((*error)->message));
  g_clear_error (error);
  return FALSE;
}

static RpTargetConfig *
target_parse (const RpAgentConfig *config, const RpYamlNode *node, GPtrArray *problems)
{
  static const struct {
    const char *key;
    gsize offset;
  } names[] = {
    { "app", G_STRUCT_OFFSET (RpTargetConfig, app) },
    { "environment", G_STRUCT_OFFSET (RpTargetConfig, environment) },
    { "target", G_STRUCT_OFFSET (RpTargetConfig, target) },
  };
  RpTargetConfig *target = g_new0 (RpTargetConfig, 1);
  guint before = problems->len;
  const char *driver = NULL;
  GError *error = NULL;

  rp_yaml_check_keys (node, target_keys, problems);
  for (gsize i = 0; rp_yaml_is_map (node) && i < G_N_ELEMENTS (names); i++)
    (void) (need_name (node, names[i].key, G_STRUCT_MEMBER_P (target, names[i].offset), &error)
            || no_problem (problems, &error));
  if (rp_yaml_is_map (node) && !rp_yaml_need_string (node, "driver", &driver, &error))
    (void) no_problem (problems, &error);
  if (problems->len > before)
    {
      target_config_free (target);
      return NULL;
    }
  target->driver = g_strdup (driver);
  target->node = node;
  target->options = rp_yaml_get (node, "options");
  target->name = g_strjoin ("/", target->app, target->environment, target->target, NULL);
  target->state_dir
      = g_build_filename (config->state != NULL ? config->state : "", "targets", target->app,
                          target->environment, target->target, NULL);
  return target;
}

/* Takes `target` over. */
static void
add_target (RpAgentConfig *config, RpTargetConfig *target, GPtrArray *problems)
{
  GError *error = NULL;

  for (guint j = 0; j < config->targets->len; j++)
    {
      const RpTargetConfig *other = g_ptr_array_index (config->targets, j);

      if (strcmp (other->name, target->name) != 0)
        continue;
      rp_yaml_error (target->node, &error,
                     "the target %s is listed twice; remove one of the entries", target->name);
      (void) no_problem (problems, &error);
      target_config_free (target);
      return;
    }
  g_ptr_array_add (config->targets, target);
}

static void
targets_parse (RpAgentConfig *config, const RpYamlNode *root, GPtrArray *problems)
{
  const RpYamlNode *list = rp_yaml_get (root, "targets");
  GError *error = NULL;

  if (list == NULL || !rp_yaml_is_list (list) || rp_yaml_count (list) == 0)
    {
      rp_yaml_error (list != NULL ? list : root, &error,
                     "targets: expected a list of at least one target "
                     "(app, environment, target, driver, options)");
      (void) no_problem (problems, &error);
      return;
    }
  for (gsize i = 0; i < rp_yaml_count (list); i++)
    {
      RpTargetConfig *target = target_parse (config, rp_yaml_at (list, i, NULL), problems);

      if (target != NULL)
        add_target (config, target, problems);
    }
}

static gboolean
server_parse (RpAgentConfig *config, const RpYamlNode *root, GError **error)
{
  const char *server = NULL;
  const char *host;
  gsize length;

  if (!rp_yaml_need_string (root, "server", &server, error))
    return FALSE;
  host = strstr (server, "://");
  if (host == NULL || host[3] == '\0' || host[3] == '/'
      || !(g_str_has_prefix (server, "http://") || g_str_has_prefix (server, "https://")))
    return rp_yaml_error (rp_yaml_get (root, "server"), error,
                          "expected a URL such as http://127.0.0.1:5000, found \"%s\"", server);
  length = strlen (server);
  while (server[length - 1] == '/')
    length--;
  config->server = g_strndup (server, length);
  config->registry = g_strndup (host + 3, strcspn (host + 3, "/"));
  return TRUE;
}

static gboolean
agent_name_parse (RpAgentConfig *config, const RpYamlNode *root, GError **error)
{
  if (rp_yaml_get (root, "agent") != NULL)
    return need_name (root, "agent", &config->agent, error);
  if (!name_ok (g_get_host_name ()))
    return rp_yaml_error (root, error,
                          "agent: absent, and the host's name \"%s\" does not serve as one; give a name",
                          g_get_host_name ());
  config->agent = g_strdup (g_get_host_name ());
  return TRUE;
}

static char *
absolute_path (const char *base_dir, const char *path)
{
  return g_path_is_absolute (path) ? g_strdup (path) : g_build_filename (base_dir, path, NULL);
}

static gboolean
state_parse (RpAgentConfig *config, const RpYamlNode *root, GError **error)
{
  const char *state = NULL;

  if (!rp_yaml_need_string (root, "state", &state, error))
    return FALSE;
  if (state[0] == '\0')
    return rp_yaml_error (rp_yaml_get (root, "state"), error, "expected the path of a directory");
  config->state = absolute_path (config->base_dir, state);
  return TRUE;
}

static gboolean
token_file_parse (RpAgentConfig *config, const RpYamlNode *root, GError **error)
{
  const char *token_file = NULL;

  if (!rp_yaml_opt_string (root, "token_file", &token_file, error))
    return FALSE;
  if (token_file != NULL)
    config->token_file = absolute_path (config->base_dir, token_file);
  return TRUE;
}

static gboolean
ca_file_parse (RpAgentConfig *config, const RpYamlNode *root, GError **error)
{
  const char *ca_file = NULL;

  if (!rp_yaml_opt_string (root, "ca_file", &ca_file, error))
    return FALSE;
  if (ca_file != NULL)
    config->ca_file = absolute_path (config->base_dir, ca_file);
  return TRUE;
}

RpAgentConfig *
rp_agent_config_parse_all (const void *data, gsize size, const char *file_name,
                           const char *base_dir, GPtrArray *problems)
{
  static gboolean (*const steps[]) (RpAgentConfig *, const RpYamlNode *, GError **)
      = { agent_name_parse, server_parse, state_parse, ca_file_parse, token_file_parse };
  g_autoptr (RpAgentConfig) config = g_new0 (RpAgentConfig, 1);
  GError *error = NULL;
  const RpYamlNode *root;

  config->targets = g_ptr_array_new_with_free_func (target_config_free);
  config->base_dir = g_strdup (base_dir);
  config->yaml = rp_yaml_parse (data, size, file_name, &error);
  if (!no_problem (problems, &error))
    return NULL;
  root = rp_yaml_root (config->yaml);
  rp_yaml_check_keys (root, agent_keys, problems);
  if (!rp_yaml_is_map (root))
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    if (!steps[i] (config, root, &error))
      (void) no_problem (problems, &error);
  targets_parse (config, root, problems);
  return g_steal_pointer (&config);
}

RpAgentConfig *
rp_agent_config_parse (const void *data, gsize size, const char *file_name, const char *base_dir,
                       GError **error)
{
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (RpAgentConfig) config
      = rp_agent_config_parse_all (data, size, file_name, base_dir, problems);

  if (problems->len == 0)
    return g_steal_pointer (&config);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID, problems->pdata[0]);
  return NULL;
}

RpAgentConfig *
rp_agent_config_load (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *absolute = g_canonicalize_filename (path, NULL);
  g_autofree char *base_dir = g_path_get_dirname (absolute);
  gconstpointer data;
  gsize size;

  bytes = rp_file_read (path, CONFIG_LIMIT_BYTES, error);
  if (bytes == NULL)
    {
      g_prefix_error (error, "cannot read the agent's configuration (name it with -c FILE): ");
      return NULL;
    }
  data = g_bytes_get_data (bytes, &size);
  return rp_agent_config_parse (data, size, path, base_dir, error);
}

gboolean
rp_agent_config_read_token (RpAgentConfig *config, GError **error)
{
  if (config->token_file == NULL)
    return TRUE;
  config->bearer = rp_bearer_open (config->token_file, error);
  if (config->bearer == NULL)
    g_prefix_error (error, "cannot read the agent's token_file: ");
  return config->bearer != NULL;
}

static char *
names_of (const RpAgentConfig *config)
{
  GString *names = g_string_new (NULL);

  for (guint i = 0; i < config->targets->len; i++)
    {
      const RpTargetConfig *target = g_ptr_array_index (config->targets, i);

      g_string_append_printf (names, "%s%s", i == 0 ? "" : ", ", target->name);
    }
  return g_string_free (names, FALSE);
}

const RpTargetConfig *
rp_agent_config_find (const RpAgentConfig *config, const char *name, GError **error)
{
  g_autofree char *names = names_of (config);
  const RpTargetConfig *found = NULL;

  if (name == NULL && config->targets->len == 1)
    return g_ptr_array_index (config->targets, 0);
  if (name == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "this agent has several targets; say which one with --target: %s", names);
      return NULL;
    }
  for (guint i = 0; i < config->targets->len; i++)
    {
      const RpTargetConfig *target = g_ptr_array_index (config->targets, i);

      if (strcmp (target->name, name) == 0)
        return target;
      if (strcmp (target->target, name) != 0)
        continue;
      if (found != NULL)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_AMBIGUOUS,
                       "several targets are called %s; use the full name, one of: %s", name, names);
          return NULL;
        }
      found = target;
    }
  if (found == NULL)
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "this agent has no target %s; it has: %s", name, names);
  return found;
}
