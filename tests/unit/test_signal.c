/* Signals: what may be declared, what a measurement is, and what follows from many. */
#include "check.h"
#include "http_peer.h"

#include "base/json.h"
#include "release/signal_query.h"
#include "signal/judge.h"
#include "signal/probe.h"
#include "signal/prometheus.h"

/* ---- declarations ---- */

static RpSignalRules *
parse (const char *text, GError **error)
{
  g_autoptr (RpYaml) yaml = rp_yaml_parse (text, strlen (text), "app.yaml", error);
  if (yaml == NULL)
    return NULL;
  return rp_signal_rules_parse (rp_yaml_root (yaml), error);
}

#define HTTP "{name: front, http: 'http://127.0.0.1/'"
#define PROM "{name: errors, prometheus: 'http://p:9090', query: up"

static const struct
{
  const char *text;
  const char *message; /* NULL: taken */
} declarations[] = {
  { "{watch: [" HTTP "}]}", NULL },
  { "{for: 1h, on_failure: rollback, watch: [" HTTP ", status: 204}, " PROM ", bad_above: 0.02, bad_below: -1e3}]}", NULL },
  { "{for: 1h}", "watch: expected a list of 1 to 20 signals" },
  { "{watch: []}", "watch: expected a list of 1 to 20 signals" },
  { "{on_failure: stop, watch: [" HTTP "}]}", "expected one of notify, pause, rollback" },
  { "{for: 31d, watch: [" HTTP "}]}", "expected 1ms to 30d" },
  { "{watch: [" HTTP "}, " HTTP "}]}", "there is a signal front already" },
  { "{watch: [{name: Front, http: 'http://127.0.0.1/'}]}", "is no name of a signal" },
  { "{watch: [{name: front}]}", "either `http` or `prometheus`" },
  { "{watch: [" HTTP ", prometheus: 'http://p/', query: up}]}", "either `http` or `prometheus`" },
  { "{watch: [" HTTP ", query: up}]}", "only a signal with `prometheus` has one" },
  { "{watch: [" PROM ", bad_above: 1, status: 200}]}", "only a signal with `http` has one" },
  { "{watch: [" PROM "}]}", "say from where on a value is bad" },
  { "{watch: [{name: errors, prometheus: 'http://p:9090', bad_above: 1}]}", "query" },
  { "{watch: [" PROM ", bad_above: 2%}]}", "expected a number such as 0.02, found \"2%\"" },
  { "{watch: [" PROM ", bad_above: nan}]}", "expected a number" },
  { "{watch: [" PROM ", bad_above: inf}]}", "expected a number" },
  { "{watch: [{name: front, http: 'http://me:secret@x/'}]}", "without a password" },
  { "{watch: [{name: front, http: 'file:///etc/passwd'}]}", "expected an http:// or https:// address" },
  { "{watch: [" HTTP ", every: 1ms}]}", "every: expected from 100ms" },
  { "{watch: [" HTTP ", timeout: 31s}]}", "timeout: expected 1ms to 30s" },
  { "{for: 30d, watch: [" HTTP ", every: 1s}]}", "more than 2000 measurements" },
  { "{for: 1m, watch: [" HTTP ", every: 30s}]}", "it could never fail" },
  { "{for: 10m, watch: [" HTTP ", delay: 10m}]}", "it could never fail" },
  { "{watch: [{name: e, prometheus: 'http://p', query: 'up{v=\"{{version}}\"}[{{elapsed}}]', bad_above: 1}]}", NULL },
  { "{watch: [{name: e, prometheus: 'http://p', query: 'up{{commit}}', bad_above: 1}]}",
    "unknown {{commit}}; after {{ comes one of version, revision, elapsed" },
  { "{watch: [{name: e, prometheus: 'http://p', query: 'up{{version}', bad_above: 1}]}", "after {{ comes one of" },
  { "{watch: [" HTTP ", evry: 10s}]}", "did you mean \"every\"" },
};

static void
test_declarations (void **unused)
{
  for (gsize i = 0; i < G_N_ELEMENTS (declarations); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (RpSignalRules) rules = parse (declarations[i].text, &error);
      if ((rules == NULL) != (declarations[i].message != NULL))
        fail_msg ("%s: %s", declarations[i].text, error != NULL ? error->message : "taken");
      if (rules == NULL)
        check_contains (error->message, declarations[i].message);
    }
}

static void
test_what_is_recorded_reads_the_same (void **unused)
{
  GError *error = NULL;
  for (gsize i = 0; i < 2; i++)
    {
      g_autoptr (RpSignalRules) rules = parse (declarations[i].text, &error);
      check_ok (rules != NULL);
      g_autoptr (json_t) json = rp_signal_rules_to_json (rules);
      g_autofree char *text = rp_json_canonical (json);
      g_autoptr (RpSignalRules) read = rp_signal_rules_from_text (text, &error);
      check_ok (read != NULL);
      g_autoptr (json_t) again = rp_signal_rules_to_json (read);
      assert_true (json_equal (json, again));
    }
  g_autoptr (RpSignalRules) none = rp_signal_rules_parse (NULL, &error);
  check_ok (none != NULL);
  g_autoptr (json_t) empty = rp_signal_rules_to_json (none);
  assert_int_equal (json_object_size (empty), 0);
}

/* ---- answers of Prometheus ---- */

#define VECTOR(series) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" series "]}}"
#define SERIES(value)  "{\"metric\":{},\"value\":[1700000000.1,\"" value "\"]}"

static const struct
{
  int status;
  const char *answer;
  RpSampleOutcome outcome;
  const char *detail;
} answers[] = {
  { 200, VECTOR (SERIES ("0.01")), RP_SAMPLE_OK, "0.01" },
  { 200, VECTOR (SERIES ("0.02")), RP_SAMPLE_OK, "0.02" },
  { 200, VECTOR (SERIES ("0.05")), RP_SAMPLE_BAD, "0.05, bad above 0.02" },
  { 200, VECTOR (SERIES ("-0.5")), RP_SAMPLE_BAD, "-0.5, bad below 0" },
  { 200, VECTOR (SERIES ("+Inf")), RP_SAMPLE_BAD, "bad above" },
  { 200, VECTOR (SERIES ("-Inf")), RP_SAMPLE_BAD, "bad below" },
  { 200, VECTOR (SERIES ("NaN")), RP_SAMPLE_INCONCLUSIVE, "NaN" },
  { 200, VECTOR (""), RP_SAMPLE_INCONCLUSIVE, "no data" },
  { 200, VECTOR (SERIES ("0") "," SERIES ("9")), RP_SAMPLE_ERROR, "returns 2 series; aggregate them" },
  { 200, VECTOR (SERIES ("much")), RP_SAMPLE_ERROR, "no number" },
  { 200, VECTOR ("7"), RP_SAMPLE_ERROR, "no number" },
  { 200, "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"0\"]}}", RP_SAMPLE_OK, "0" },
  { 200, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", RP_SAMPLE_ERROR, "returns a matrix" },
  { 200, "{\"status\":\"success\"}", RP_SAMPLE_ERROR, "value without a type" },
  { 400, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error: no\"}", RP_SAMPLE_ERROR, "parse error: no" },
  { 503, "{\"status\":\"error\",\"error\":\"query timed out\"}", RP_SAMPLE_ERROR, "status 503: query timed out" },
  { 502, "<html>", RP_SAMPLE_ERROR, "status 502" },
  { 200, "[]", RP_SAMPLE_ERROR, "status 200" },
};

static void
test_answers_of_prometheus (void **unused)
{
  RpSignalRule rule = { .name = (char *) "errors", .bad_above = (char *) "0.02", .bad_below = (char *) "0" };
  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      g_autofree char *detail = NULL;
      RpSampleOutcome outcome = rp_prometheus_read (&rule, answers[i].status, answers[i].answer,
                                                    strlen (answers[i].answer), &detail);
      if (outcome != answers[i].outcome)
        fail_msg ("%s: %s: %s", answers[i].answer, rp_sample_outcome_name (outcome), detail);
      check_contains (detail, answers[i].detail);
    }
  rule.no_answer_is_bad = TRUE;
  g_autofree char *detail = NULL;
  assert_int_equal (rp_prometheus_read (&rule, 200, VECTOR (""), strlen (VECTOR ("")), &detail), RP_SAMPLE_BAD);
}

/* ---- what changes from move to move ---- */

static void
test_queries_are_filled (void **unused)
{
  static const struct
  {
    const char *query, *filled;
  } cases[] = {
    { "up", "up" },
    { "a{v=\"{{version}}\",r=\"{{revision}}\"}", "a{v=\"1.2.0+x\",r=\"7\"}" },
    { "r(a[{{elapsed}}])/r(a[{{elapsed}}] offset {{elapsed}})", "r(a[95s])/r(a[95s] offset 95s)" },
    { "{{version}}{{version}}", "1.2.0+x1.2.0+x" },
  };
  RpSignalQueryFacts facts = { "1.2.0+x", 7, 95 * G_USEC_PER_SEC + 999999 };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *filled = rp_signal_query_fill (cases[i].query, &facts);
      assert_string_equal (filled, cases[i].filled);
    }
  facts.elapsed_us = 0;
  g_autofree char *least = rp_signal_query_fill ("{{elapsed}}", &facts);
  assert_string_equal (least, "1s");
}

/* ---- over HTTP ---- */

typedef struct
{
  int status;
  char *methods; /* of the requests, in their order */
  char *last;    /* path of the last */
} Source;

/* Says VECTOR, or the status that it is told to answer a POST with. */
static void
answer (const PeerRequest *request, PeerReply *reply, gpointer user_data)
{
  Source *source = user_data;
  g_autofree char *before = source->methods;
  source->methods = g_strconcat (before != NULL ? before : "", request->method, " ", NULL);
  g_free (source->last);
  source->last = g_strdup (request->path);
  gboolean post = g_str_equal (request->method, "POST");
  reply->status = source->status != 0 && (post || source->status < 400) ? source->status : 200;
  reply->body = g_bytes_new_static (VECTOR (SERIES ("0")), strlen (VECTOR (SERIES ("0"))));
  if (reply->status == 302)
    reply->headers = "Location: http://127.0.0.1:1/\r\n";
}

static void
test_prometheus_is_asked_by_post_and_where_that_is_forbidden_by_get (void **unused)
{
  Source source = { 0 };
  Peer *peer = peer_start (NULL, answer, &source);
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u/prometheus/", peer->port);
  RpSignalRule rule = { .url = url, .query = (char *) "a+b > 1", .bad_above = (char *) "1", .timeout_ms = 20000 };
  g_autoptr (RpHttpClient) client = rp_http_client_new (&(RpHttpOptions){ 0 });
  g_autofree char *posted = NULL, *got = NULL;
  assert_int_equal (rp_prometheus_measure (client, &rule, rule.query, NULL, &posted), RP_SAMPLE_OK);
  assert_string_equal (source.last, "/prometheus/api/v1/query");
  source.status = 405;
  assert_int_equal (rp_prometheus_measure (client, &rule, rule.query, NULL, &got), RP_SAMPLE_OK);
  peer_stop (peer);
  assert_string_equal (source.methods, "POST POST GET ");
  assert_string_equal (source.last, "/prometheus/api/v1/query?query=a%2Bb%20%3E%201");
  g_free (source.methods);
  g_free (source.last);
}

static void
test_probes (void **unused)
{
  static const struct
  {
    int expected, answered;
    RpSampleOutcome outcome;
  } cases[] = { { 0, 200, RP_SAMPLE_OK }, { 0, 204, RP_SAMPLE_OK }, { 0, 302, RP_SAMPLE_BAD }, { 302, 302, RP_SAMPLE_OK },
                { 204, 200, RP_SAMPLE_BAD } };
  Source source = { 0 };
  Peer *peer = peer_start (NULL, answer, &source);
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u/", peer->port);
  RpSignalRule rule = { .url = url, .timeout_ms = 20000, .no_answer_is_bad = TRUE };
  g_autoptr (RpHttpClient) client = rp_http_client_new (&(RpHttpOptions){ 0 });
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *detail = NULL;
      rule.status = cases[i].expected;
      source.status = cases[i].answered;
      assert_int_equal (rp_signal_probe (client, &rule, NULL, &detail), cases[i].outcome);
      check_contains (detail, "it answered with status");
    }
  peer_stop (peer);
  g_autofree char *refused = NULL, *again = NULL;
  assert_int_equal (rp_signal_probe (client, &rule, NULL, &refused), RP_SAMPLE_BAD);
  rule.no_answer_is_bad = FALSE;
  assert_int_equal (rp_signal_probe (client, &rule, NULL, &again), RP_SAMPLE_INCONCLUSIVE);
  g_free (source.methods);
  g_free (source.last);
}

/* ---- verdicts ---- */

#define UNTIL 100

/* Each letter is a measurement: o ok, b bad, i inconclusive, e error; failure_limit is 2, error_limit 3. `other`: of a second signal. */
static const struct
{
  const char *samples, *other;
  gint64 now;
  RpSignalState state;
  const char *reason;
} verdicts[] = {
  { "", "o", 10, RP_SIGNAL_WATCHING, NULL },
  { "oooo", "o", 10, RP_SIGNAL_WATCHING, NULL }, /* J3 */
  { "oooo", "o", 100, RP_SIGNAL_HELD, "all 2 signals held" },
  { "bb", "o", 10, RP_SIGNAL_WATCHING, NULL },
  { "bbb", "o", 10, RP_SIGNAL_FAILED, "signal front failed: 3 of 3 measurements were bad, at most 2 may be; the last: b" },
  { "obobob", "o", 10, RP_SIGNAL_FAILED, "3 of 6" }, /* J2, although not in a row */
  { "o", "bbb", 10, RP_SIGNAL_FAILED, "signal other failed" },
  { "bbb", "o", 100, RP_SIGNAL_FAILED, "3 of 3" },
  { "bob", "o", 100, RP_SIGNAL_WATCHING, NULL }, /* J3: not while it is bad */
  { "bobo", "o", 100, RP_SIGNAL_HELD, "held" },
  { "eeeeeeeeee", "o", 10, RP_SIGNAL_WATCHING, NULL }, /* J1 */
  { "eeeeeeeeee", "o", 100, RP_SIGNAL_UNKNOWN, "signal front says nothing: the last 10 measurements" }, /* J4 */
  { "oieie", "o", 100, RP_SIGNAL_UNKNOWN, "the last 4" },
  { "oiei", "o", 100, RP_SIGNAL_WATCHING, NULL },
  { "eeeeo", "o", 100, RP_SIGNAL_HELD, "held" },
  { "eeee", "", 100, RP_SIGNAL_WATCHING, NULL },
  { "eeee", "bbb", 100, RP_SIGNAL_FAILED, "signal other failed" },
  { "eeee", "b", 100, RP_SIGNAL_WATCHING, NULL },
  { "", "o", 100, RP_SIGNAL_WATCHING, NULL },
};

static void
add_tally (GPtrArray *tallies, const char *name, const char *samples)
{
  static const struct
  {
    char letter;
    RpSampleOutcome outcome;
  } letters[] = { { 'o', RP_SAMPLE_OK }, { 'b', RP_SAMPLE_BAD }, { 'i', RP_SAMPLE_INCONCLUSIVE }, { 'e', RP_SAMPLE_ERROR } };
  if (*samples == '\0')
    return;
  RpSignalTally *tally = rp_signal_tally_new (name);
  for (const char *p = samples; *p != '\0'; p++)
    for (gsize i = 0; i < G_N_ELEMENTS (letters); i++)
      if (*p == letters[i].letter)
        rp_signal_tally_add (tally, letters[i].outcome, (char[]){ *p, '\0' }, p - samples);
  g_ptr_array_add (tallies, tally);
}

static void
test_verdicts (void **unused)
{
  GError *error = NULL;
  g_autoptr (RpSignalRules) rules = parse ("{watch: [" HTTP ", error_limit: 3}, {name: other, http: 'http://127.0.0.1/'}]}", &error);
  check_ok (rules != NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (verdicts); i++)
    {
      g_autoptr (GPtrArray) tallies = g_ptr_array_new_with_free_func (rp_signal_tally_free);
      g_autofree char *reason = NULL;
      add_tally (tallies, "front", verdicts[i].samples);
      add_tally (tallies, "other", verdicts[i].other);
      RpSignalState state = rp_signal_judge (rules, tallies, UNTIL, verdicts[i].now, &reason);
      if (state != verdicts[i].state)
        fail_msg ("%s and %s: %s: %s", verdicts[i].samples, verdicts[i].other, rp_signal_state_name (state), reason);
      if (verdicts[i].reason == NULL)
        assert_null (reason);
      else
        check_contains (reason, verdicts[i].reason);
    }
}

static void
test_without_a_signal_nothing_is_said (void **unused)
{
  GError *error = NULL;
  g_autoptr (RpSignalRules) rules = rp_signal_rules_parse (NULL, &error);
  g_autoptr (GPtrArray) tallies = g_ptr_array_new ();
  g_autofree char *reason = NULL;
  check_ok (rules != NULL);
  assert_int_equal (rp_signal_judge (rules, tallies, UNTIL, 0, &reason), RP_SIGNAL_UNKNOWN);
}

static void
test_when_it_is_due (void **unused)
{
  RpSignalRule rule = { .every_ms = 1000, .delay_ms = 5000 };
  g_autofree char *long_text = g_strnfill (1000, '\n');
  RpSignalTally *tally = rp_signal_tally_new ("front");
  assert_int_equal (rp_signal_due_us (&rule, NULL, 7), 5000007);
  assert_int_equal (rp_signal_due_us (&rule, tally, 7), 5000007);
  rp_signal_tally_add (tally, RP_SAMPLE_OK, long_text, 9000000);
  assert_int_equal (rp_signal_due_us (&rule, tally, 7), 10000000);
  assert_true (strlen (tally->detail) <= 300 && strchr (tally->detail, '\n') == NULL);
  g_autoptr (json_t) json = rp_signal_tally_to_json (tally);
  RpSignalTally *read = rp_signal_tally_from_json (json);
  g_autoptr (json_t) again = rp_signal_tally_to_json (read);
  assert_true (json_equal (json, again));
  rp_signal_tally_free (read);
  rp_signal_tally_free (tally);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_declarations),
    cmocka_unit_test (test_what_is_recorded_reads_the_same),
    cmocka_unit_test (test_answers_of_prometheus),
    cmocka_unit_test (test_queries_are_filled),
    cmocka_unit_test (test_prometheus_is_asked_by_post_and_where_that_is_forbidden_by_get),
    cmocka_unit_test (test_probes),
    cmocka_unit_test (test_verdicts),
    cmocka_unit_test (test_without_a_signal_nothing_is_said),
    cmocka_unit_test (test_when_it_is_due),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
