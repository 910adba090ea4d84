#include "driver/container_options.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define STOP_TIMEOUT_MS 10000
#define PULL_TIMEOUT_MS (30 * 60 * 1000)
#define SOCKET          "/var/run/docker.sock"

void
rp_container_options_clear (RpContainerOptions *options)
{
  g_free (options->socket);
  rp_probe_free (options->probe);
  json_decref (options->config);
  json_decref (options->labels);
  *options = (RpContainerOptions){ 0 };
}

/* ---- ports: [ADDRESS:]HOST:CONTAINER[/PROTOCOL] ---- */

static gboolean
is_port (const char *text)
{
  return *text && strspn (text, "0123456789") == strlen (text) && strlen (text) <= 5
         && g_ascii_strtoull (text, NULL, 10) >= 1 && g_ascii_strtoull (text, NULL, 10) <= 65535;
}

/* Nothing (all addresses), `127.0.0.1`, `[::1]` */
static gboolean
parse_address (const char *text, char **out)
{
  gsize length = strlen (text);
  gboolean bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
  *out = bracketed ? g_strndup (text + 1, length - 2) : g_strdup (text);
  return length == 0 || g_hostname_is_ip_address (*out);
}

static gboolean
add_port (json_t *bindings, json_t *exposed, const char *text)
{
  g_autofree char *copy = g_strdup (text);
  char *protocol = strchr (copy, '/');
  if (protocol)
    *protocol++ = '\0';
  char *container = strrchr (copy, ':');
  if (!container)
    return FALSE;
  *container++ = '\0';
  char *host = strrchr (copy, ':');
  g_autofree char *address = NULL;
  if (host)
    *host++ = '\0';
  else
    host = copy;
  if (!parse_address (host > copy ? copy : "", &address) || !is_port (host) || !is_port (container)
      || (protocol && !g_str_equal (protocol, "tcp") && !g_str_equal (protocol, "udp")))
    return FALSE;
  g_autofree char *key = g_strdup_printf ("%s/%s", container, protocol ? protocol : "tcp");
  json_t *list = json_object_get (bindings, key);
  if (!list)
    {
      list = json_array ();
      json_object_set_new (bindings, key, list);
      json_object_set_new (exposed, key, json_object ());
    }
  json_array_append_new (list, json_pack ("{s:s,s:s}", "HostIp", address, "HostPort", host));
  return TRUE;
}

static gboolean
parse_ports (const RpYamlNode *node, json_t *host, json_t *config, GError **error)
{
  const RpYamlNode *ports = rp_yaml_get (node, "ports");
  g_auto (GStrv) list = NULL;
  if (!rp_yaml_opt_strv (node, "ports", &list, error))
    return FALSE;
  if (!list)
    return TRUE;
  json_t *bindings = json_object (), *exposed = json_object ();
  json_object_set_new (host, "PortBindings", bindings);
  json_object_set_new (config, "ExposedPorts", exposed);
  for (gsize i = 0; list[i]; i++)
    if (!add_port (bindings, exposed, list[i]))
      return rp_yaml_error (rp_yaml_at (ports, i, NULL), error,
                            "expected [ADDRESS:]HOST_PORT:CONTAINER_PORT[/tcp|/udp], found \"%s\"",
                            list[i]);
  return TRUE;
}

/* ---- lists and maps ---- */

static gboolean
parse_list (const RpYamlNode *node, const char *key, json_t *object, const char *api_key,
            GError **error)
{
  g_auto (GStrv) list = NULL;
  if (!rp_yaml_opt_strv (node, key, &list, error))
    return FALSE;
  if (!list)
    return TRUE;
  json_t *array = json_array ();
  for (char **item = list; *item; item++)
    json_array_append_new (array, json_string (*item));
  json_object_set_new (object, api_key, array);
  return TRUE;
}

static int
compare_env (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* A mapping of scalars; calls `add` for each in the order of the file. */
static gboolean
each_scalar (const RpYamlNode *node, const char *name,
             gboolean (*add) (const RpYamlNode *value, const char *key, const char *text,
                              gpointer data, GError **error),
             gpointer data, GError **error)
{
  const RpYamlNode *map = rp_yaml_get (node, name);
  if (!map)
    return TRUE;
  if (!rp_yaml_is_map (map))
    return rp_yaml_error (map, error, "expected a mapping of names to values");
  for (gsize i = 0; i < rp_yaml_count (map); i++)
    {
      const char *key = NULL;
      const RpYamlNode *value = rp_yaml_at (map, i, &key);
      const char *text = rp_yaml_scalar (value);
      if (!text)
        return rp_yaml_error (value, error, "expected a single value");
      if (!add (value, key, text, data, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
add_env (const RpYamlNode *value, const char *key, const char *text, gpointer data, GError **error)
{
  if (!*key || strchr (key, '='))
    return rp_yaml_error (value, error, "\"%s\" is not a name for an environment variable", key);
  g_ptr_array_add (data, g_strconcat (key, "=", text, NULL));
  return TRUE;
}

static gboolean
parse_env (const RpYamlNode *node, json_t *config, GError **error)
{
  g_autoptr (GPtrArray) env = g_ptr_array_new_with_free_func (g_free);
  if (!each_scalar (node, "env", add_env, env, error))
    return FALSE;
  g_ptr_array_sort (env, compare_env); /* the order in the file is no difference */
  json_t *array = json_array ();
  for (guint i = 0; i < env->len; i++)
    json_array_append_new (array, json_string (g_ptr_array_index (env, i)));
  json_object_set_new (config, "Env", array);
  return TRUE;
}

static gboolean
add_label (const RpYamlNode *value, const char *key, const char *text, gpointer data,
           GError **error)
{
  if (g_str_has_prefix (key, "repoint."))
    return rp_yaml_error (value, error, "labels that start with \"repoint.\" are repoint's own");
  json_object_set_new (data, key, json_string (text));
  return TRUE;
}

/* `nofile: 1024` or `nofile: 1024:4096` (soft and hard) */
static gboolean
add_ulimit (const RpYamlNode *value, const char *key, const char *text, gpointer data,
            GError **error)
{
  char *end = NULL;
  gint64 soft = g_ascii_strtoll (text, &end, 10);
  gint64 hard = *end == ':' ? g_ascii_strtoll (end + 1, &end, 10) : soft;
  if (end == text || *end || soft < -1 || hard < -1)
    return rp_yaml_error (value, error, "expected a number, or SOFT:HARD, found \"%s\"", text);
  json_array_append_new (data, json_pack ("{s:s,s:I,s:I}", "Name", key, "Soft", (json_int_t)soft,
                                          "Hard", (json_int_t)hard));
  return TRUE;
}

/* ---- the whole ---- */

static gboolean
parse_host_config (const RpYamlNode *node, json_t *host, GError **error)
{
  static const char *const policies[] = { "no", "on-failure", "always", "unless-stopped", NULL };
  const char *network = "bridge", *restart = "unless-stopped";
  json_t *ulimits = json_array ();
  json_object_set_new (host, "Ulimits", ulimits);
  if (!rp_yaml_opt_string (node, "network", &network, error)
      || !rp_yaml_opt_enum (node, "restart", policies, &restart, error)
      || !parse_list (node, "volumes", host, "Binds", error)
      || !each_scalar (node, "ulimits", add_ulimit, ulimits, error))
    return FALSE;
  json_object_set_new (host, "NetworkMode", json_string (network));
  json_object_set_new (host, "RestartPolicy", json_pack ("{s:s}", "Name", restart));
  if (json_array_size (ulimits) == 0)
    json_object_del (host, "Ulimits");
  return TRUE;
}

static gboolean
parse_config (const RpYamlNode *node, RpContainerOptions *out, GError **error)
{
  json_t *host = json_object ();
  out->config = json_object ();
  out->labels = json_object ();
  json_object_set_new (out->config, "HostConfig", host);
  if (!parse_host_config (node, host, error) || !parse_ports (node, host, out->config, error)
      || !parse_env (node, out->config, error)
      || !parse_list (node, "command", out->config, "Cmd", error)
      || !each_scalar (node, "labels", add_label, out->labels, error))
    return FALSE;
  json_object_set_new (out->config, "StopTimeout",
                       json_integer ((out->stop_timeout_ms + 999) / 1000));
  return TRUE;
}

static void
set_hash (RpContainerOptions *options, const char *target)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (json_t) all = json_pack ("{s:O,s:O,s:s}", "config", options->config, "labels",
                                      options->labels, "target", target);
  g_autofree char *canonical = rp_json_canonical (all);
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, canonical, strlen (canonical));
  const char *hex = rp_digest_format (&digest, text) + strlen ("sha256:");
  g_strlcpy (options->hash, hex, sizeof options->hash);
}

gboolean
rp_container_options_parse (const RpYamlNode *node, const char *target, RpContainerOptions *out,
                            GError **error)
{
  static const char *const keys[]
      = { "socket",  "network", "ports",   "env",          "volumes", "command", "stop_timeout",
          "restart", "labels",  "ulimits", "pull_timeout", "probe",   NULL };
  g_auto (RpContainerOptions) options
      = { .stop_timeout_ms = STOP_TIMEOUT_MS, .pull_timeout_ms = PULL_TIMEOUT_MS };
  const char *socket_path = SOCKET;
  if (!rp_yaml_expect_map (node, keys, error)
      || !rp_yaml_opt_string (node, "socket", &socket_path, error)
      || !rp_yaml_opt_duration_ms (node, "stop_timeout", &options.stop_timeout_ms, error)
      || !rp_yaml_opt_duration_ms (node, "pull_timeout", &options.pull_timeout_ms, error)
      || !rp_probe_parse (rp_yaml_get (node, "probe"), &options.probe, error)
      || !parse_config (node, &options, error))
    return FALSE;
  options.socket = g_strdup (socket_path);
  set_hash (&options, target);
  *out = options;
  options = (RpContainerOptions){ 0 };
  return TRUE;
}
