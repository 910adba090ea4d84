#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <glib/gstdio.h>

#include "agent/journal.h"
#include "agent/reserve.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

#define TARGET "shop/production/web-1"

static int
make_dir (void **state)
{
  *state = g_dir_make_tmp ("repoint-journal-XXXXXX", NULL);
  return *state == NULL ? -1 : 0;
}

static int
remove_dir (void **state)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = rp_dir_remove (*state, &error);

  g_free (*state);
  return ok ? 0 : -1;
}

static RpJournal *
open_journal (const char *dir)
{
  g_autoptr (GError) error = NULL;
  RpJournal *journal = rp_journal_open (dir, &error);

  if (journal == NULL)
    fail_msg ("%s", error->message);
  return journal;
}

static RpEntry *
entry (gint64 revision, const char *version)
{
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, version, strlen (version));

  return rp_entry_new (revision, revision * 10, version, "shop/web", &digest, TRUE, FALSE);
}

static RpTargetState *
full_state (void)
{
  RpTargetState *state = rp_target_state_new ();

  state->seq = 77;
  state->trial_ms = 1234;
  state->pointer = entry (5, "v5");
  g_ptr_array_add (state->window, entry (5, "v5"));
  g_ptr_array_add (state->window, entry (4, "v4"));
  state->phase = RP_PHASE_UNDO_CHECK;
  state->work = entry (5, "v5");
  state->confirmed = entry (4, "v4");
  state->previous = entry (3, "v3");
  state->deadline_us = 999;
  state->has_expect = TRUE;
  state->expect = state->confirmed->digest;
  state->drifted = TRUE;
  state->message = g_strdup ("what happened, \"quoted\" and \xc3\xa4");
  state->undo.to = entry (4, "v4");
  state->undo.from_revision = 5;
  state->undo.has_from_digest = TRUE;
  state->undo.from_digest = state->work->digest;
  state->undo.cause = g_strdup ("because");
  state->undo.actor = g_strdup ("me@host");
  return state;
}

static void
assert_same_state (const RpTargetState *a, const RpTargetState *b)
{
  g_autoptr (json_t) left = rp_target_state_to_json (a);
  g_autoptr (json_t) right = rp_target_state_to_json (b);

  assert_non_null (left);
  assert_true (json_equal (left, right));
}

static void
commit (RpJournal *journal, const RpTargetState *state, const RpStep *step, json_t *report)
{
  g_autoptr (GError) error = NULL;

  if (!rp_journal_commit (journal, TARGET, state, step, &report, report != NULL ? 1 : 0, &error))
    fail_msg ("%s", error->message);
}

static void
test_state_comes_back_after_reopening (void **data)
{
  g_autoptr (RpTargetState) state = full_state ();
  g_autoptr (RpTargetState) loaded = NULL;
  g_autoptr (RpTargetState) other = NULL;
  g_autoptr (GError) error = NULL;
  RpJournal *journal = open_journal (*data);

  commit (journal, state, NULL, NULL);
  rp_journal_close (journal);
  journal = open_journal (*data);
  loaded = rp_journal_load (journal, TARGET, &error);
  assert_non_null (loaded);
  assert_same_state (state, loaded);
  other = rp_journal_load (journal, "shop/production/other", &error);
  assert_int_equal (other->phase, RP_PHASE_IDLE);
  rp_journal_close (journal);
}

static void
test_a_copy_is_the_same_and_its_own (void **data)
{
  g_autoptr (RpTargetState) state = full_state ();
  g_autoptr (RpTargetState) copy = rp_target_state_copy (state);

  assert_same_state (state, copy);
  rp_target_state_set (&copy->work, NULL);
  g_free (copy->undo.cause);
  copy->undo.cause = NULL;
  assert_non_null (state->work);
  assert_string_equal (state->undo.cause, "because");
}

static void
test_reports_leave_in_order_and_numbers_only_grow (void **data)
{
  g_autoptr (RpTargetState) state = full_state ();
  g_autoptr (GError) error = NULL;
  RpJournal *journal = open_journal (*data);
  gint64 last = 0;
  gint64 waiting;
  gint64 refused;

  for (int i = 0; i < 5; i++)
    {
      g_autoptr (json_t) report = json_pack ("{s:i}", "i", i);

      commit (journal, state, NULL, report);
    }
  for (int i = 0; i < 5; i++)
    {
      g_autoptr (json_t) body = NULL;
      gint64 n;

      assert_true (rp_journal_next_report (journal, TARGET, &n, &body, &error));
      assert_int_equal (rp_json_int (body, "i"), i);
      assert_true (n > last);
      last = n;
      if (i == 2)
        assert_true (rp_journal_refused (journal, n, "malformed", &error));
      else
        assert_true (rp_journal_delivered (journal, n, &error));
      /* Also across a restart in the middle. */
      rp_journal_close (journal);
      journal = open_journal (*data);
    }
  assert_true (rp_journal_count (journal, TARGET, &waiting, &refused, &error));
  assert_int_equal (waiting, 0);
  assert_int_equal (refused, 1);
  rp_journal_close (journal);
}

/* The server takes each number once: a journal that was lost must not begin at 1 again. */
static void
test_a_new_journal_counts_from_the_time_it_was_made (void **data)
{
  g_autoptr (RpTargetState) state = full_state ();
  g_autoptr (json_t) report = json_pack ("{s:i}", "i", 1);
  g_autoptr (json_t) body = NULL;
  g_autoptr (GError) error = NULL;
  gint64 before_ms = rp_clock_now_us () / 1000;
  g_autoptr (RpJournal) journal = open_journal (*data);
  gint64 n;

  commit (journal, state, NULL, report);
  assert_true (rp_journal_next_report (journal, TARGET, &n, &body, &error));
  assert_true (n > before_ms);
}

static void
test_what_was_learned_is_remembered (void **data)
{
  static const RpLearn lessons[]
      = { RP_LEARN_CONFIRMED, RP_LEARN_FAILED, RP_LEARN_UNDONE, RP_LEARN_CONFIRMED };
  g_autoptr (RpTargetState) state = full_state ();
  g_autoptr (RpEntry) v4 = entry (4, "v4");
  g_autoptr (GError) error = NULL;
  g_autoptr (RpJournal) journal = open_journal (*data);
  RpLearn known;

  assert_true (rp_journal_known (journal, TARGET, &v4->digest, &known, &error));
  assert_int_equal (known, RP_LEARN_NOTHING);
  for (gsize i = 0; i < G_N_ELEMENTS (lessons); i++)
    {
      RpStep step = { .learn = lessons[i], .learn_revision = 4, .learn_digest = v4->digest };

      commit (journal, state, &step, NULL);
      assert_true (rp_journal_known (journal, TARGET, &v4->digest, &known, &error));
      assert_int_equal (known, lessons[i]);
    }
}

static void
test_ready_marks (void **data)
{
  g_autoptr (RpEntry) v4 = entry (4, "v4");
  g_autoptr (GError) error = NULL;
  g_autoptr (RpJournal) journal = open_journal (*data);
  g_autoptr (GHashTable) ready = NULL;
  g_autoptr (GHashTable) gone = NULL;

  assert_true (rp_journal_set_ready (journal, TARGET, &v4->digest, 42, &error));
  ready = rp_journal_ready (journal, TARGET, &error);
  assert_int_equal (*(gint64 *) g_hash_table_lookup (ready, &v4->digest), 42);
  assert_true (rp_journal_set_ready (journal, TARGET, &v4->digest, 0, &error));
  gone = rp_journal_ready (journal, TARGET, &error);
  assert_int_equal (g_hash_table_size (gone), 0);
}

static void
test_reserve_is_real_and_is_given_once (void **data)
{
  g_autofree char *path = g_build_filename (*data, "reserve", NULL);
  GStatBuf info;

  assert_true (rp_reserve_fill (*data));
  assert_int_equal (g_stat (path, &info), 0);
  assert_int_equal (info.st_size, RP_RESERVE_BYTES);
  assert_true ((gint64) info.st_blocks * 512 >= RP_RESERVE_BYTES);
  assert_true (rp_reserve_release (*data));
  assert_false (rp_reserve_release (*data));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (test_state_comes_back_after_reopening, make_dir, remove_dir),
    cmocka_unit_test (test_a_copy_is_the_same_and_its_own),
    cmocka_unit_test_setup_teardown (test_reports_leave_in_order_and_numbers_only_grow, make_dir,
                                     remove_dir),
    cmocka_unit_test_setup_teardown (test_a_new_journal_counts_from_the_time_it_was_made, make_dir,
                                     remove_dir),
    cmocka_unit_test_setup_teardown (test_what_was_learned_is_remembered, make_dir, remove_dir),
    cmocka_unit_test_setup_teardown (test_ready_marks, make_dir, remove_dir),
    cmocka_unit_test_setup_teardown (test_reserve_is_real_and_is_given_once, make_dir, remove_dir),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
