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
facts_of (RpGateRules *rules)
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
test_upstream (void **unused)
{
  static char staging[] = "staging", qa[] = "qa";
  static const struct
  {
    RpUpstreamVerdict verdict[2];
    gint64 healthy_s[2];
    gint64 soak_s;
    RpGateState state;
    const char *says;
  } rows[] = {
    { { RP_UPSTREAM_NEVER, RP_UPSTREAM_NEVER }, { 0, 0 }, 0, RP_GATE_CLOSED, "v2 never became healthy in staging, never became healthy in qa" },
    { { RP_UPSTREAM_HEALTHY, RP_UPSTREAM_NEVER }, { 0, 0 }, 0, RP_GATE_OPEN, "v2 is healthy in staging" },
    { { RP_UPSTREAM_FAILED, RP_UPSTREAM_HEALTHY }, { 0, 60 }, 60, RP_GATE_OPEN, "failed in staging, is healthy in qa" },
    { { RP_UPSTREAM_HEALTHY, RP_UPSTREAM_NEVER }, { 599, 0 }, 3600, RP_GATE_CLOSED, "in staging, for 9 min of 60 min" },
    { { RP_UPSTREAM_ROLLED_BACK, RP_UPSTREAM_NEVER }, { 7200, 0 }, 3600, RP_GATE_CLOSED, "was rolled back from in staging" },
    { { RP_UPSTREAM_HEALTHY, RP_UPSTREAM_HEALTHY }, { 10, 3600 }, 3600, RP_GATE_OPEN, "is healthy in qa" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
      RpGateUpstream first = { staging, rows[i].verdict[0], rows[i].healthy_s[0] * G_USEC_PER_SEC };
      RpGateUpstream second = { qa, rows[i].verdict[1], rows[i].healthy_s[1] * G_USEC_PER_SEC };
      g_autoptr (GPtrArray) upstreams = g_ptr_array_new ();
      RpGateFacts facts = facts_of (rules);
      g_ptr_array_add (upstreams, &first);
      g_ptr_array_add (upstreams, &second);
      rules->from = g_strsplit ("staging,qa", ",", -1);
      rules->soak_ms = rows[i].soak_s * 1000;
      facts.upstreams = upstreams;
      check_gate (&facts, "upstream", rows[i].state, rows[i].says);
    }
}

static void
test_approvals (void **unused)
{
  static char ada[] = "ada", grace[] = "grace", pipeline[] = "pipeline", managers[] = "managers";
  char *in[] = { managers, NULL }, *out[] = { NULL };
  RpApproval all[] = { { .account = pipeline, .groups = in }, { .account = ada, .groups = in },
                       { .account = grace, .groups = out } };
  static const struct
  {
    gint64 needed;
    gboolean of_group;
    RpGateState state;
    const char *says;
  } rows[] = {
    { 1, FALSE, RP_GATE_OPEN, "v2 has 2 of 1 approvals: ada, grace; these do not count" },
    { 2, FALSE, RP_GATE_OPEN, "2 of 2" },
    { 3, FALSE, RP_GATE_CLOSED, "2 of 3 approvals: ada, grace; these do not count, who recorded it or is not of the group: pipeline" },
    { 1, TRUE, RP_GATE_OPEN, "1 of 1 approvals of managers: ada" },
    { 2, TRUE, RP_GATE_CLOSED, "1 of 2 approvals of managers: ada; these do not count, who recorded it or is not of the group: pipeline, grace" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
      g_autoptr (GPtrArray) approvals = g_ptr_array_new ();
      RpGateFacts facts = facts_of (rules);
      for (gsize j = 0; j < G_N_ELEMENTS (all); j++)
        g_ptr_array_add (approvals, &all[j]);
      rules->approvals = rows[i].needed;
      rules->approvers = rows[i].of_group ? g_strdup (managers) : NULL;
      facts.approvals = approvals;
      facts.author = pipeline;
      check_gate (&facts, "approvals", rows[i].state, rows[i].says);
    }
}

static void
test_rate (void **unused)
{
  g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
  RpGateFacts facts = facts_of (rules);
  rules->rate_most = 2;
  rules->rate_per_ms = 3600000;
  check_gate (&facts, "rate", RP_GATE_OPEN, "0 of at most 2 deploys and promotes to production in 60 min");
  facts.changes = 1;
  facts.first_change_us = us ("2026-11-28T11:30:00.000Z");
  check_gate (&facts, "rate", RP_GATE_OPEN, "1 of at most 2");
  facts.changes = 2;
  check_gate (&facts, "rate", RP_GATE_CLOSED, "2 of at most 2");
  g_autoptr (GPtrArray) gates = rp_gates_judge (&facts, NULL);
  const RpGate *rate = find (gates, "rate");
  assert_non_null (rate);
  if (rate != NULL)
    check_contains (rate->way_out, "wait until 2026-11-28T12:30:00.000Z");
}

static void
test_webhook (void **unused)
{
  char url[] = "https://example.org/a", other[] = "https://example.org/b", why[] = "the moon is full";
  g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
  RpGateFacts facts = facts_of (rules);
  RpWebhookAnswer no = { url, FALSE, why }, yes = { url, TRUE, why }, elsewhere = { other, TRUE, why };
  rules->webhook = g_strdup (url);
  check_gate (&facts, "webhook", RP_GATE_CLOSED, "was not asked");
  facts.answer = &elsewhere;
  check_gate (&facts, "webhook", RP_GATE_CLOSED, "was not asked: the gates changed in between");
  facts.answer = &no;
  check_gate (&facts, "webhook", RP_GATE_CLOSED, "https://example.org/a does not say yes: the moon is full");
  facts.answer = &yes;
  check_gate (&facts, "webhook", RP_GATE_OPEN, "says yes");
}

static void
test_signatures (void **unused)
{
  char first[] = "key 1", second[] = "key 2", why[] = "component web (it is not signed by this key)";
  char *keys[] = { first, NULL }, *others[] = { second, NULL };
  g_autoptr (RpGateRules) rules = rp_gate_rules_new ();
  RpGateFacts facts = facts_of (rules);
  RpSignatureAnswer no = { keys, FALSE, why }, yes = { keys, TRUE, why }, before = { others, TRUE, why };
  rules->keys = g_strdupv (keys);
  check_gate (&facts, "signatures", RP_GATE_CLOSED, "were not looked at");
  facts.signatures = &before;
  check_gate (&facts, "signatures", RP_GATE_CLOSED, "the gates changed in between");
  facts.signatures = &no;
  check_gate (&facts, "signatures", RP_GATE_CLOSED, "v2: component web (it is not signed by this key)");
  facts.signatures = &yes;
  check_gate (&facts, "signatures", RP_GATE_OPEN, "v2: ");
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
    { { "everything", NULL }, "is no gate that can be overridden; those are: freeze, upstream, approvals, rate, webhook, signatures" },
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
  rules->from = g_strsplit ("staging,qa", ",", -1);
  rules->soak_ms = 7200000;
  rules->approvals = 2;
  rules->approvers = g_strdup ("managers");
  rules->rate_most = 3;
  rules->rate_per_ms = 86400000;
  rules->webhook = g_strdup ("https://example.org/");
  rules->webhook_timeout_ms = 1000;
  rules->keys = g_strsplit ("key 1,key 2", ",", -1);
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
    cmocka_unit_test (test_upstream),
    cmocka_unit_test (test_approvals),
    cmocka_unit_test (test_rate),
    cmocka_unit_test (test_webhook),
    cmocka_unit_test (test_signatures),
    cmocka_unit_test (test_names_of_overrides),
    cmocka_unit_test (test_rules_survive_the_ledger),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
