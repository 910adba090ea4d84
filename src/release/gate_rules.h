/* What an environment asks of a deploy or a promote: `gates:` of repoint.yaml, and the same as JSON in the ledger. */
#pragma once

#include "base/yaml.h"
#include "release/freeze.h"

typedef struct
{
  GPtrArray *freezes;  /* RpFreeze */
  char **from;         /* environments in one of which it must be healthy before, NULL-ended; NULL: in none */
  gint64 soak_ms;      /* for so long */
  gint64 approvals;    /* how many must say yes; 0: none */
  char *approvers;     /* the group that they are of; NULL: any who may approve */
  gint64 rate_most;    /* how many deploys and promotes in `rate_per_ms`; 0: any number */
  gint64 rate_per_ms;
  char *webhook; /* or NULL */
  gint64 webhook_timeout_ms;
  char **keys; /* of one of which each component must be signed, in PEM, NULL-ended; NULL: of none */
} RpGateRules;
RpGateRules *rp_gate_rules_new (void); /* that ask for nothing */
void rp_gate_rules_free (RpGateRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpGateRules, rp_gate_rules_free)

/* `node`: the mapping, or NULL. RP_ERROR_INVALID with the place in the file. */
RpGateRules *rp_gate_rules_parse (const RpYamlNode *node, GError **error) G_GNUC_WARN_UNUSED_RESULT;
json_t *rp_gate_rules_to_json (const RpGateRules *rules);
/* Of our own records, `text` NULL: none. RP_ERROR_INVALID if this machine cannot read them (a time zone that it lacks). */
RpGateRules *rp_gate_rules_from_text (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
