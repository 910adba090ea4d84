#include "server/proxy_rules.h"

#include <string.h>

#include "base/error.h"
#include "oci/upstream.h"
#include "registry/policy.h"

#define TAGS_DEFAULT_MS (5 * 60 * 1000)
#define TAGS_MAX_MS (365 * 86400 * G_GINT64_CONSTANT (1000))

struct RpProxyRules {
  gatomicrefcount refs;
  GPtrArray *list; /* RpProxyRule */
};

static void
free_rule (gpointer data)
{
  RpProxyRule *rule = data;

  g_free (rule->pattern);
  g_free (rule->upstream);
  g_free (rule->strip);
  g_free (rule->credentials_file);
  g_free (rule->ca_file);
  g_free (rule);
}

RpProxyRules *
rp_proxy_rules_ref (RpProxyRules *rules)
{
  if (rules != NULL)
    g_atomic_ref_count_inc (&rules->refs);
  return rules;
}

void
rp_proxy_rules_unref (RpProxyRules *rules)
{
  if (rules == NULL || !g_atomic_ref_count_dec (&rules->refs))
    return;
  g_ptr_array_unref (rules->list);
  g_free (rules);
}

guint
rp_proxy_rules_count (const RpProxyRules *rules)
{
  return rules != NULL ? rules->list->len : 0;
}

const RpProxyRule *
rp_proxy_rules_at (const RpProxyRules *rules, guint i)
{
  return g_ptr_array_index (rules->list, i);
}

static gboolean
same_rule (const RpProxyRule *a, const RpProxyRule *b)
{
  return strcmp (a->pattern, b->pattern) == 0 && strcmp (a->upstream, b->upstream) == 0
         && strcmp (a->strip, b->strip) == 0
         && g_strcmp0 (a->credentials_file, b->credentials_file) == 0
         && g_strcmp0 (a->ca_file, b->ca_file) == 0 && a->tags_ms == b->tags_ms
         && a->push == b->push;
}

gboolean
rp_proxy_rules_equal (const RpProxyRules *a, const RpProxyRules *b)
{
  guint count = rp_proxy_rules_count (a);

  if (count != rp_proxy_rules_count (b))
    return FALSE;
  for (guint i = 0; i < count; i++)
    if (!same_rule (rp_proxy_rules_at (a, i), rp_proxy_rules_at (b, i)))
      return FALSE;
  return TRUE;
}

gboolean
rp_proxy_rule_fits (const RpProxyRule *rule, const char *repository)
{
  return rp_pattern_match (rule->pattern, repository) && g_str_has_prefix (repository, rule->strip)
         && repository[strlen (rule->strip)] != '\0';
}

guint
rp_proxy_rule_weight (const RpProxyRule *rule)
{
  guint weight = 0;

  for (const char *p = rule->pattern; *p != '\0'; p++)
    weight += *p != '*';
  return weight;
}

/* ---- reading ---- */

static gboolean
take_tags (const RpYamlNode *node, RpProxyRule *rule, GError **error)
{
  const char *text = NULL;

  rule->tags_ms = TAGS_DEFAULT_MS;
  if (!rp_yaml_opt_string (node, "tags", &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  if (strcmp (text, "always") == 0)
    rule->tags_ms = 0;
  else if (strcmp (text, "never") == 0)
    rule->tags_ms = RP_PROXY_TAGS_NEVER;
  else if (!rp_duration_parse_ms (text, &rule->tags_ms) || rule->tags_ms <= 0
           || rule->tags_ms > TAGS_MAX_MS)
    return rp_yaml_error (rp_yaml_get (node, "tags"), error,
                          "expected always, never or a duration such as 5m, found \"%.100s\"", text);
  return TRUE;
}

static gboolean
take_path (const RpYamlNode *node, const char *key, const char *base_dir, char **out,
           GError **error)
{
  const char *text = NULL;

  if (!rp_yaml_opt_string (node, key, &text, error))
    return FALSE;
  if (text != NULL && *text == '\0')
    return rp_yaml_error (rp_yaml_get (node, key), error, "expected a file, found nothing");
  *out = text != NULL ? g_canonicalize_filename (text, base_dir) : NULL;
  return TRUE;
}

static gboolean
check_upstream (const RpYamlNode *node, const RpProxyRule *rule, GError **error)
{
  const RpUpstreamOptions options = { .url = rule->upstream };
  g_autoptr (GError) problem = NULL;
  g_autoptr (RpUpstream) upstream = rp_upstream_new (&options, &problem);

  return upstream != NULL
         || rp_yaml_error (rp_yaml_get (node, "upstream"), error, "%s", problem->message);
}

/* Which registry, and how it is spoken to. */
static gboolean
take_registry (const RpYamlNode *node, const char *base_dir, RpProxyRule *rule, GError **error)
{
  const char *upstream = "";

  if (!rp_yaml_need_string (node, "upstream", &upstream, error)
      || !take_path (node, "credentials_file", base_dir, &rule->credentials_file, error)
      || !take_path (node, "ca_file", base_dir, &rule->ca_file, error))
    return FALSE;
  rule->upstream = g_strdup (upstream);
  return check_upstream (node, rule, error);
}

static gboolean
take_upstream (const RpYamlNode *node, const char *base_dir, RpProxyRule *rule, GError **error)
{
  static const char *const keys[] = { "upstream", "credentials_file", "ca_file", NULL };

  rule->pattern = g_strdup ("");
  rule->strip = g_strdup ("");
  return rp_yaml_expect_map (node, keys, error) && take_registry (node, base_dir, rule, error);
}

static gboolean
take_rule (const RpYamlNode *node, const char *base_dir, RpProxyRule *rule, GError **error)
{
  static const char *const keys[]
      = { "pattern", "upstream", "strip", "tags", "credentials_file", "ca_file", "push", NULL };
  const char *pattern = "", *strip = "";

  if (!rp_yaml_expect_map (node, keys, error)
      || !rp_yaml_need_string (node, "pattern", &pattern, error)
      || !rp_yaml_opt_string (node, "strip", &strip, error)
      || !rp_yaml_opt_bool (node, "push", &rule->push, error) || !take_tags (node, rule, error))
    return FALSE;
  if (*pattern == '\0' || strlen (pattern) > RP_POLICY_PATTERN_MAX)
    return rp_yaml_error (rp_yaml_get (node, "pattern"), error,
                          "expected a pattern of 1 to %d bytes, such as mirror/**",
                          RP_POLICY_PATTERN_MAX);
  rule->pattern = g_strdup (pattern);
  rule->strip = g_strdup (strip);
  return take_registry (node, base_dir, rule, error);
}

typedef gboolean (*Take) (const RpYamlNode *node, const char *base_dir, RpProxyRule *rule,
                          GError **error);

static void
take_list (RpProxyRules *rules, const RpYamlNode *node, const char *base_dir, Take take,
           GPtrArray *problems)
{
  g_autoptr (GError) error = NULL;

  if (node == NULL)
    return;
  if (!rp_yaml_is_list (node))
    {
      (void) !rp_yaml_error (node, &error, "expected a list, each entry with an upstream");
      g_ptr_array_add (problems, g_strdup (error->message));
      return;
    }
  for (gsize i = 0; i < rp_yaml_count (node); i++)
    {
      RpProxyRule *rule = g_new0 (RpProxyRule, 1);
      g_autoptr (GError) problem = NULL;

      if (take (rp_yaml_at (node, i, NULL), base_dir, rule, &problem))
        {
          g_ptr_array_add (rules->list, rule);
          continue;
        }
      free_rule (rule);
      g_ptr_array_add (problems, g_strdup (problem->message));
    }
}

const char *const rp_proxy_keys[] = { "proxy", "upstreams", NULL };

RpProxyRules *
rp_proxy_rules_parse (const RpYamlNode *root, const char *base_dir, GPtrArray *problems)
{
  RpProxyRules *rules = g_new0 (RpProxyRules, 1);

  g_atomic_ref_count_init (&rules->refs);
  rules->list = g_ptr_array_new_with_free_func (free_rule);
  take_list (rules, rp_yaml_get (root, rp_proxy_keys[0]), base_dir, take_rule, problems);
  take_list (rules, rp_yaml_get (root, rp_proxy_keys[1]), base_dir, take_upstream, problems);
  return rules;
}
