#include "driver/probe.h"

#include "base/error.h"
#include "base/http.h"
#include "driver/command.h"

#include <string.h>

#define HTTP_TIMEOUT_MS    2000
#define COMMAND_TIMEOUT_MS 5000
#define BODY_LIMIT_BYTES   (1024 * 1024)
#define SHOWN_BYTES        200 /* of an unexpected body */

struct RpProbe {
  char *url; /* or NULL: a command */
  char **argv;
  gint64 timeout_ms;
  gint64 expect; /* a status, or 0: any of 200 to 299 */
  char *contains;
  RpHttpClient *http;
};

void
rp_probe_free (RpProbe *probe)
{
  if (!probe)
    return;
  g_free (probe->url);
  g_strfreev (probe->argv);
  g_free (probe->contains);
  rp_http_client_free (probe->http);
  g_free (probe);
}

static gboolean
parse_http (const RpYamlNode *node, RpProbe *probe, GError **error)
{
  static const char *const keys[] = { "http", "timeout", "expect", "contains", NULL };
  const char *url = NULL, *contains = NULL;
  probe->timeout_ms = HTTP_TIMEOUT_MS;
  if (!rp_yaml_expect_map (node, keys, error) || !rp_yaml_need_string (node, "http", &url, error)
      || !rp_yaml_opt_duration_ms (node, "timeout", &probe->timeout_ms, error)
      || !rp_yaml_opt_int (node, "expect", 100, 599, &probe->expect, error)
      || !rp_yaml_opt_string (node, "contains", &contains, error))
    return FALSE;
  if (!g_str_has_prefix (url, "http://") && !g_str_has_prefix (url, "https://"))
    return rp_yaml_error (rp_yaml_get (node, "http"), error,
                          "expected a URL that starts with http:// or https://");
  const RpHttpOptions options = { .connect_timeout_ms = probe->timeout_ms };
  probe->url = g_strdup (url);
  probe->contains = g_strdup (contains);
  probe->http = rp_http_client_new (&options);
  return TRUE;
}

static gboolean
parse_command (const RpYamlNode *node, RpProbe *probe, GError **error)
{
  static const char *const keys[] = { "command", "timeout", NULL };
  probe->timeout_ms = COMMAND_TIMEOUT_MS;
  if (!rp_yaml_expect_map (node, keys, error)
      || !rp_yaml_opt_duration_ms (node, "timeout", &probe->timeout_ms, error)
      || !rp_yaml_opt_strv (node, "command", &probe->argv, error))
    return FALSE;
  if (probe->argv && probe->argv[0])
    return TRUE;
  return rp_yaml_error (rp_yaml_get (node, "command"), error,
                        "expected a program and its arguments, for example [/usr/bin/true]");
}

gboolean
rp_probe_parse (const RpYamlNode *node, RpProbe **out, GError **error)
{
  *out = NULL;
  if (!node)
    return TRUE;
  g_autoptr (RpProbe) probe = g_new0 (RpProbe, 1);
  gboolean http = rp_yaml_is_map (node) && rp_yaml_get (node, "http");
  if (!http && (!rp_yaml_is_map (node) || !rp_yaml_get (node, "command")))
    return rp_yaml_error (node, error, "expected {http: URL, …} or {command: [PROGRAM, …], …}");
  if (!(http ? parse_http : parse_command) (node, probe, error))
    return FALSE;
  if (probe->timeout_ms <= 0)
    return rp_yaml_error (rp_yaml_get (node, "timeout"), error, "expected more than nothing");
  *out = g_steal_pointer (&probe);
  return TRUE;
}

G_GNUC_PRINTF (2, 3)
static gboolean
unhealthy (GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_UNHEALTHY, text);
  return FALSE;
}

static gboolean
judge (const RpProbe *probe, const RpHttpResponse *response, GError **error)
{
  const char *body = (const char *)response->body->data;
  g_autofree char *start
      = g_utf8_make_valid (body ? body : "", (gssize)MIN (response->body->len, SHOWN_BYTES));
  g_strdelimit (start, "\r\n", ' ');
  if (probe->expect == 0 && (response->status < 200 || response->status > 299))
    return unhealthy (error, "%s answered %d, expected 200 to 299: %s", probe->url,
                      response->status, start);
  if (probe->expect != 0 && response->status != probe->expect)
    return unhealthy (error, "%s answered %d, expected %d: %s", probe->url, response->status,
                      (int)probe->expect, start);
  if (probe->contains
      && (!body || !memmem (body, response->body->len, probe->contains, strlen (probe->contains))))
    return unhealthy (error, "%s answered without \"%s\": %s", probe->url, probe->contains, start);
  return TRUE;
}

static gboolean
run_http (const RpProbe *probe, const gint *cancelled, GError **error)
{
  const RpHttpRequest request = { .method = "GET",
                                  .url = probe->url,
                                  .limit_bytes = BODY_LIMIT_BYTES,
                                  .timeout_ms = probe->timeout_ms,
                                  .cancelled = cancelled };
  g_autoptr (GError) failure = NULL;
  g_autoptr (RpHttpResponse) response = rp_http_send (probe->http, &request, &failure);
  if (!response)
    return unhealthy (error, "%s does not answer: %s", probe->url, failure->message);
  return judge (probe, response, error);
}

gboolean
rp_probe_run (const RpProbe *probe, const gint *cancelled, GError **error)
{
  if (probe->url)
    return run_http (probe, cancelled, error);
  const RpCommand command = { .argv = (const char *const *)probe->argv,
                              .timeout_ms = probe->timeout_ms,
                              .cancelled = cancelled };
  g_autoptr (GError) failure = NULL;
  if (rp_command_run (&command, &failure))
    return TRUE;
  return unhealthy (error, "%s", failure->message);
}
