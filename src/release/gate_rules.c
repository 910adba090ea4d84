#include "release/gate_rules.h"

#include <string.h>

#include "base/error.h"
#include "base/http.h"
#include "base/json.h"
#include "oci/signature.h"

#define KEYS_MAX       20
#define FREEZES_MAX   50
#define APPROVALS_MAX 20
#define RATE_MAX      1000
#define WEBHOOK_MS    5000
#define WEBHOOK_MAX_MS 30000
#define LONGEST_MS    (366 * G_GINT64_CONSTANT (86400000))

RpGateRules *
rp_gate_rules_new (void)
{
  RpGateRules *rules = g_new0 (RpGateRules, 1);
  rules->freezes = g_ptr_array_new_with_free_func (rp_freeze_free);
  return rules;
}

void
rp_gate_rules_free (RpGateRules *rules)
{
  if (rules == NULL)
    return;
  g_ptr_array_unref (rules->freezes);
  g_strfreev (rules->from);
  g_free (rules->approvers);
  g_free (rules->webhook);
  g_strfreev (rules->keys);
  g_free (rules);
}

/* ---- repoint.yaml ---- */

static gboolean
parse_freeze (const RpYamlNode *node, RpGateRules *rules, GError **error)
{
  static const char *const keys[] = { "at", "for", "zone", "because", NULL };
  const char *at, *zone = NULL, *because = NULL;
  gint64 for_ms = 0;
  g_autoptr (GError) local = NULL;
  if (!rp_yaml_expect_map (node, keys, error) || !rp_yaml_need_string (node, "at", &at, error)
      || !rp_yaml_opt_duration_ms (node, "for", &for_ms, error)
      || !rp_yaml_opt_string (node, "zone", &zone, error)
      || !rp_yaml_opt_string (node, "because", &because, error))
    return FALSE;
  RpFreeze *freeze = rp_freeze_new (at, zone, for_ms, because, &local);
  if (freeze == NULL)
    return rp_yaml_error (node, error, "%s", local->message);
  g_ptr_array_add (rules->freezes, freeze);
  return TRUE;
}

static gboolean
parse_freezes (const RpYamlNode *map, RpGateRules *rules, GError **error)
{
  const RpYamlNode *list = rp_yaml_get (map, "freeze");
  if (list == NULL)
    return TRUE;
  if (!rp_yaml_is_list (list))
    return rp_yaml_error (list, error, "expected a list, `- {at: \"0 16 * * fri\", for: 64h, zone: Europe/Berlin}`");
  if (rp_yaml_count (list) > FREEZES_MAX)
    return rp_yaml_error (list, error, "at most %d freezes", FREEZES_MAX);
  for (gsize i = 0; i < rp_yaml_count (list); i++)
    if (!parse_freeze (rp_yaml_at (list, i, NULL), rules, error))
      return FALSE;
  return TRUE;
}

static gboolean
parse_soak (const RpYamlNode *map, RpGateRules *rules, GError **error)
{
  if (!rp_yaml_opt_strv (map, "from", &rules->from, error)
      || !rp_yaml_opt_duration_ms (map, "soak", &rules->soak_ms, error))
    return FALSE;
  if (rules->soak_ms >= 0 && rules->soak_ms <= LONGEST_MS)
    return TRUE;
  return rp_yaml_error (rp_yaml_get (map, "soak"), error, "at most 366d");
}

static gboolean
parse_approvals (const RpYamlNode *map, RpGateRules *rules, GError **error)
{
  static const char *const keys[] = { "needed", "group", NULL };
  const RpYamlNode *node = rp_yaml_get (map, "approvals");
  const char *group = NULL;
  if (node == NULL)
    return TRUE;
  rules->approvals = 1;
  if (!rp_yaml_expect_map (node, keys, error)
      || !rp_yaml_opt_int (node, "needed", 1, APPROVALS_MAX, &rules->approvals, error)
      || !rp_yaml_opt_string (node, "group", &group, error))
    return FALSE;
  rules->approvers = g_strdup (group);
  return TRUE;
}

static gboolean
parse_rate (const RpYamlNode *map, RpGateRules *rules, GError **error)
{
  static const char *const keys[] = { "at_most", "per", NULL };
  const RpYamlNode *node = rp_yaml_get (map, "rate");
  if (node == NULL)
    return TRUE;
  rules->rate_most = 1;
  if (!rp_yaml_expect_map (node, keys, error)
      || !rp_yaml_opt_int (node, "at_most", 1, RATE_MAX, &rules->rate_most, error)
      || !rp_yaml_opt_duration_ms (node, "per", &rules->rate_per_ms, error))
    return FALSE;
  if (rules->rate_per_ms > 0 && rules->rate_per_ms <= LONGEST_MS)
    return TRUE;
  return rp_yaml_error (node, error, "per: expected 1ms to 366d, as in {at_most: 3, per: 24h}");
}

/* Secrets do not belong into the declaration, which everybody who may read the app sees. */
static gboolean
is_safe_url (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  if (uri == NULL || g_uri_get_userinfo (uri) != NULL || g_uri_get_host (uri) == NULL
      || *g_uri_get_host (uri) == '\0')
    return FALSE;
  return g_str_equal (g_uri_get_scheme (uri), "https")
         || (g_str_equal (g_uri_get_scheme (uri), "http") && rp_http_is_loopback (url));
}

static gboolean
parse_webhook (const RpYamlNode *map, RpGateRules *rules, GError **error)
{
  static const char *const keys[] = { "url", "timeout", NULL };
  const RpYamlNode *node = rp_yaml_get (map, "webhook");
  const char *url;
  if (node == NULL)
    return TRUE;
  rules->webhook_timeout_ms = WEBHOOK_MS;
  if (!rp_yaml_expect_map (node, keys, error) || !rp_yaml_need_string (node, "url", &url, error)
      || !rp_yaml_opt_duration_ms (node, "timeout", &rules->webhook_timeout_ms, error))
    return FALSE;
  if (rules->webhook_timeout_ms <= 0 || rules->webhook_timeout_ms > WEBHOOK_MAX_MS)
    return rp_yaml_error (rp_yaml_get (node, "timeout"), error, "expected 1ms to 30s");
  rules->webhook = g_strdup (url);
  return is_safe_url (url)
         || rp_yaml_error (rp_yaml_get (node, "url"), error,
                           "expected an https:// address, or http:// on this host, without a password");
}

static gboolean
parse_signatures (const RpYamlNode *map, RpGateRules *rules, GError **error)
{
  static const char *const keys[] = { "keys", NULL };
  const RpYamlNode *node = rp_yaml_get (map, "signatures");
  g_autoptr (GError) local = NULL;
  if (node == NULL)
    return TRUE;
  if (!rp_yaml_expect_map (node, keys, error) || !rp_yaml_opt_strv (node, "keys", &rules->keys, error))
    return FALSE;
  guint n = rules->keys == NULL ? 0 : g_strv_length (rules->keys);
  if (n == 0 || n > KEYS_MAX)
    return rp_yaml_error (node, error, "keys: expected a list of 1 to %d public keys", KEYS_MAX);
  for (char **key = rules->keys; *key != NULL; key++)
    if (!rp_signature_check_key (*key, &local))
      return rp_yaml_error (rp_yaml_get (node, "keys"), error, "%s", local->message);
  return TRUE;
}

RpGateRules *
rp_gate_rules_parse (const RpYamlNode *node, GError **error)
{
  static const char *const keys[] = { "freeze", "from", "soak", "approvals", "rate", "webhook", "signatures", NULL };
  g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
  if (node != NULL
      && (!rp_yaml_expect_map (node, keys, error) || !parse_freezes (node, rules, error)
          || !parse_soak (node, rules, error) || !parse_approvals (node, rules, error)
          || !parse_rate (node, rules, error) || !parse_webhook (node, rules, error)
          || !parse_signatures (node, rules, error)))
    return NULL;
  return g_steal_pointer (&rules);
}

/* ---- JSON ---- */

static json_t *
texts_to_json (char **texts)
{
  json_t *array = json_array ();
  for (char **text = texts; *text != NULL; text++)
    json_array_append_new (array, json_string (*text));
  return array;
}

static json_t *
freezes_to_json (const GPtrArray *freezes)
{
  json_t *array = json_array ();
  for (guint i = 0; i < freezes->len; i++)
    {
      const RpFreeze *freeze = freezes->pdata[i];
      json_t *one = json_object ();
      json_object_set_new (one, "at", json_string (freeze->at));
      json_object_set_new (one, "for_ms", json_integer (freeze->for_ms));
      json_object_set_new (one, "zone", json_string (freeze->zone));
      if (freeze->because != NULL)
        json_object_set_new (one, "because", json_string (freeze->because));
      json_array_append_new (array, one);
    }
  return array;
}

static void
limits_to_json (const RpGateRules *rules, json_t *json)
{
  if (rules->approvals > 0)
    {
      json_t *approvals = json_object ();
      json_object_set_new (approvals, "needed", json_integer (rules->approvals));
      if (rules->approvers != NULL)
        json_object_set_new (approvals, "group", json_string (rules->approvers));
      json_object_set_new (json, "approvals", approvals);
    }
  if (rules->rate_most > 0)
    {
      json_t *rate = json_object ();
      json_object_set_new (rate, "at_most", json_integer (rules->rate_most));
      json_object_set_new (rate, "per_ms", json_integer (rules->rate_per_ms));
      json_object_set_new (json, "rate", rate);
    }
  if (rules->webhook != NULL)
    {
      json_t *webhook = json_object ();
      json_object_set_new (webhook, "url", json_string (rules->webhook));
      json_object_set_new (webhook, "timeout_ms", json_integer (rules->webhook_timeout_ms));
      json_object_set_new (json, "webhook", webhook);
    }
}

json_t *
rp_gate_rules_to_json (const RpGateRules *rules)
{
  json_t *json = json_object ();
  if (rules->freezes->len > 0)
    json_object_set_new (json, "freeze", freezes_to_json (rules->freezes));
  if (rules->from != NULL)
    json_object_set_new (json, "from", texts_to_json (rules->from));
  if (rules->keys != NULL)
    {
      json_t *signatures = json_object ();
      json_object_set_new (signatures, "keys", texts_to_json (rules->keys));
      json_object_set_new (json, "signatures", signatures);
    }
  if (rules->soak_ms > 0)
    json_object_set_new (json, "soak_ms", json_integer (rules->soak_ms));
  limits_to_json (rules, json);
  return json;
}

static gboolean
read_freezes (const json_t *json, RpGateRules *rules, GError **error)
{
  gsize i;
  json_t *one;
  json_array_foreach (json_object_get (json, "freeze"), i, one)
  {
    RpFreeze *freeze = rp_freeze_new (rp_json_str (one, "at"), rp_json_str (one, "zone"),
                                      rp_json_int (one, "for_ms"), rp_json_str (one, "because"), error);
    if (freeze == NULL)
      return FALSE;
    g_ptr_array_add (rules->freezes, freeze);
  }
  return TRUE;
}

static void
read_limits (const json_t *json, RpGateRules *rules)
{
  const json_t *from = json_object_get (json, "from");
  const json_t *approvals = json_object_get (json, "approvals");
  const json_t *rate = json_object_get (json, "rate");
  const json_t *webhook = json_object_get (json, "webhook");
  const json_t *keys = json_object_get (json_object_get (json, "signatures"), "keys");
  rules->from = from == NULL ? NULL : rp_json_strv (from);
  rules->soak_ms = rp_json_int (json, "soak_ms");
  rules->approvals = rp_json_int (approvals, "needed");
  rules->approvers = g_strdup (rp_json_str (approvals, "group"));
  rules->rate_most = rp_json_int (rate, "at_most");
  rules->rate_per_ms = rp_json_int (rate, "per_ms");
  rules->keys = keys == NULL ? NULL : rp_json_strv (keys);
  rules->webhook = g_strdup (rp_json_str (webhook, "url"));
  rules->webhook_timeout_ms = rp_json_int (webhook, "timeout_ms");
}

RpGateRules *
rp_gate_rules_from_text (const char *text, GError **error)
{
  g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
  if (text == NULL)
    return g_steal_pointer (&rules);
  g_autoptr (json_t) json = rp_json_parse (text, strlen (text), "gates", error);
  if (json == NULL || !read_freezes (json, rules, error))
    return NULL;
  read_limits (json, rules);
  return g_steal_pointer (&rules);
}
