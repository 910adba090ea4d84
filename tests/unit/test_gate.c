#include "check.h"

#include "base/clock.h"
#include "base/json.h"
#include "release/gate.h"

static gint64
us (const char *time)
{
  GError *error = NULL;
  gint64 at_us;
  check_ok (rp_clock_parse (time, &at_us, &error));
  return at_us;
}

static void
check_time (gint64 at_us, const char *expected)
{
  g_autofree char *text = at_us == 0 ? g_strdup ("-") : rp_clock_format (at_us);
  assert_string_equal (text, expected);
}

#define WEEKEND "0 16 * * fri", "Europe/Berlin", 64 * 3600
#define HOLIDAYS "0 0 20 12 *", "UTC", 14 * 86400

static const struct
{
  const char *at;
  const char *zone;
  gint64 for_s;
  const char *now;
  const char *end;
  const char *next;
} windows[] = {
  /* Friday, 16:00 in Berlin: an hour before in UTC in winter, two in summer */
  { WEEKEND, "2026-11-27T14:59:59.000Z", "-", "2026-11-27T15:00:00.000Z" },
  { WEEKEND, "2026-11-27T15:00:00.000Z", "2026-11-30T07:00:00.000Z", "2026-12-04T15:00:00.000Z" },
  { WEEKEND, "2026-11-30T06:59:59.999Z", "2026-11-30T07:00:00.000Z", "2026-12-04T15:00:00.000Z" },
  { WEEKEND, "2026-11-30T07:00:00.000Z", "-", "2026-12-04T15:00:00.000Z" },
  { WEEKEND, "2026-07-03T13:59:00.000Z", "-", "2026-07-03T14:00:00.000Z" },
  { WEEKEND, "2026-07-03T14:00:00.000Z", "2026-07-06T06:00:00.000Z", "2026-07-10T14:00:00.000Z" },
  /* the clocks change within it: it lasts for as long as it says */
  { WEEKEND, "2026-10-25T12:00:00.000Z", "2026-10-26T06:00:00.000Z", "2026-10-30T15:00:00.000Z" },
  /* over the end of a year */
  { HOLIDAYS, "2027-01-01T12:00:00.000Z", "2027-01-03T00:00:00.000Z", "2027-12-20T00:00:00.000Z" },
  { HOLIDAYS, "2026-12-19T23:59:00.000Z", "-", "2026-12-20T00:00:00.000Z" },
  /* always */
  { "* * * * *", "UTC", 3600, "2026-11-28T12:00:30.000Z", "2026-11-28T13:00:00.000Z", "2026-11-28T12:01:00.000Z" },
  /* each of the two days fits, as cron has it */
  { "0 0 13 * fri", "UTC", 86400, "2026-11-27T05:00:00.000Z", "2026-11-28T00:00:00.000Z", "2026-12-04T00:00:00.000Z" },
  { "0 0 13 * fri", "UTC", 86400, "2026-12-13T05:00:00.000Z", "2026-12-14T00:00:00.000Z", "2026-12-18T00:00:00.000Z" },
  { "*/20 9-17/4 * jan-mar,dec 1-5", "UTC", 600, "2026-12-01T13:45:00.000Z", "2026-12-01T13:50:00.000Z", "2026-12-01T17:00:00.000Z" },
  { "0 0 29 2 *", "UTC", 86400, "2026-11-28T12:00:00.000Z", "-", "-" },
  { "0 0 * * 7", "UTC", 3600, "2026-11-28T12:00:00.000Z", "-", "2026-11-29T00:00:00.000Z" },
  /* a time that this day does not have: it begins where the clocks jump */
  { "30 2 * * *", "Europe/Berlin", 3600, "2026-03-29T00:59:00.000Z", "-", "2026-03-29T01:00:00.000Z" },
};

static void
test_windows (void **unused)
{
  for (gsize i = 0; i < G_N_ELEMENTS (windows); i++)
    {
      GError *error = NULL;
      RpFreeze *freeze
          = rp_freeze_new (windows[i].at, windows[i].zone, windows[i].for_s * 1000, NULL, &error);
      check_ok (freeze != NULL);
      print_message ("%s at %s\n", windows[i].at, windows[i].now);
      check_time (rp_freeze_end (freeze, us (windows[i].now)), windows[i].end);
      check_time (rp_freeze_next (freeze, us (windows[i].now)), windows[i].next);
      rp_freeze_free (freeze);
    }
}

static const struct
{
  const char *at;
  const char *zone;
  gint64 for_ms;
  const char *says;
} refused[] = {
  { "", NULL, 60000, "has 0 fields" },
  { "0 0 * *", NULL, 60000, "has 4 fields" },
  { "0 0 * * * *", NULL, 60000, "has 6 fields" },
  { "60 0 * * *", NULL, 60000, "\"60\" is no minute" },
  { "0 24 * * *", NULL, 60000, "\"24\" is no hour" },
  { "0 0 0 * *", NULL, 60000, "no day of the month" },
  { "0 0 * foo *", NULL, 60000, "no month" },
  { "0 0 * * 5-1", NULL, 60000, "no day of the week" },
  { "0 0 * * fri,", NULL, 60000, "no day of the week" },
  { "*/0 0 * * *", NULL, 60000, "no minute" },
  { "0 0 * * *", "Mars/Base", 60000, "no time zone" },
  { "0 0 * * *", NULL, 59999, "1m to 366d" },
  { "0 0 * * *", NULL, 367 * G_GINT64_CONSTANT (86400000), "1m to 366d" },
};

static void
test_refuses (void **unused)
{
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      GError *error = NULL;
      RpFreeze *freeze
          = rp_freeze_new (refused[i].at, refused[i].zone, refused[i].for_ms, NULL, &error);
      assert_null (freeze);
      check_contains (error->message, refused[i].says);
      check_fails (FALSE, RP_ERROR_INVALID);
    }
}

static const RpGate *
find (const GPtrArray *gates, const char *name)
{
  for (guint i = 0; i < gates->len; i++)
    if (g_str_equal (((const RpGate *) gates->pdata[i])->name, name))
      return gates->pdata[i];
  return NULL;
}

static RpGateFacts
facts_of (const RpGateRules *rules)
{
  return (RpGateFacts){ .app = "shop",
                        .environment = "production",
                        .version = "v2",
                        .rules = rules,
                        .now_us = us ("2026-11-28T12:00:00.000Z") };
}

static void
check_gate (const RpGateFacts *facts, const char *name, RpGateState state, const char *says)
{
  g_autoptr (GPtrArray) gates = rp_gates_judge (facts, NULL);
  const RpGate *gate = find (gates, name);
  assert_non_null (gate);
  if (gate == NULL)
    return;
  assert_int_equal (gate->state, state);
  check_contains (gate->reason, says);
  assert_true ((gate->way_out != NULL) == (state == RP_GATE_CLOSED));
}

static void
test_gates (void **unused)
{
  g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
  RpGateFacts facts = facts_of (rules);
  char who[] = "ada", why[] = "slow";
  RpReleaseHold by_hand = { .actor = who, .because = why, .at_us = facts.now_us };
  RpReleaseHold left = { .revision = 4, .actor = who, .because = why, .at_us = facts.now_us };
  RpPause pause = { who, why, facts.now_us };
  check_gate (&facts, "hold", RP_GATE_OPEN, "v2 is not held in production");
  check_gate (&facts, "pause", RP_GATE_OPEN, "not paused");
  facts.hold = &by_hand;
  check_gate (&facts, "hold", RP_GATE_CLOSED, "held by hand by ada at 2026-11-28T12:00:00.000Z (slow)");
  facts.hold = &left;
  check_gate (&facts, "hold", RP_GATE_CLOSED, "rolled back from in revision 4 by ada");
  facts.pause = &pause;
  check_gate (&facts, "pause", RP_GATE_CLOSED, "paused by ada since 2026-11-28T12:00:00.000Z: slow");
  GError *error = NULL;
  g_autoptr (GPtrArray) gates = rp_gates_judge (&facts, NULL);
  check_fails (rp_gates_require_open (gates, &error), RP_ERROR_BLOCKED);
}

static void
add_freeze (RpGateRules *rules, const char *at, gint64 for_ms, const char *because)
{
  GError *error = NULL;
  RpFreeze *freeze = rp_freeze_new (at, NULL, for_ms, because, &error);
  check_ok (freeze != NULL);
  g_ptr_array_add (rules->freezes, freeze);
}

static void
test_freeze_and_override (void **unused)
{
  static const char *const overrides[] = { "freeze", NULL };
  GError *error = NULL;
  g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
  RpGateFacts facts = facts_of (rules);
  g_autoptr (GPtrArray) none = rp_gates_judge (&facts, NULL);
  assert_null (find (none, "freeze"));
  add_freeze (rules, "0 15 * * *", 3600000, NULL);
  check_gate (&facts, "freeze", RP_GATE_OPEN, "the next one begins at 2026-11-28T15:00:00.000Z");
  add_freeze (rules, "0 11 * * *", 7200000, NULL);
  add_freeze (rules, "0 12 * * *", 7200000, "lunch");
  check_gate (&facts, "freeze", RP_GATE_CLOSED,
              "frozen until 2026-11-28T14:00:00.000Z by \"0 12 * * *\" in UTC: lunch");
  g_autoptr (GPtrArray) gates = rp_gates_judge (&facts, overrides);
  const RpGate *freeze = find (gates, "freeze");
  assert_true (freeze != NULL && freeze->state == RP_GATE_OVERRIDDEN);
  check_ok (rp_gates_require_open (gates, &error));
  g_autoptr (json_t) kept = rp_gates_overridden_json (gates);
  assert_int_equal (json_array_size (kept), 1);
}

static void
test_names_of_overrides (void **unused)
{
  static const struct
  {
    const char *names[3];
    const char *says; /* NULL: fine */
  } rows[] = {
    { { NULL }, NULL },
    { { "freeze", NULL }, NULL },
    { { "freeze", "hold", NULL }, "release unhold" },
    { { "pause", NULL }, "repoint resume" },
    { { "everything", NULL }, "is no gate that can be overridden; those are: freeze" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      GError *error = NULL;
      gboolean fine = rp_gates_check_overrides (rows[i].names, &error);
      assert_int_equal (fine, rows[i].says == NULL);
      if (fine)
        continue;
      check_contains (error->message, rows[i].says);
      check_fails (FALSE, RP_ERROR_INVALID);
    }
}

static void
test_rules_survive_the_ledger (void **unused)
{
  GError *error = NULL;
  g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
  add_freeze (rules, "0 16 * * fri", 3600000, "weekend");
  g_autoptr (json_t) json = rp_gate_rules_to_json (rules);
  g_autofree char *text = rp_json_canonical (json);
  g_autoptr (RpGateRules) again = rp_gate_rules_from_text (text, &error);
  check_ok (again != NULL);
  g_autoptr (json_t) same = rp_gate_rules_to_json (again);
  assert_true (json_equal (json, same));
  g_autoptr (RpGateRules) none = rp_gate_rules_from_text (NULL, &error);
  check_ok (none != NULL && none->freezes->len == 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_windows),
    cmocka_unit_test (test_refuses),
    cmocka_unit_test (test_gates),
    cmocka_unit_test (test_freeze_and_override),
    cmocka_unit_test (test_names_of_overrides),
    cmocka_unit_test (test_rules_survive_the_ledger),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
