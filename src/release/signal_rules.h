/* What an environment is watched by after a move: `signals:` of repoint.yaml, and the same as JSON in the ledger. */
#pragma once

#include "base/yaml.h"

typedef enum
{
  RP_SIGNAL_NOTIFY,
  RP_SIGNAL_PAUSE,
  RP_SIGNAL_ROLLBACK
} RpSignalAction;
const char *rp_signal_action_name (RpSignalAction action);

typedef struct
{
  char *name;
  char *url;           /* that is probed, or of a Prometheus server */
  char *query;         /* signal_query.h; NULL: an HTTP probe */
  gint64 status;       /* of a probe; 0: any of 200 to 299 */
  char *bad_above;     /* as it was written, a number; or NULL */
  char *bad_below;     /* the same */
  gboolean no_answer_is_bad;
  gint64 every_ms;
  gint64 delay_ms;     /* after the revision became healthy */
  gint64 timeout_ms;   /* of one measurement */
  gint64 failure_limit; /* so many bad measurements it may have */
  gint64 error_limit;   /* so many in a row without an answer */
} RpSignalRule;

typedef struct
{
  gint64 for_ms; /* how long a revision is watched */
  RpSignalAction on_failure;
  GPtrArray *watch; /* RpSignalRule; empty: nothing is declared */
} RpSignalRules;
void rp_signal_rules_free (RpSignalRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpSignalRules, rp_signal_rules_free)

/* `node`: the mapping, or NULL. RP_ERROR_INVALID with the place in the file. */
RpSignalRules *rp_signal_rules_parse (const RpYamlNode *node, GError **error) G_GNUC_WARN_UNUSED_RESULT;
json_t *rp_signal_rules_to_json (const RpSignalRules *rules); /* {}: nothing is declared */
/* Of our own records, `text` NULL: none. */
RpSignalRules *rp_signal_rules_from_text (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
