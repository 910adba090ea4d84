#include "release/gate.h"

#include "base/clock.h"
#include "base/error.h"
#include "release/json_out.h"

const char *
rp_gate_state_name (RpGateState state)
{
  static const char *const names[] = { [RP_GATE_OPEN] = "open", [RP_GATE_CLOSED] = "closed" };
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

GPtrArray *
rp_gates_judge (const RpGateFacts *facts)
{
  GPtrArray *gates = g_ptr_array_new_with_free_func (rp_gate_free);
  judge_hold (facts, gates);
  judge_pause (facts, gates);
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
