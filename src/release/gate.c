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
