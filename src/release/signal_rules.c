#include "release/signal_rules.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "release/signal_query.h"

#define WATCH_MAX        20
#define MEASUREMENTS_MAX 2000 /* of one signal after one move: each is an event of the ledger */
#define QUERY_MAX        4096 /* bytes */
#define NAME_MAX_BYTES   63
#define FOR_MAX_MS       (30 * 86400 * G_GINT64_CONSTANT (1000))
#define FOR_MS           (15 * 60 * 1000)
#define EVERY_MS         (30 * 1000)
#define EVERY_MIN_MS     100
#define TIMEOUT_MS       5000
#define TIMEOUT_MAX_MS   30000
#define LIMIT_MAX        100
#define FAILURE_LIMIT    2
#define ERROR_LIMIT      4

static const char *const action_names[] = { [RP_SIGNAL_NOTIFY] = "notify", [RP_SIGNAL_PAUSE] = "pause",
                                            [RP_SIGNAL_ROLLBACK] = "rollback", NULL };

const char *
rp_signal_action_name (RpSignalAction action)
{
  return action_names[action];
}

static RpSignalAction
action_of (const char *name)
{
  for (gsize i = 0; action_names[i] != NULL; i++)
    if (g_strcmp0 (name, action_names[i]) == 0)
      return (RpSignalAction) i;
  return RP_SIGNAL_NOTIFY;
}

static void
rule_free (gpointer data)
{
  RpSignalRule *rule = data;
  g_free (rule->name);
  g_free (rule->url);
  g_free (rule->query);
  g_free (rule->bad_above);
  g_free (rule->bad_below);
  g_free (rule);
}

static RpSignalRules *
rules_new (void)
{
  RpSignalRules *rules = g_new0 (RpSignalRules, 1);
  rules->watch = g_ptr_array_new_with_free_func (rule_free);
  return rules;
}

void
rp_signal_rules_free (RpSignalRules *rules)
{
  if (rules == NULL)
    return;
  g_ptr_array_unref (rules->watch);
  g_free (rules);
}

/* ---- repoint.yaml ---- */

static gboolean
parse_name (const RpYamlNode *node, const RpSignalRules *rules, RpSignalRule *rule, GError **error)
{
  const char *name;
  if (!rp_yaml_need_string (node, "name", &name, error))
    return FALSE;
  gsize length = strlen (name);
  if (length == 0 || length > NAME_MAX_BYTES || name[0] == '-'
      || strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
    return rp_yaml_error (rp_yaml_get (node, "name"), error,
                          "\"%s\" is no name of a signal: use 1 to %d of a-z, 0-9 and -, not - first", name,
                          NAME_MAX_BYTES);
  for (guint i = 0; i < rules->watch->len; i++)
    if (g_str_equal (((RpSignalRule *) rules->watch->pdata[i])->name, name))
      return rp_yaml_error (rp_yaml_get (node, "name"), error, "there is a signal %s already", name);
  rule->name = g_strdup (name);
  return TRUE;
}

/* Secrets do not belong into the declaration, which everybody who may read the app sees. */
static gboolean
is_plain_url (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  if (uri == NULL || g_uri_get_userinfo (uri) != NULL || g_uri_get_host (uri) == NULL
      || *g_uri_get_host (uri) == '\0')
    return FALSE;
  return g_str_equal (g_uri_get_scheme (uri), "https") || g_str_equal (g_uri_get_scheme (uri), "http");
}

static gboolean
parse_url (const RpYamlNode *node, const char *key, RpSignalRule *rule, GError **error)
{
  const char *url;
  if (!rp_yaml_need_string (node, key, &url, error))
    return FALSE;
  rule->url = g_strdup (url);
  return is_plain_url (url)
         || rp_yaml_error (rp_yaml_get (node, key), error,
                           "expected an http:// or https:// address, without a password");
}

static gboolean
parse_threshold (const RpYamlNode *node, const char *key, char **out, GError **error)
{
  const char *text = NULL;
  char *end = NULL;
  if (!rp_yaml_opt_string (node, key, &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  if (*text == '\0' || g_ascii_isspace (*text) || !isfinite (g_ascii_strtod (text, &end)) || *end != '\0')
    return rp_yaml_error (rp_yaml_get (node, key), error, "expected a number such as 0.02, found \"%s\"", text);
  *out = g_strdup (text);
  return TRUE;
}

static gboolean
parse_probe (const RpYamlNode *node, RpSignalRule *rule, GError **error)
{
  static const char *const others[] = { "query", "bad_above", "bad_below", NULL };
  rule->no_answer_is_bad = TRUE;
  for (const char *const *other = others; *other != NULL; other++)
    if (rp_yaml_get (node, *other) != NULL)
      return rp_yaml_error (rp_yaml_get (node, *other), error, "only a signal with `prometheus` has one");
  return parse_url (node, "http", rule, error)
         && rp_yaml_opt_int (node, "status", 100, 599, &rule->status, error);
}

static gboolean
parse_query (const RpYamlNode *node, RpSignalRule *rule, GError **error)
{
  const char *query;
  g_autoptr (GError) local = NULL;
  if (rp_yaml_get (node, "status") != NULL)
    return rp_yaml_error (rp_yaml_get (node, "status"), error, "only a signal with `http` has one");
  if (!parse_url (node, "prometheus", rule, error) || !rp_yaml_need_string (node, "query", &query, error)
      || !parse_threshold (node, "bad_above", &rule->bad_above, error)
      || !parse_threshold (node, "bad_below", &rule->bad_below, error))
    return FALSE;
  rule->query = g_strdup (query);
  if (*query == '\0' || strlen (query) > QUERY_MAX)
    return rp_yaml_error (rp_yaml_get (node, "query"), error, "expected 1 to %d bytes of PromQL", QUERY_MAX);
  if (!rp_signal_query_check (query, &local))
    return rp_yaml_error (rp_yaml_get (node, "query"), error, "%s", local->message);
  if (rule->bad_above == NULL && rule->bad_below == NULL)
    return rp_yaml_error (node, error, "say from where on a value is bad: bad_above, bad_below or both");
  return TRUE;
}

static gboolean
parse_times (const RpYamlNode *node, const RpSignalRules *rules, RpSignalRule *rule, GError **error)
{
  rule->every_ms = EVERY_MS;
  rule->timeout_ms = TIMEOUT_MS;
  rule->failure_limit = FAILURE_LIMIT;
  rule->error_limit = ERROR_LIMIT;
  if (!rp_yaml_opt_duration_ms (node, "every", &rule->every_ms, error)
      || !rp_yaml_opt_duration_ms (node, "delay", &rule->delay_ms, error)
      || !rp_yaml_opt_duration_ms (node, "timeout", &rule->timeout_ms, error)
      || !rp_yaml_opt_int (node, "failure_limit", 0, LIMIT_MAX, &rule->failure_limit, error)
      || !rp_yaml_opt_int (node, "error_limit", 0, LIMIT_MAX, &rule->error_limit, error))
    return FALSE;
  if (rule->every_ms < EVERY_MIN_MS || rule->every_ms > rules->for_ms)
    return rp_yaml_error (node, error, "every: expected from %dms to the time that it is watched for", EVERY_MIN_MS);
  if (rule->timeout_ms <= 0 || rule->timeout_ms > TIMEOUT_MAX_MS)
    return rp_yaml_error (node, error, "timeout: expected 1ms to 30s");
  if (rules->for_ms / rule->every_ms > MEASUREMENTS_MAX)
    return rp_yaml_error (node, error, "that is more than %d measurements, each an event of the ledger: measure"
                          " less often, or watch it for less long", MEASUREMENTS_MAX);
  if (rule->delay_ms < 0 || rule->delay_ms + rule->every_ms * rule->failure_limit >= rules->for_ms)
    return rp_yaml_error (node, error, "it could never fail: from its delay on, there are not as many as"
                          " failure_limit + 1 measurements in the time that it is watched for");
  return TRUE;
}

static gboolean
parse_rule (const RpYamlNode *node, const RpSignalRules *rules, RpSignalRule *rule, GError **error)
{
  static const char *const keys[]
      = { "name", "http", "status", "prometheus", "query", "bad_above", "bad_below", "no_answer", "every", "delay",
          "timeout", "failure_limit", "error_limit", NULL };
  static const char *const no_answers[] = { "bad", "inconclusive", NULL };
  const char *no_answer = NULL;
  if (!rp_yaml_expect_map (node, keys, error) || !parse_name (node, rules, rule, error))
    return FALSE;
  gboolean probe = rp_yaml_get (node, "http") != NULL;
  if (probe == (rp_yaml_get (node, "prometheus") != NULL))
    return rp_yaml_error (node, error, "a signal has either `http` or `prometheus`");
  if (!(probe ? parse_probe (node, rule, error) : parse_query (node, rule, error))
      || !rp_yaml_opt_enum (node, "no_answer", no_answers, &no_answer, error)
      || !parse_times (node, rules, rule, error))
    return FALSE;
  if (no_answer != NULL)
    rule->no_answer_is_bad = g_str_equal (no_answer, "bad");
  return TRUE;
}

static gboolean
parse_watch (const RpYamlNode *node, RpSignalRules *rules, GError **error)
{
  const RpYamlNode *list = rp_yaml_get (node, "watch");
  if (list == NULL || !rp_yaml_is_list (list) || rp_yaml_count (list) == 0 || rp_yaml_count (list) > WATCH_MAX)
    return rp_yaml_error (list == NULL ? node : list, error,
                          "watch: expected a list of 1 to %d signals, `- {name: front, http: https://…}`", WATCH_MAX);
  for (gsize i = 0; i < rp_yaml_count (list); i++)
    {
      RpSignalRule *rule = g_new0 (RpSignalRule, 1);
      gboolean parsed = parse_rule (rp_yaml_at (list, i, NULL), rules, rule, error);
      g_ptr_array_add (rules->watch, rule);
      if (!parsed)
        return FALSE;
    }
  return TRUE;
}

RpSignalRules *
rp_signal_rules_parse (const RpYamlNode *node, GError **error)
{
  static const char *const keys[] = { "for", "on_failure", "watch", NULL };
  g_autoptr (RpSignalRules) rules = rules_new ();
  const char *action = "notify";
  if (node == NULL)
    return g_steal_pointer (&rules);
  rules->for_ms = FOR_MS;
  if (!rp_yaml_expect_map (node, keys, error)
      || !rp_yaml_opt_duration_ms (node, "for", &rules->for_ms, error)
      || !rp_yaml_opt_enum (node, "on_failure", action_names, &action, error))
    return NULL;
  rules->on_failure = action_of (action);
  if (rules->for_ms <= 0 || rules->for_ms > FOR_MAX_MS)
    {
      (void) rp_yaml_error (rp_yaml_get (node, "for"), error, "expected 1ms to 30d");
      return NULL;
    }
  return parse_watch (node, rules, error) ? g_steal_pointer (&rules) : NULL;
}

/* ---- JSON ---- */

static void
set_text (json_t *json, const char *key, const char *text)
{
  if (text != NULL)
    json_object_set_new (json, key, json_string (text));
}

static json_t *
rule_to_json (const RpSignalRule *rule)
{
  json_t *json = json_object ();
  set_text (json, "name", rule->name);
  set_text (json, rule->query == NULL ? "http" : "prometheus", rule->url);
  set_text (json, "query", rule->query);
  if (rule->status != 0)
    json_object_set_new (json, "status", json_integer (rule->status));
  set_text (json, "bad_above", rule->bad_above);
  set_text (json, "bad_below", rule->bad_below);
  set_text (json, "no_answer", rule->no_answer_is_bad ? "bad" : "inconclusive");
  json_object_set_new (json, "every_ms", json_integer (rule->every_ms));
  json_object_set_new (json, "delay_ms", json_integer (rule->delay_ms));
  json_object_set_new (json, "timeout_ms", json_integer (rule->timeout_ms));
  json_object_set_new (json, "failure_limit", json_integer (rule->failure_limit));
  json_object_set_new (json, "error_limit", json_integer (rule->error_limit));
  return json;
}

json_t *
rp_signal_rules_to_json (const RpSignalRules *rules)
{
  json_t *json = json_object ();
  if (rules->watch->len == 0)
    return json;
  json_t *watch = json_array ();
  for (guint i = 0; i < rules->watch->len; i++)
    json_array_append_new (watch, rule_to_json (rules->watch->pdata[i]));
  json_object_set_new (json, "for_ms", json_integer (rules->for_ms));
  set_text (json, "on_failure", rp_signal_action_name (rules->on_failure));
  json_object_set_new (json, "watch", watch);
  return json;
}

static RpSignalRule *
rule_from_json (const json_t *json)
{
  RpSignalRule *rule = g_new0 (RpSignalRule, 1);
  const char *probe = rp_json_str (json, "http");
  rule->name = g_strdup (rp_json_str (json, "name"));
  rule->url = g_strdup (probe != NULL ? probe : rp_json_str (json, "prometheus"));
  rule->query = g_strdup (rp_json_str (json, "query"));
  rule->status = rp_json_int (json, "status");
  rule->bad_above = g_strdup (rp_json_str (json, "bad_above"));
  rule->bad_below = g_strdup (rp_json_str (json, "bad_below"));
  rule->no_answer_is_bad = g_strcmp0 (rp_json_str (json, "no_answer"), "bad") == 0;
  rule->every_ms = rp_json_int (json, "every_ms");
  rule->delay_ms = rp_json_int (json, "delay_ms");
  rule->timeout_ms = rp_json_int (json, "timeout_ms");
  rule->failure_limit = rp_json_int (json, "failure_limit");
  rule->error_limit = rp_json_int (json, "error_limit");
  return rule;
}

RpSignalRules *
rp_signal_rules_from_text (const char *text, GError **error)
{
  g_autoptr (RpSignalRules) rules = rules_new ();
  if (text == NULL)
    return g_steal_pointer (&rules);
  g_autoptr (json_t) json = rp_json_parse (text, strlen (text), "signals", error);
  if (json == NULL)
    return NULL;
  rules->for_ms = rp_json_int (json, "for_ms");
  rules->on_failure = action_of (rp_json_str (json, "on_failure"));
  gsize i;
  json_t *one;
  json_array_foreach (json_object_get (json, "watch"), i, one)
    g_ptr_array_add (rules->watch, rule_from_json (one));
  return g_steal_pointer (&rules);
}
