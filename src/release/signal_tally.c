#include "release/signal_tally.h"

#include "base/clock.h"
#include "base/json.h"
#include "release/json_out.h"

#define DETAIL_MAX 300 /* bytes */

static const char *const outcome_names[] = {
  [RP_SAMPLE_NONE] = "none", [RP_SAMPLE_OK] = "ok", [RP_SAMPLE_BAD] = "bad",
  [RP_SAMPLE_INCONCLUSIVE] = "inconclusive", [RP_SAMPLE_ERROR] = "error",
};

const char *
rp_sample_outcome_name (RpSampleOutcome outcome)
{
  return outcome_names[outcome];
}

RpSampleOutcome
rp_sample_outcome_parse (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (outcome_names); i++)
    if (g_strcmp0 (name, outcome_names[i]) == 0)
      return (RpSampleOutcome) i;
  return RP_SAMPLE_NONE;
}

static const char *const state_names[] = {
  [RP_SIGNAL_WATCHING] = "watching", [RP_SIGNAL_HELD] = "held", [RP_SIGNAL_FAILED] = "failed",
  [RP_SIGNAL_UNKNOWN] = "unknown",   [RP_SIGNAL_LEFT] = "left",
};

const char *
rp_signal_state_name (RpSignalState state)
{
  return state_names[state];
}

RpSignalState
rp_signal_state_parse (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (state_names); i++)
    if (g_strcmp0 (name, state_names[i]) == 0)
      return (RpSignalState) i;
  return RP_SIGNAL_UNKNOWN;
}

RpSignalTally *
rp_signal_tally_new (const char *name)
{
  RpSignalTally *tally = g_new0 (RpSignalTally, 1);
  tally->name = g_strdup (name);
  return tally;
}

void
rp_signal_tally_free (gpointer data)
{
  RpSignalTally *tally = data;
  if (tally == NULL)
    return;
  g_free (tally->name);
  g_free (tally->detail);
  g_free (tally);
}

RpSignalTally *
rp_signal_tally_find (const GPtrArray *tallies, const char *name)
{
  for (guint i = 0; i < tallies->len; i++)
    {
      RpSignalTally *tally = tallies->pdata[i];
      if (g_str_equal (tally->name, name))
        return tally;
    }
  return NULL;
}

void
rp_signal_tally_add (RpSignalTally *tally, RpSampleOutcome outcome, const char *detail, gint64 at_us)
{
  tally->ok += outcome == RP_SAMPLE_OK;
  tally->bad += outcome == RP_SAMPLE_BAD;
  tally->inconclusive += outcome == RP_SAMPLE_INCONCLUSIVE;
  tally->errors += outcome == RP_SAMPLE_ERROR;
  tally->blind = outcome == RP_SAMPLE_INCONCLUSIVE || outcome == RP_SAMPLE_ERROR ? tally->blind + 1 : 0;
  tally->outcome = outcome;
  tally->at_us = at_us;
  g_free (tally->detail);
  tally->detail = detail == NULL ? NULL : rp_text_one_line (detail, DETAIL_MAX);
}

json_t *
rp_signal_tally_to_json (const RpSignalTally *tally)
{
  json_t *json = json_object ();
  json_object_set_new (json, "name", json_string (tally->name));
  json_object_set_new (json, "outcome", json_string (rp_sample_outcome_name (tally->outcome)));
  json_object_set_new (json, "detail", rp_json_text_or_null (tally->detail));
  json_object_set_new (json, "ok", json_integer (tally->ok));
  json_object_set_new (json, "bad", json_integer (tally->bad));
  json_object_set_new (json, "inconclusive", json_integer (tally->inconclusive));
  json_object_set_new (json, "errors", json_integer (tally->errors));
  json_object_set_new (json, "blind", json_integer (tally->blind));
  json_object_set_new (json, "at", rp_json_time_or_null (tally->at_us));
  return json;
}

RpSignalTally *
rp_signal_tally_from_json (const json_t *json)
{
  RpSignalTally *tally = rp_signal_tally_new (rp_json_str (json, "name"));
  const char *at = rp_json_str (json, "at");
  tally->outcome = rp_sample_outcome_parse (rp_json_str (json, "outcome"));
  tally->detail = g_strdup (rp_json_str (json, "detail"));
  tally->ok = rp_json_int (json, "ok");
  tally->bad = rp_json_int (json, "bad");
  tally->inconclusive = rp_json_int (json, "inconclusive");
  tally->errors = rp_json_int (json, "errors");
  tally->blind = rp_json_int (json, "blind");
  if (at != NULL && !rp_clock_parse (at, &tally->at_us, NULL))
    tally->at_us = 0;
  return tally;
}
