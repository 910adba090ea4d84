#include "release/gate.h"

#include "base/clock.h"
#include "base/error.h"
#include "release/json_out.h"

const char *
rp_gate_state_name (RpGateState state)
{
  static const char *const names[] = { [RP_GATE_OPEN] = "open",
                                       [RP_GATE_CLOSED] = "closed",
                                       [RP_GATE_OVERRIDDEN] = "overridden" };
  return names[state];
}

void
rp_gate_free (gpointer data)
{
  RpGate *gate = data;
  g_free (gate->reason);
  g_free (gate->way_out);
  g_free (gate);
}

/* Takes over both texts; closed if there is a way out. */
static void
add (GPtrArray *gates, const char *name, char *reason, char *way_out)
{
  RpGate *gate = g_new0 (RpGate, 1);
  gate->name = name;
  gate->state = way_out != NULL ? RP_GATE_CLOSED : RP_GATE_OPEN;
  gate->reason = reason;
  gate->way_out = way_out;
  g_ptr_array_add (gates, gate);
}

static void
judge_hold (const RpGateFacts *facts, GPtrArray *gates)
{
  const RpReleaseHold *hold = facts->hold;
  if (hold == NULL)
    {
      add (gates, "hold", g_strdup_printf ("%s is not held in %s", facts->version, facts->environment),
           NULL);
      return;
    }
  g_autofree char *at = rp_clock_format (hold->at_us);
  g_autofree char *what = hold->revision == 0
                              ? g_strdup ("held by hand")
                              : g_strdup_printf ("rolled back from in revision %" G_GINT64_FORMAT,
                                                 hold->revision);
  add (gates, "hold",
       g_strdup_printf ("%s is held in %s: %s by %s at %s (%s)", facts->version, facts->environment, what,
                        hold->actor, at, hold->because),
       g_strdup_printf ("deploy another release, or lift it: `repoint release unhold %s/%s %s --because"
                        " TEXT`",
                        facts->app, facts->environment, facts->version));
}

static void
judge_pause (const RpGateFacts *facts, GPtrArray *gates)
{
  const RpPause *pause = facts->pause;
  if (pause == NULL)
    {
      add (gates, "pause", g_strdup_printf ("%s is not paused", facts->environment), NULL);
      return;
    }
  g_autofree char *at = rp_clock_format (pause->at_us);
  add (gates, "pause",
       g_strdup_printf ("%s is paused by %s since %s: %s", facts->environment, pause->actor, at,
                        pause->because),
       g_strdup_printf ("wait, or `repoint resume %s/%s --because TEXT`; `repoint rollout undo` works all"
                        " the time",
                        facts->app, facts->environment));
}

static char *
way_through (const RpGateFacts *facts, const char *gate, const char *wait)
{
  return g_strdup_printf ("%s, or `--override %s --because TEXT` with approve:%s/%s; `repoint rollout undo`"
                          " works all the time",
                          wait, gate, facts->app, facts->environment);
}

/* The window that ends last of those that it is in. */
static const RpFreeze *
find_freeze (const RpGateFacts *facts, gint64 *out_end_us)
{
  const RpFreeze *found = NULL;
  *out_end_us = 0;
  for (guint i = 0; i < facts->rules->freezes->len; i++)
    {
      const RpFreeze *freeze = facts->rules->freezes->pdata[i];
      gint64 end_us = rp_freeze_end (freeze, facts->now_us);
      if (end_us <= *out_end_us)
        continue;
      *out_end_us = end_us;
      found = freeze;
    }
  return found;
}

static char *
describe_next_freeze (const RpGateFacts *facts)
{
  gint64 first_us = 0;
  for (guint i = 0; i < facts->rules->freezes->len; i++)
    {
      gint64 next_us = rp_freeze_next (facts->rules->freezes->pdata[i], facts->now_us);
      if (next_us != 0 && (first_us == 0 || next_us < first_us))
        first_us = next_us;
    }
  if (first_us == 0)
    return g_strdup ("no freeze begins in the year to come");
  g_autofree char *at = rp_clock_format (first_us);
  return g_strdup_printf ("no freeze now; the next one begins at %s", at);
}

static void
judge_freeze (const RpGateFacts *facts, GPtrArray *gates)
{
  gint64 end_us;
  if (facts->rules->freezes->len == 0)
    return;
  const RpFreeze *freeze = find_freeze (facts, &end_us);
  if (freeze == NULL)
    {
      add (gates, "freeze", describe_next_freeze (facts), NULL);
      return;
    }
  g_autofree char *end = rp_clock_format (end_us);
  g_autofree char *wait = g_strdup_printf ("wait until %s", end);
  add (gates, "freeze",
       g_strdup_printf ("%s is frozen until %s by \"%s\" in %s%s%s", facts->environment, end, freeze->at,
                        freeze->zone, freeze->because != NULL ? ": " : "",
                        freeze->because != NULL ? freeze->because : ""),
       way_through (facts, "freeze", wait));
}

static const char *
describe_verdict (RpUpstreamVerdict verdict)
{
  switch (verdict)
    {
    case RP_UPSTREAM_NEVER:
      return "never became healthy";
    case RP_UPSTREAM_FAILED:
      return "failed";
    case RP_UPSTREAM_SIGNALS_FAILED:
      return "had signals that failed";
    case RP_UPSTREAM_ROLLED_BACK:
      return "was rolled back from";
    case RP_UPSTREAM_HEALTHY:
      return "is healthy";
    }
  g_assert_not_reached ();
}

/* `is healthy in staging, for 12 min of 2 h`, for each. */
static char *
describe_upstreams (const RpGateFacts *facts)
{
  g_autofree char *soak = rp_clock_format_age (facts->rules->soak_ms * 1000);
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < facts->upstreams->len; i++)
    {
      const RpGateUpstream *upstream = facts->upstreams->pdata[i];
      g_string_append_printf (text, "%s%s in %s", i > 0 ? ", " : "", describe_verdict (upstream->verdict),
                              upstream->name);
      if (upstream->verdict != RP_UPSTREAM_HEALTHY || facts->rules->soak_ms == 0)
        continue;
      g_autofree char *age = rp_clock_format_age (upstream->healthy_us);
      g_string_append_printf (text, ", for %s of %s", age, soak);
    }
  return g_string_free (text, FALSE);
}

static void
judge_upstream (const RpGateFacts *facts, GPtrArray *gates)
{
  if (facts->rules->from == NULL || facts->rules->from[0] == NULL)
    return;
  gint64 missing_us = G_MAXINT64;
  for (guint i = 0; i < facts->upstreams->len; i++)
    {
      const RpGateUpstream *upstream = facts->upstreams->pdata[i];
      if (upstream->verdict == RP_UPSTREAM_HEALTHY)
        missing_us = MIN (missing_us, MAX (0, facts->rules->soak_ms * 1000 - upstream->healthy_us));
    }
  g_autofree char *what = describe_upstreams (facts);
  g_autofree char *missing = rp_clock_format_age (missing_us);
  g_autofree char *wait = missing_us == G_MAXINT64
                              ? g_strdup ("deploy it there first")
                              : g_strdup_printf ("wait %s while it is current there", missing);
  add (gates, "upstream", g_strdup_printf ("%s %s", facts->version, what),
       missing_us == 0 ? NULL : way_through (facts, "upstream", wait));
}

static gboolean
counts (const RpGateFacts *facts, const RpApproval *approval)
{
  return g_strcmp0 (approval->account, facts->author) != 0
         && (facts->rules->approvers == NULL
             || g_strv_contains ((const char *const *) approval->groups, facts->rules->approvers));
}

static void
judge_approvals (const RpGateFacts *facts, GPtrArray *gates)
{
  const RpGateRules *rules = facts->rules;
  g_autoptr (GString) who = g_string_new (NULL);
  g_autoptr (GString) not_counted = g_string_new (NULL);
  gint64 n = 0;
  if (rules->approvals == 0)
    return;
  for (guint i = 0; i < facts->approvals->len; i++)
    {
      const RpApproval *approval = facts->approvals->pdata[i];
      GString *list = counts (facts, approval) ? who : not_counted;
      n += list == who;
      g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", approval->account);
    }
  g_autofree char *reason = g_strdup_printf (
      "%s has %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " approvals%s%s%s%s%s%s", facts->version, n,
      rules->approvals, rules->approvers != NULL ? " of " : "",
      rules->approvers != NULL ? rules->approvers : "", who->len > 0 ? ": " : "", who->str,
      not_counted->len > 0 ? "; these do not count, who recorded it or is not of the group: " : "",
      not_counted->str);
  g_autofree char *ask = g_strdup_printf ("ask for `repoint approve %s/%s %s`", facts->app,
                                          facts->environment, facts->version);
  add (gates, "approvals", g_steal_pointer (&reason),
       n >= rules->approvals ? NULL : way_through (facts, "approvals", ask));
}

static void
judge_rate (const RpGateFacts *facts, GPtrArray *gates)
{
  const RpGateRules *rules = facts->rules;
  if (rules->rate_most == 0)
    return;
  g_autofree char *per = rp_clock_format_age (rules->rate_per_ms * 1000);
  g_autofree char *again = rp_clock_format (facts->first_change_us + rules->rate_per_ms * 1000);
  g_autofree char *wait = g_strdup_printf ("wait until %s", again);
  add (gates, "rate",
       g_strdup_printf ("%" G_GINT64_FORMAT " of at most %" G_GINT64_FORMAT " deploys and promotes to %s in %s",
                        facts->changes, rules->rate_most, facts->environment, per),
       facts->changes < rules->rate_most ? NULL : way_through (facts, "rate", wait));
}

static void
judge_webhook (const RpGateFacts *facts, GPtrArray *gates)
{
  const char *url = facts->rules->webhook;
  const RpWebhookAnswer *answer = facts->answer;
  if (url == NULL)
    return;
  if (answer == NULL || !g_str_equal (answer->url, url))
    add (gates, "webhook", g_strdup_printf ("%s was not asked: the gates changed in between", url),
         g_strdup ("do it again"));
  else if (answer->allowed)
    add (gates, "webhook", g_strdup_printf ("%s says yes: %s", url, answer->reason), NULL);
  else
    add (gates, "webhook", g_strdup_printf ("%s does not say yes: %s", url, answer->reason),
         way_through (facts, "webhook", "see to what it says"));
}

static void
judge_signatures (const RpGateFacts *facts, GPtrArray *gates)
{
  char **keys = facts->rules->keys;
  const RpSignatureAnswer *answer = facts->signatures;
  if (keys == NULL)
    return;
  if (answer == NULL || !g_strv_equal ((const char *const *) answer->keys, (const char *const *) keys))
    add (gates, "signatures", g_strdup ("signatures were not looked at: the gates changed in between"),
         g_strdup ("do it again"));
  else
    add (gates, "signatures", g_strdup_printf ("%s: %s", facts->version, answer->reason),
         answer->trusted ? NULL
                         : way_through (facts, "signatures", "sign its digests, `cosign sign --key`"));
}

/* ---- all of them ---- */

static const struct
{
  const char *name;
  void (*judge) (const RpGateFacts *facts, GPtrArray *gates);
  const char *lifted_by; /* what ends it instead of an override; NULL: it is overridden */
} all[] = {
  { "hold", judge_hold, "lift it with `repoint release unhold`" },
  { "pause", judge_pause, "end it with `repoint resume`" },
  { "freeze", judge_freeze, NULL },
  { "upstream", judge_upstream, NULL },
  { "approvals", judge_approvals, NULL },
  { "rate", judge_rate, NULL },
  { "webhook", judge_webhook, NULL },
  { "signatures", judge_signatures, NULL },
};

gboolean
rp_gates_check_overrides (const char *const *overrides, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    if (all[i].lifted_by == NULL)
      g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", all[i].name);
  for (; overrides != NULL && *overrides != NULL; overrides++)
    {
      gsize i = 0;
      while (i < G_N_ELEMENTS (all) && !g_str_equal (all[i].name, *overrides))
        i++;
      if (i < G_N_ELEMENTS (all) && all[i].lifted_by == NULL)
        continue;
      if (i < G_N_ELEMENTS (all))
        g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "the gate %s is not overridden: %s", *overrides,
                     all[i].lifted_by);
      else
        g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                     "\"%.40s\" is no gate that can be overridden; those are: %s", *overrides, names->str);
      return FALSE;
    }
  return TRUE;
}

GPtrArray *
rp_gates_judge (const RpGateFacts *facts, const char *const *overrides)
{
  GPtrArray *gates = g_ptr_array_new_with_free_func (rp_gate_free);
  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    all[i].judge (facts, gates);
  for (guint i = 0; i < gates->len; i++)
    {
      RpGate *gate = gates->pdata[i];
      if (gate->state == RP_GATE_CLOSED && overrides != NULL && g_strv_contains (overrides, gate->name))
        gate->state = RP_GATE_OVERRIDDEN;
    }
  return gates;
}

gboolean
rp_gates_require_open (const GPtrArray *gates, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < gates->len; i++)
    {
      const RpGate *gate = gates->pdata[i];
      if (gate->state == RP_GATE_CLOSED)
        g_string_append_printf (text, "%s%s (%s)", text->len > 0 ? "; " : "", gate->reason,
                                gate->way_out);
    }
  if (text->len == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED, "nothing was changed: %s", text->str);
  return FALSE;
}

json_t *
rp_gates_to_json (const GPtrArray *gates)
{
  json_t *array = json_array ();
  for (guint i = 0; i < gates->len; i++)
    {
      const RpGate *gate = gates->pdata[i];
      json_t *one = json_object ();
      json_object_set_new (one, "gate", json_string (gate->name));
      json_object_set_new (one, "state", json_string (rp_gate_state_name (gate->state)));
      json_object_set_new (one, "reason", json_string (gate->reason));
      json_object_set_new (one, "way_out", rp_json_text_or_null (gate->way_out));
      json_array_append_new (array, one);
    }
  return array;
}

json_t *
rp_gates_overridden_json (const GPtrArray *gates)
{
  json_t *array = NULL;
  for (guint i = 0; gates != NULL && i < gates->len; i++)
    {
      const RpGate *gate = gates->pdata[i];
      if (gate->state != RP_GATE_OVERRIDDEN)
        continue;
      json_t *one = json_object ();
      json_object_set_new (one, "gate", json_string (gate->name));
      json_object_set_new (one, "reason", json_string (gate->reason));
      if (array == NULL)
        array = json_array ();
      json_array_append_new (array, one);
    }
  return array;
}
