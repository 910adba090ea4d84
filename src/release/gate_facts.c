#include "release/gate_facts.h"

#include <string.h>

#include "base/json.h"

static void
upstream_free (gpointer data)
{
  RpGateUpstream *upstream = data;
  g_free (upstream->name);
  g_free (upstream);
}

void
rp_gate_facts_clear (RpGateFacts *facts)
{
  rp_release_hold_free (facts->hold);
  rp_gate_rules_free (facts->rules);
  g_clear_pointer (&facts->upstreams, g_ptr_array_unref);
  g_clear_pointer (&facts->approvals, g_ptr_array_unref);
  g_free (facts->author);
  memset (facts, 0, sizeof *facts);
}

/* ---- upstream ---- */

/* Adds up how long it was healthy there, from its verdict until it was left; the newest verdict is what counts. */
static void
judge_row (const RpRows *rows, gsize row, gint64 now_us, RpGateUpstream *upstream)
{
  RpOutcome outcome = rp_outcome_parse (rp_rows_text (rows, row, 0));
  gint64 rolled_back_by = rp_rows_int (rows, row, 2);
  gint64 until_us = rp_rows_int (rows, row, 3) != 0 ? rp_rows_int (rows, row, 3) : now_us;
  RpUpstreamVerdict verdict = rolled_back_by != 0               ? RP_UPSTREAM_ROLLED_BACK
                              : rp_rows_int (rows, row, 4) != 0 ? RP_UPSTREAM_SIGNALS_FAILED
                              : outcome == RP_OUTCOME_FAILED  ? RP_UPSTREAM_FAILED
                              : outcome == RP_OUTCOME_HEALTHY ? RP_UPSTREAM_HEALTHY
                                                                : RP_UPSTREAM_NEVER;
  if (upstream->verdict == RP_UPSTREAM_NEVER)
    upstream->verdict = verdict;
  if (verdict == RP_UPSTREAM_HEALTHY)
    upstream->healthy_us += MAX (0, until_us - rp_rows_int (rows, row, 1));
}

static gboolean
load_upstream (RpTxn *txn, const RpEnvironment *environment, const RpRelease *release, const char *name,
               RpGateFacts *facts, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT r.outcome, r.outcome_at_us, r.rolled_back_by, (SELECT n.at_us FROM revision n"
                      " WHERE n.app = r.app AND n.environment = r.environment AND n.number = r.number + 1),"
                      " " RP_SQL_SIGNALS_FAILED ("r")
                      " FROM revision r WHERE r.app = $1 AND r.environment = $2 AND r.release = $3"
                      " ORDER BY r.number DESC",
                      "ssi", environment->app, name, release->number);
  if (rows == NULL)
    return FALSE;
  RpGateUpstream *upstream = g_new0 (RpGateUpstream, 1);
  upstream->name = g_strdup (name);
  g_ptr_array_add (facts->upstreams, upstream);
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    judge_row (rows, i, facts->now_us, upstream);
  return TRUE;
}

static gboolean
load_upstreams (RpTxn *txn, const RpEnvironment *environment, const RpRelease *release,
                RpGateFacts *facts, GError **error)
{
  facts->upstreams = g_ptr_array_new_with_free_func (upstream_free);
  for (char **name = facts->rules->from; name != NULL && *name != NULL; name++)
    if (!load_upstream (txn, environment, release, *name, facts, error))
      return FALSE;
  return TRUE;
}

/* ---- rate ---- */

/* Deploys and promotes of the time that the rule looks at; a rollback is no change that counts. */
static gboolean
load_rate (RpTxn *txn, const RpEnvironment *environment, RpGateFacts *facts, GError **error)
{
  if (facts->rules->rate_most == 0)
    return TRUE;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT at_us FROM revision WHERE app = $1 AND environment = $2 AND kind IN ('deploy', 'promote')"
      " AND at_us > $3 ORDER BY number DESC LIMIT $4",
      "ssii", environment->app, environment->name, facts->now_us - facts->rules->rate_per_ms * 1000,
      facts->rules->rate_most);
  if (rows == NULL)
    return FALSE;
  facts->changes = (gint64) rp_rows_count (rows);
  if (facts->changes > 0)
    facts->first_change_us = rp_rows_int (rows, (gsize) facts->changes - 1, 0);
  return TRUE;
}

/* ---- all ---- */

static gboolean
load_hold (RpTxn *txn, const RpEnvironment *environment, const RpRelease *release, RpGateFacts *facts,
           GError **error)
{
  g_autoptr (GPtrArray) holds = rp_release_hold_load (txn, environment->app, environment->name,
                                                      release->number, error);
  if (holds == NULL)
    return FALSE;
  facts->hold = holds->len > 0 ? g_ptr_array_steal_index (holds, 0) : NULL;
  return TRUE;
}

gboolean
rp_gate_facts_load (RpTxn *txn, const RpEnvironment *environment, const RpRelease *release,
                    gint64 now_us, RpGateFacts *out, GError **error)
{
  g_auto (RpGateFacts) facts = { .app = environment->app,
                                 .environment = environment->name,
                                 .version = release->version,
                                 .pause = environment->pause,
                                 .author = rp_approval_account (release->actor),
                                 .now_us = now_us };
  facts.rules = rp_gate_rules_from_text (environment->gates, error);
  if (facts.rules == NULL)
    {
      g_prefix_error (error, "the gates of %s/%s cannot be read on this machine: ", environment->app,
                      environment->name);
      return FALSE;
    }
  facts.approvals = rp_approval_load (txn, environment->app, environment->name, release->number, error);
  if (facts.approvals == NULL || !load_hold (txn, environment, release, &facts, error)
      || !load_upstreams (txn, environment, release, &facts, error)
      || !load_rate (txn, environment, &facts, error))
    return FALSE;
  *out = facts;
  memset (&facts, 0, sizeof facts);
  return TRUE;
}
