/* The loop of one target with a real journal and a target in memory (fake_driver.h): deploys, failed
 * trials, undos with and without a thread, and a stop at every call of the driver followed by a new start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/target_loop.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "fake_driver.h"

#define PATIENCE_MS 20000
#define TRIAL_MS 300

typedef struct {
  char *dir;
  RpAgentConfig *config;
  RpJournal *journal;
  RpTargetLoop *loop;
} Host;

/* Not NULL, so that the loop thinks itself online; the fake never looks at it. */
static RpOciClient *const some_client = (RpOciClient *) (void *) &fake;

static RpDigest
digest_of (int which)
{
  return rp_digest_of (RP_DIGEST_SHA256, &which, sizeof which);
}

/* ---- fixture ---- */

static void
start (Host *host, gboolean online, gboolean thread)
{
  g_autoptr (GError) error = NULL;
  RpTargetLoopOptions options = { .config = host->config, .ops = &fake_ops };

  host->journal = rp_journal_open (host->config->state, &error);
  assert_non_null (host->journal);
  options.journal = host->journal;
  options.target = g_ptr_array_index (host->config->targets, 0);
  options.client = online ? some_client : NULL;
  host->loop = rp_target_loop_new (&options, &error);
  if (host->loop == NULL)
    fail_msg ("%s", error->message);
  if (thread)
    rp_target_loop_start (host->loop);
}

static void
stop (Host *host)
{
  g_clear_pointer (&host->loop, rp_target_loop_free);
  g_clear_pointer (&host->journal, rp_journal_close);
}

static int
set_up (void **data)
{
  static const char *const text
      = "agent: host-1\nserver: http://127.0.0.1:1\nstate: state\ntargets:\n"
        "  - {app: shop, environment: production, target: web-1, driver: fake, options: {}}\n";
  Host *host = g_new0 (Host, 1);

  rp_log_set_level (RP_LOG_ERROR);
  fake_reset ();
  host->dir = g_dir_make_tmp ("repoint-loop-XXXXXX", NULL);
  host->config = rp_agent_config_parse (text, strlen (text), "agent.yaml", host->dir, NULL);
  *data = host;
  return host->config == NULL ? -1 : 0;
}

static int
tear_down (void **data)
{
  Host *host = *data;
  gboolean ok;

  stop (host);
  rp_agent_config_free (host->config);
  ok = rp_dir_remove (host->dir, NULL);
  g_free (host->dir);
  g_free (host);
  return ok ? 0 : -1;
}

/* Points to release `which` as revision `revision`; the window is the revisions before, all good, each
 * revision n being release n, down to `oldest`. */
static RpPointer *
pointer_to (gint64 revision, int which, int oldest, gboolean rollback)
{
  RpPointer *pointer = g_new0 (RpPointer, 1);

  pointer->seq = revision * 10;
  pointer->trial_ms = TRIAL_MS;
  pointer->window = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_entry_unref);
  for (int i = (int) revision; i >= oldest; i--)
    {
      int release = i == revision ? which : i;
      g_autofree char *version = g_strdup_printf ("v%d", release);
      RpDigest digest = digest_of (release);

      g_ptr_array_add (pointer->window, rp_entry_new (i, release, version, "shop/web", &digest,
                                                      i < revision, i == revision && rollback));
    }
  pointer->current = rp_entry_ref (g_ptr_array_index (pointer->window, 0));
  return pointer;
}

static RpPhase
wait_for_rest (Host *host)
{
  gint64 until_us = g_get_monotonic_time () + (gint64) PATIENCE_MS * 1000;
  RpPhase phase = RP_PHASE_IDLE;

  while (g_get_monotonic_time () < until_us)
    {
      g_autofree char *message = NULL;
      gboolean lost;

      if (rp_target_loop_rests (host->loop, &lost, &phase, &message))
        return phase;
      g_usleep (1000);
    }
  fail_msg ("does not come to rest, in phase %s", rp_phase_name (phase));
  return phase;
}

static RpPhase
deploy (Host *host, gint64 revision, int which)
{
  rp_target_loop_take (host->loop, pointer_to (revision, which, 1, FALSE));
  return wait_for_rest (host);
}

/* The states in the outbox, in order, without repetition: `preparing prepared trial confirmed`. */
static char *
reported (Host *host, json_t **out_last)
{
  g_autoptr (GString) states = g_string_new (NULL);
  g_autofree char *last = NULL;

  for (;;)
    {
      g_autoptr (json_t) body = NULL;
      gint64 n;

      assert_true (
          rp_journal_next_report (host->journal, "shop/production/web-1", &n, &body, NULL));
      if (body == NULL)
        return g_string_free (g_steal_pointer (&states), FALSE);
      if (g_strcmp0 (last, rp_json_str (body, "state")) != 0)
        g_string_append_printf (states, "%s%s", states->len > 0 ? " " : "",
                                rp_json_str (body, "state"));
      g_free (last);
      last = g_strdup (rp_json_str (body, "state"));
      if (out_last != NULL)
        {
          json_decref (*out_last);
          *out_last = json_incref (body);
        }
      assert_true (rp_journal_delivered (host->journal, n, NULL));
    }
}

static void
assert_runs (int which)
{
  RpDigest digest = digest_of (which);

  assert_true (fake_runs (&digest));
}

static void
make_unhealthy (int which)
{
  RpDigest digest = digest_of (which);

  fake_set (fake.unhealthy, &digest, TRUE);
}

/* ---- deploys ---- */

static void
test_deploys_and_reports (void **data)
{
  Host *host = *data;
  g_autofree char *states = NULL;
  json_t *last = NULL;

  start (host, TRUE, TRUE);
  assert_int_equal (deploy (host, 1, 1), RP_PHASE_CONFIRMED);
  assert_runs (1);
  states = reported (host, &last);
  /* "unknown" is told before it, if the loop came to rest before the pointer came. */
  assert_true (g_str_has_suffix (states, "preparing prepared trial confirmed"));
  assert_int_equal (rp_json_int (last, "revision"), 1);
  assert_int_equal (json_array_size (json_object_get (last, "local")), 1);
  assert_string_equal (json_string_value (json_array_get (json_object_get (last, "local"), 0)),
                       rp_json_str (last, "observed_digest"));
  json_decref (last);
}

static void
test_keeps_the_window_and_prunes_the_rest (void **data)
{
  Host *host = *data;
  RpDigest old = digest_of (77);
  RpDigest window = digest_of (2);

  fake_set (fake.prepared, &old, TRUE);
  start (host, TRUE, TRUE);
  rp_target_loop_take (host->loop, pointer_to (4, 4, 2, FALSE));
  assert_int_equal (wait_for_rest (host), RP_PHASE_CONFIRMED);
  assert_true (fake_has (fake.prepared, &window));
  assert_false (fake_has (fake.prepared, &old));
}

static void
test_prunes_nothing_without_the_server (void **data)
{
  Host *host = *data;
  RpDigest old = digest_of (77);

  start (host, TRUE, TRUE);
  assert_int_equal (deploy (host, 1, 1), RP_PHASE_CONFIRMED);
  stop (host);
  fake_set (fake.prepared, &old, TRUE);
  start (host, TRUE, TRUE);
  rp_target_loop_server_lost (host->loop, "gone");
  assert_int_equal (wait_for_rest (host), RP_PHASE_CONFIRMED);
  assert_true (fake_has (fake.prepared, &old));
}

static void
test_bad_bytes_fail_and_what_runs_stays (void **data)
{
  Host *host = *data;
  g_autofree char *states = NULL;

  start (host, TRUE, TRUE);
  deploy (host, 1, 1);
  g_free (reported (host, NULL));
  fake.bad_bytes = TRUE;
  assert_int_equal (deploy (host, 2, 2), RP_PHASE_FAILED);
  assert_runs (1);
  states = reported (host, NULL);
  assert_string_equal (states, "preparing failed");
}

/* ---- R44 ---- */

static void
test_R44_goes_back_alone (void **data)
{
  Host *host = *data;
  g_autofree char *states = NULL;
  json_t *last = NULL;

  start (host, TRUE, TRUE);
  deploy (host, 1, 1);
  g_free (reported (host, NULL));
  make_unhealthy (2);
  rp_target_loop_take (host->loop, pointer_to (2, 2, 1, FALSE));
  rp_target_loop_server_lost (host->loop, "cut off"); /* just after the switch was ordered */
  assert_int_equal (wait_for_rest (host), RP_PHASE_RETURNED);
  assert_runs (1);
  states = reported (host, &last);
  assert_string_equal (states, "preparing prepared trial reverted");
  assert_non_null (strstr (rp_json_str (last, "message"), "HTTP 500"));
  assert_non_null (strstr (rp_json_str (last, "message"), "v1"));
  json_decref (last);
  /* Never tried again by itself, also not after a restart or when the server says the same again. */
  stop (host);
  start (host, TRUE, TRUE);
  assert_int_equal (deploy (host, 2, 2), RP_PHASE_RETURNED);
  assert_runs (1);
  /* Only a new number moves on. */
  assert_int_equal (deploy (host, 3, 3), RP_PHASE_CONFIRMED);
  assert_runs (3);
}

static void
test_a_failed_rollback_stays (void **data)
{
  Host *host = *data;

  start (host, TRUE, TRUE);
  deploy (host, 1, 1);
  deploy (host, 2, 2);
  make_unhealthy (1);
  rp_target_loop_take (host->loop, pointer_to (3, 1, 1, TRUE));
  assert_int_equal (wait_for_rest (host), RP_PHASE_FAILED);
  assert_runs (1);
}

static void
test_goes_back_through_failures_of_the_switch (void **data)
{
  Host *host = *data;

  start (host, TRUE, TRUE);
  deploy (host, 1, 1);
  make_unhealthy (2);
  fake.fail_points = 1;
  assert_int_equal (deploy (host, 2, 2), RP_PHASE_RETURNED);
  assert_runs (1);
}

/* ---- undo ---- */

static void
run_three (Host *host)
{
  start (host, TRUE, TRUE);
  for (int i = 1; i <= 3; i++)
    assert_int_equal (deploy (host, i, i), RP_PHASE_CONFIRMED);
  g_free (reported (host, NULL));
  stop (host);
}

static void
undo_to (Host *host, gint64 revision, int expected)
{
  RpUndoRequest request = { revision, "it is on fire", "me@host" };
  g_autoptr (json_t) report = NULL;
  g_autoptr (GError) error = NULL;

  if (!rp_target_loop_undo (host->loop, &request, &report, &error))
    fail_msg ("%s", error->message);
  assert_runs (expected);
  assert_int_equal (rp_json_int (report, "to_revision"), expected);
  assert_int_equal (rp_json_int (report, "from_revision"), 3);
  assert_true (rp_json_bool (report, "recorded"));
  assert_string_equal (rp_json_str (report, "state"), "undone");
}

/* No thread, no client: what `repoint agent undo` does where no agent runs. */
static void
test_R19_undo_without_agent_or_server (void **data)
{
  Host *host = *data;
  g_autofree char *states = NULL;
  json_t *last = NULL;
  const json_t *undo;

  run_three (host);
  fake.unreachable = TRUE;
  start (host, FALSE, FALSE);
  undo_to (host, 0, 2);
  states = reported (host, &last);
  assert_string_equal (states, "undone");
  undo = json_object_get (last, "undo");
  assert_int_equal (rp_json_int (undo, "from_revision"), 3);
  assert_int_equal (rp_json_int (undo, "to_revision"), 2);
  assert_string_equal (rp_json_str (undo, "cause"), "it is on fire");
  assert_string_equal (rp_json_str (undo, "actor"), "me@host");
  json_decref (last);
}

static void
test_R11_R12_undo_again_goes_further_back (void **data)
{
  Host *host = *data;
  RpUndoRequest request = { 0 };
  g_autoptr (json_t) report = NULL;
  g_autoptr (GError) error = NULL;

  run_three (host);
  start (host, FALSE, FALSE);
  undo_to (host, 0, 2);
  undo_to (host, 0, 1);
  assert_false (rp_target_loop_undo (host->loop, &request, &report, &error));
  assert_int_equal (error->code, RP_ERROR_NOT_FOUND); /* as the server has it */
  assert_non_null (strstr (error->message, "undone on this host"));
  assert_null (report);
  assert_runs (1);
  undo_to (host, 2, 2); /* but a person who names it gets it */
}

static void
test_undo_passes_over_damaged_bytes (void **data)
{
  Host *host = *data;
  RpDigest damaged = digest_of (2);

  run_three (host);
  fake_set (fake.damaged, &damaged, TRUE);
  start (host, FALSE, FALSE);
  undo_to (host, 0, 1);
}

static void
test_undo_refuses_and_touches_nothing (void **data)
{
  Host *host = *data;
  RpUndoRequest unknown = { .to_revision = 9 };
  RpUndoRequest good = { 0 };
  RpUndoRequest damaged = { .to_revision = 2 };
  g_autoptr (json_t) report = NULL;
  g_autoptr (GError) not_found = NULL;
  g_autoptr (GError) blocked = NULL;
  g_autoptr (GError) named = NULL;
  guint points;

  run_three (host);
  for (int i = 1; i <= 2; i++)
    {
      RpDigest digest = digest_of (i);

      fake_set (fake.damaged, &digest, TRUE);
    }
  points = fake.points;
  start (host, FALSE, FALSE);
  assert_false (rp_target_loop_undo (host->loop, &unknown, &report, &not_found));
  assert_int_equal (not_found->code, RP_ERROR_NOT_FOUND);
  assert_false (rp_target_loop_undo (host->loop, &good, &report, &blocked));
  assert_int_equal (blocked->code, RP_ERROR_NOT_FOUND);
  assert_non_null (strstr (blocked->message, "not what its digest says"));
  assert_false (rp_target_loop_undo (host->loop, &damaged, &report, &named));
  assert_int_equal (named->code, RP_ERROR_BLOCKED);
  assert_non_null (strstr (named->message, "cannot go back to that revision"));
  assert_int_equal (fake.points, points);
  assert_runs (3);
}

static void
test_undo_is_held_until_the_server_moves_on (void **data)
{
  Host *host = *data;

  run_three (host);
  start (host, FALSE, FALSE);
  undo_to (host, 0, 2);
  stop (host);
  start (host, TRUE, TRUE);
  assert_int_equal (deploy (host, 3, 3), RP_PHASE_UNDONE); /* the server does not know yet */
  assert_runs (2);
  rp_target_loop_take (host->loop, pointer_to (4, 2, 1, TRUE)); /* its answer to the report */
  assert_int_equal (wait_for_rest (host), RP_PHASE_CONFIRMED);
  assert_runs (2);
}

static void
test_undo_interrupts_a_slow_pull (void **data)
{
  Host *host = *data;
  guint prepares;

  run_three (host);
  prepares = fake_prepares ();
  fake.hang_prepare = TRUE;
  start (host, TRUE, TRUE);
  rp_target_loop_take (host->loop, pointer_to (3, 3, 1, FALSE));
  rp_target_loop_take (host->loop, pointer_to (4, 4, 1, FALSE));
  for (int i = 0; i < PATIENCE_MS && fake_prepares () == prepares; i++)
    g_usleep (1000);
  {
    RpUndoRequest request = { 0 };
    g_autoptr (json_t) report = NULL;
    g_autoptr (GError) error = NULL;

    if (!rp_target_loop_undo (host->loop, &request, &report, &error))
      fail_msg ("%s", error->message);
    assert_int_equal (rp_json_int (report, "from_revision"), 4);
  }
  assert_runs (2);
}

/* ---- R25 ---- */

/* Runs a bad or good deploy and stops the agent dead at the n-th call of the driver, before or after its
 * effect; then starts anew.  Returns whether there was such a call. */
static gboolean
cut_deploy (Host *host, guint n, gboolean after_effect, gboolean bad)
{
  gboolean cut;

  start (host, TRUE, TRUE);
  assert_int_equal (deploy (host, 1, 1), RP_PHASE_CONFIRMED);
  g_free (reported (host, NULL));
  if (bad)
    make_unhealthy (2);
  fake.cut_after_effect = after_effect;
  fake.cut_at = n;
  rp_target_loop_take (host->loop, pointer_to (2, 2, 1, FALSE));
  for (;;)
    {
      g_autofree char *message = NULL;
      gboolean lost;
      RpPhase phase;

      g_mutex_lock (&fake.lock);
      cut = fake.is_cut;
      g_mutex_unlock (&fake.lock);
      if (cut || rp_target_loop_rests (host->loop, &lost, &phase, &message))
        break;
      g_usleep (500);
    }
  stop (host);
  return cut;
}

static void
converges (Host *host, gboolean bad)
{
  g_autofree char *states = NULL;
  RpDigest v1 = digest_of (1);
  RpDigest v2 = digest_of (2);

  assert_true (fake_runs (&v1) || fake_runs (&v2)); /* promise 3 */
  fake.cut_at = 0;
  start (host, TRUE, TRUE);
  rp_target_loop_server_lost (host->loop, "still away");
  assert_int_equal (deploy (host, 2, 2), bad ? RP_PHASE_RETURNED : RP_PHASE_CONFIRMED);
  assert_runs (bad ? 1 : 2);
  states = reported (host, NULL);
  assert_true (strstr (states, bad ? "reverted" : "confirmed") != NULL); /* never forgets */
}

static void
test_R25_stopped_at_every_call (void **data)
{
  guint cuts = 0;

  for (int variant = 0; variant < 4; variant++)
    for (guint n = 1;; n++)
      {
        gboolean bad = (variant & 1) != 0;
        gboolean cut = cut_deploy (*data, n, (variant & 2) != 0, bad);

        converges (*data, bad);
        tear_down (data);
        set_up (data);
        cuts += cut ? 1 : 0;
        /* Unhealthy probes repeat for the length of the trial: a few of them are enough. */
        if (!cut || n > 8)
          break;
      }
  assert_true (cuts >= 12);
}

int
main (void)
{
#define CASE(function) cmocka_unit_test_setup_teardown (function, set_up, tear_down)
  const struct CMUnitTest tests[] = {
    CASE (test_deploys_and_reports),
    CASE (test_keeps_the_window_and_prunes_the_rest),
    CASE (test_prunes_nothing_without_the_server),
    CASE (test_bad_bytes_fail_and_what_runs_stays),
    CASE (test_R44_goes_back_alone),
    CASE (test_a_failed_rollback_stays),
    CASE (test_goes_back_through_failures_of_the_switch),
    CASE (test_R19_undo_without_agent_or_server),
    CASE (test_R11_R12_undo_again_goes_further_back),
    CASE (test_undo_passes_over_damaged_bytes),
    CASE (test_undo_refuses_and_touches_nothing),
    CASE (test_undo_is_held_until_the_server_moves_on),
    CASE (test_undo_interrupts_a_slow_pull),
    CASE (test_R25_stopped_at_every_call),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
