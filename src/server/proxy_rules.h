/* Which repositories are filled from other registries as they are asked for, and how: `proxy:` of server.yaml.
 *
 *   proxy:
 *     - pattern: "mirror/w*"           # `*` stands for any run of characters, as in policies
 *       upstream: https://ghcr.io/team # repositories are below the path
 *       strip: mirror/                 # mirror/web here is team/web there
 *       tags: 5m                       # always | never | a duration: when upstream is asked what a tag means
 *       credentials_file: ghcr.json    # as Docker's config.json; without it: as anybody
 *       ca_file: ca.pem
 *       push: false                    # may others push into them?
 *
 * and `upstreams:`, the same without pattern, strip, tags and push: registries that are only asked for bytes
 * that were copied in from there and are damaged here.
 */
#pragma once

#include "base/yaml.h"

#define RP_PROXY_TAGS_NEVER (-1) /* of tags_ms */

typedef struct {
  char *pattern; /* "": fits no repository */
  char *upstream;
  char *strip; /* "" : nothing */
  char *credentials_file, *ca_file; /* or NULL */
  gint64 tags_ms; /* a tag is believed for so long; 0: not at all */
  gboolean push;
} RpProxyRule;

typedef struct RpProxyRules RpProxyRules;

/* The keys of the file's root that rules are under. NULL-ended. */
extern const char *const rp_proxy_keys[];
/* Adds a text for each mistake to `problems`. Never NULL. */
RpProxyRules *rp_proxy_rules_parse (const RpYamlNode *root, const char *base_dir,
                                    GPtrArray *problems);
/* All take NULL for no rules. They never change, and may be shared by threads. */
RpProxyRules *rp_proxy_rules_ref (RpProxyRules *rules);
void rp_proxy_rules_unref (RpProxyRules *rules);
guint rp_proxy_rules_count (const RpProxyRules *rules);
const RpProxyRule *rp_proxy_rules_at (const RpProxyRules *rules, guint i);
gboolean rp_proxy_rules_equal (const RpProxyRules *a, const RpProxyRules *b);

/* Does `rule` speak of `repository`, and is what it strips there? Of those that do, the one counts whose pattern has the
 * most characters other than `*`, and among equals the first. */
gboolean rp_proxy_rule_fits (const RpProxyRule *rule, const char *repository);
guint rp_proxy_rule_weight (const RpProxyRule *rule);
