#include "signal/judge.h"

#include <math.h>

RpSampleOutcome
rp_signal_judge_value (const RpSignalRule *rule, double value, char **out_detail)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_formatd (number, sizeof number, "%.6g", value);
  if (isnan (value))
    {
      *out_detail = g_strdup ("the value is NaN, as of a division by nothing");
      return RP_SAMPLE_INCONCLUSIVE;
    }
  if (rule->bad_above != NULL && value > g_ascii_strtod (rule->bad_above, NULL))
    {
      *out_detail = g_strdup_printf ("%s, bad above %s", number, rule->bad_above);
      return RP_SAMPLE_BAD;
    }
  if (rule->bad_below != NULL && value < g_ascii_strtod (rule->bad_below, NULL))
    {
      *out_detail = g_strdup_printf ("%s, bad below %s", number, rule->bad_below);
      return RP_SAMPLE_BAD;
    }
  *out_detail = g_strdup (number);
  return RP_SAMPLE_OK;
}

gint64
rp_signal_due_us (const RpSignalRule *rule, const RpSignalTally *tally, gint64 began_us)
{
  gint64 first_us = began_us + rule->delay_ms * 1000;
  return tally == NULL || tally->at_us == 0 ? first_us : MAX (first_us, tally->at_us + rule->every_ms * 1000);
}

static char *
describe_failure (const RpSignalRule *rule, const RpSignalTally *tally)
{
  return g_strdup_printf ("signal %s failed: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                          " measurements were bad, at most %" G_GINT64_FORMAT " may be; the last: %s",
                          rule->name, tally->bad, tally->ok + tally->bad + tally->inconclusive + tally->errors,
                          rule->failure_limit, tally->detail != NULL ? tally->detail : "nothing was said of it");
}

static char *
describe_blindness (const RpSignalRule *rule, const RpSignalTally *tally)
{
  return g_strdup_printf ("signal %s says nothing: the last %" G_GINT64_FORMAT
                          " measurements were inconclusive or errors; the last: %s",
                          rule->name, tally->blind, tally->detail != NULL ? tally->detail : "nothing was said of it");
}

static RpSignalState
judge_at_the_end (const RpSignalRules *rules, const GPtrArray *tallies, char **out_reason)
{
  const RpSignalRule *blind = NULL;
  for (guint i = 0; i < rules->watch->len; i++)
    {
      const RpSignalRule *rule = rules->watch->pdata[i];
      const RpSignalTally *tally = rp_signal_tally_find (tallies, rule->name);
      gboolean says_nothing = tally != NULL && tally->blind > rule->error_limit;
      if (tally == NULL || (tally->outcome != RP_SAMPLE_OK && !says_nothing))
        return RP_SIGNAL_WATCHING;
      if (says_nothing && blind == NULL)
        blind = rule;
    }
  if (blind != NULL)
    {
      *out_reason = describe_blindness (blind, rp_signal_tally_find (tallies, blind->name));
      return RP_SIGNAL_UNKNOWN;
    }
  *out_reason = rules->watch->len == 1 ? g_strdup ("its signal held")
                                       : g_strdup_printf ("all %u signals held", rules->watch->len);
  return RP_SIGNAL_HELD;
}

RpSignalState
rp_signal_judge (const RpSignalRules *rules, const GPtrArray *tallies, gint64 until_us, gint64 now_us, char **out_reason)
{
  *out_reason = NULL;
  if (rules->watch->len == 0)
    {
      *out_reason = g_strdup ("no signal is declared here any more");
      return RP_SIGNAL_UNKNOWN;
    }
  for (guint i = 0; i < rules->watch->len; i++)
    {
      const RpSignalRule *rule = rules->watch->pdata[i];
      const RpSignalTally *tally = rp_signal_tally_find (tallies, rule->name);
      if (tally == NULL || tally->bad <= rule->failure_limit)
        continue;
      *out_reason = describe_failure (rule, tally);
      return RP_SIGNAL_FAILED;
    }
  return now_us < until_us ? RP_SIGNAL_WATCHING : judge_at_the_end (rules, tallies, out_reason);
}
