#include "release/gate_rules.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"

#define FREEZES_MAX 50

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

RpGateRules *
rp_gate_rules_parse (const RpYamlNode *node, GError **error)
{
  static const char *const keys[] = { "freeze", NULL };
  g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
  if (node != NULL
      && (!rp_yaml_expect_map (node, keys, error) || !parse_freezes (node, rules, error)))
    return NULL;
  return g_steal_pointer (&rules);
}

/* ---- JSON ---- */

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

json_t *
rp_gate_rules_to_json (const RpGateRules *rules)
{
  json_t *json = json_object ();
  if (rules->freezes->len > 0)
    json_object_set_new (json, "freeze", freezes_to_json (rules->freezes));
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

RpGateRules *
rp_gate_rules_from_text (const char *text, GError **error)
{
  g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
  if (text == NULL)
    return g_steal_pointer (&rules);
  g_autoptr (json_t) json = rp_json_parse (text, strlen (text), "gates", error);
  if (json == NULL || !read_freezes (json, rules, error))
    return NULL;
  return g_steal_pointer (&rules);
}
