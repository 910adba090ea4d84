#include "signal/prometheus.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "signal/judge.h"

#define ANSWER_MAX (256 * 1024) /* bytes */

static RpSampleOutcome
nothing (const RpSignalRule *rule, const char *what, char **out_detail)
{
  *out_detail = g_strdup (what);
  return rule->no_answer_is_bad ? RP_SAMPLE_BAD : RP_SAMPLE_INCONCLUSIVE;
}

/* `[time, "value"]`: Prometheus writes values as texts. */
static RpSampleOutcome
read_point (const RpSignalRule *rule, const json_t *point, char **out_detail)
{
  const char *text = json_string_value (json_array_get (point, 1));
  char *end = NULL;
  double value = text == NULL ? 0 : g_ascii_strtod (text, &end);
  if (text == NULL || end == text || *end != '\0')
    {
      *out_detail = g_strdup ("the answer has no number where its value should be");
      return RP_SAMPLE_ERROR;
    }
  return rp_signal_judge_value (rule, value, out_detail);
}

static RpSampleOutcome
read_data (const RpSignalRule *rule, const json_t *data, char **out_detail)
{
  const char *type = rp_json_str (data, "resultType");
  const json_t *result = json_object_get (data, "result");
  if (g_strcmp0 (type, "scalar") == 0)
    return read_point (rule, result, out_detail);
  if (g_strcmp0 (type, "vector") != 0)
    {
      *out_detail = g_strdup_printf ("the query returns a %s; it must return one series, or a scalar",
                                     type != NULL ? type : "value without a type");
      return RP_SAMPLE_ERROR;
    }
  gsize series = json_array_size (result);
  if (series == 0)
    return nothing (rule, "no data: the query returns no series", out_detail);
  if (series > 1)
    {
      *out_detail = g_strdup_printf ("the query returns %" G_GSIZE_FORMAT " series; aggregate them, as with sum()", series);
      return RP_SAMPLE_ERROR;
    }
  return read_point (rule, json_object_get (json_array_get (result, 0), "value"), out_detail);
}

RpSampleOutcome
rp_prometheus_read (const RpSignalRule *rule, int status, const void *data, gsize size, char **out_detail)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) json = rp_json_parse (data, size, "answer", &error);
  const char *said = rp_json_str (json, "error");
  if (json != NULL && status == 200 && g_strcmp0 (rp_json_str (json, "status"), "success") == 0)
    return read_data (rule, json_object_get (json, "data"), out_detail);
  *out_detail = g_strdup_printf ("Prometheus answered with status %d: %.300s", status,
                                 said != NULL ? said : json != NULL ? "it says no more" : error->message);
  return RP_SAMPLE_ERROR;
}

static RpHttpResponse *
ask (RpHttpClient *client, const RpSignalRule *rule, const char *query, const gint *cancelled, gboolean post,
     GError **error)
{
  static const char *const headers[]
      = { "Content-Type: application/x-www-form-urlencoded", "Accept: application/json", NULL };
  gsize length = strlen (rule->url);
  while (length > 0 && rule->url[length - 1] == '/')
    length--;
  g_autofree char *escaped = g_uri_escape_string (query, NULL, FALSE);
  g_autofree char *form = g_strconcat ("query=", escaped, NULL);
  g_autofree char *url = g_strdup_printf ("%.*s/api/v1/query%s%s", (int) length, rule->url, post ? "" : "?",
                                          post ? "" : form);
  RpHttpRequest request = { .method = post ? "POST" : "GET", .url = url, .headers = headers,
                            .limit_bytes = ANSWER_MAX, .timeout_ms = rule->timeout_ms, .stay = TRUE,
                            .cancelled = cancelled };
  if (post)
    {
      request.body = form;
      request.body_size = strlen (form);
    }
  return rp_http_send (client, &request, error);
}

/* What stands before Prometheus may let nothing but GET through. */
static gboolean
wants_get (int status)
{
  return status == 403 || status == 405 || status == 501;
}

RpSampleOutcome
rp_prometheus_measure (RpHttpClient *client, const RpSignalRule *rule, const char *query, const gint *cancelled,
                       char **out_detail)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (RpHttpResponse) response = ask (client, rule, query, cancelled, TRUE, &error);
  if (response != NULL && wants_get (response->status))
    {
      g_clear_pointer (&response, rp_http_response_free);
      response = ask (client, rule, query, cancelled, FALSE, &error);
    }
  if (response == NULL)
    return nothing (rule, error->message, out_detail);
  return rp_prometheus_read (rule, response->status, response->body->data, response->body->len, out_detail);
}
