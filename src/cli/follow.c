#include "cli/follow.h"

#include "base/clock.h"
#include "cli/humane.h"
#include "cli/table.h"

enum {
  POLL_MS = 20 * 1000,
  POLL_ON_TERMINAL_MS = 1000, /* so that the seconds move */
  LOST_LIMIT_MS = 60 * 1000,  /* how long the server may be away: a restart fits in */
  LOST_PAUSE_MS = 500,
};

typedef struct {
  RpCli *cli;
  const char *app;
  const char *env;
  gint64 number;
  gboolean signals; /* they are waited for */
  gint64 started_us;
  gint64 deadline_us; /* 0: none */
  gint64 lost_us;     /* since when nobody answers; 0: connected */
  gint64 seq;
  GHashTable *lines; /* target → the last line printed of it */
  gboolean progress; /* a progress line is on the terminal */
} Follow;

static void
wipe_progress (Follow *follow)
{
  if (follow->progress)
    fputs ("\r\033[K", follow->cli->out.stream);
  follow->progress = FALSE;
}

static void
print_progress (Follow *follow, const json_t *status)
{
  if (!follow->cli->out.tty || follow->cli->json)
    return;
  gsize confirmed = 0, i;
  json_t *target, *targets = json_object_get (status, "targets");
  json_array_foreach (targets, i, target) confirmed
      += rp_json_int (target, "revision") == follow->number
         && g_strcmp0 (rp_json_str (target, "state"), "confirmed") == 0;
  g_autofree char *text = g_strdup_printf (
      "waiting: %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " targets confirmed, %" G_GINT64_FORMAT
      " s",
      confirmed, json_array_size (targets),
      (rp_clock_monotonic_us () - follow->started_us) / G_USEC_PER_SEC);
  wipe_progress (follow);
  rp_term_text (&follow->cli->out, RP_STYLE_DIM, text);
  fflush (follow->cli->out.stream);
  follow->progress = TRUE;
}

/* Only what belongs to this revision, or is newer: a target that still reports the one before says
 * nothing about the rollout. */
static void
print_changes (Follow *follow, const json_t *status)
{
  gsize i;
  json_t *target;
  json_array_foreach (json_object_get (status, "targets"), i, target)
  {
    const char *name = rp_json_str (target, "name");
    const char *state = rp_json_str (target, "state");
    const char *message = rp_json_str (target, "message");
    g_autofree char *brief = rp_humane_text (message);
    gint64 revision = rp_json_int (target, "revision");
    gboolean has_message = message != NULL && *message != '\0';
    if (name == NULL || state == NULL || revision < follow->number)
      continue;
    g_autofree char *line = g_strdup_printf (
        "  %s: %s%s%s", name, state, has_message ? ": " : "", has_message ? brief : "");
    if (revision != follow->number)
      {
        g_autofree char *newer = g_strdup_printf ("%s (revision %" G_GINT64_FORMAT ")", line,
                                                  revision);
        g_free (line);
        line = g_steal_pointer (&newer);
      }
    if (g_strcmp0 (g_hash_table_lookup (follow->lines, name), line) == 0)
      continue;
    wipe_progress (follow);
    rp_cli_note (follow->cli, "%s", line);
    g_hash_table_insert (follow->lines, g_strdup (name), g_steal_pointer (&line));
  }
}

static json_t *
get_revision (Follow *follow, gint64 number, GError **error)
{
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT, number);
  g_autofree char *path = rp_api_path ("apps", follow->app, "environments", follow->env,
                                       "revisions", text, NULL);
  return rp_api_get (follow->cli->api, path, 0, error);
}

static gboolean
fail_rolled_back (Follow *follow, const json_t *revision, const char *why, GError **error)
{
  g_autoptr (json_t) next = get_revision (follow, rp_json_int (revision, "rolled_back_by"), error);
  if (next == NULL)
    return FALSE;
  gboolean by_itself = g_strcmp0 (rp_json_str (next, "kind"), "auto-rollback") == 0;
  g_autofree char *failed = rp_humane_revision (revision);
  g_autofree char *back = rp_humane_revision (next);
  const char *actor = rp_json_str (next, "actor");
  g_set_error (error, RP_ERROR, by_itself ? RP_ERROR_ROLLED_BACK : RP_ERROR_UNHEALTHY,
               "%s/%s: %s failed: %s; %s put %s in its place", follow->app, follow->env,
               failed, why != NULL ? why : rp_json_str (next, "cause"),
               by_itself ? "the environment went back by itself and" : actor, back);
  rp_cli_hint (error, "see `repoint rollout status %s/%s`", follow->app, follow->env);
  return FALSE;
}

static gboolean
fail (Follow *follow, const json_t *revision, const char *reason, GError **error)
{
  const char *why = reason != NULL ? reason : "no reason was given";
  if (rp_json_int (revision, "rolled_back_by") > 0)
    return fail_rolled_back (follow, revision, why, error);
  g_autofree char *failed = rp_humane_revision (revision);
  g_set_error (error, RP_ERROR, RP_ERROR_UNHEALTHY, "%s/%s: %s failed: %s", follow->app,
               follow->env, failed, why);
  rp_cli_hint (error, "go back with `repoint rollout undo %s/%s`", follow->app, follow->env);
  return FALSE;
}

static gboolean
fail_superseded (Follow *follow, const json_t *revision, const json_t *current, GError **error)
{
  g_autofree char *ours = rp_humane_revision (revision);
  g_autofree char *theirs = rp_humane_revision (current);
  g_set_error (error, RP_ERROR, RP_ERROR_MOVED,
               "%s/%s: %s moved the pointer on to %s (%s) before the outcome of %s was known",
               follow->app, follow->env, rp_json_str (current, "actor"), theirs,
               rp_json_str (current, "cause"), ours);
  rp_cli_hint (error, "see `repoint rollout status %s/%s`", follow->app, follow->env);
  return FALSE;
}

/* A healthy revision, ours: what do its signals say? Without any, or where they are not waited for, it is done. */
static gboolean
judge_signals (Follow *follow, const json_t *revision, const json_t *watch, gboolean *out_done, GError **error)
{
  const char *state = rp_json_str (watch, "state"), *reason = rp_json_str (watch, "reason");
  if (!follow->signals || state == NULL)
    return TRUE;
  *out_done = g_strcmp0 (state, "watching") != 0 && !rp_json_bool (revision, "rollback_due");
  if (*out_done)
    rp_cli_note (follow->cli, "  signals: %s: %s", state, reason != NULL ? reason : "");
  if (!*out_done || g_strcmp0 (state, "failed") != 0)
    return TRUE;
  return fail (follow, revision, reason, error);
}

/* *out_done: the outcome is known, and the return value says which. */
static gboolean
judge (Follow *follow, const json_t *status, gboolean *out_done, GError **error)
{
  json_t *current = json_object_get (status, "current");
  gboolean ours = rp_json_int (current, "number") == follow->number;
  g_autoptr (json_t) revision
      = ours ? json_incref (current) : get_revision (follow, follow->number, error);
  if (revision == NULL)
    return FALSE;
  const char *outcome = rp_json_str (revision, "outcome");
  *out_done = TRUE;
  if (g_strcmp0 (outcome, "healthy") == 0 && ours)
    return judge_signals (follow, revision, json_object_get (status, "signals"), out_done, error);
  if (g_strcmp0 (outcome, "healthy") == 0 && follow->signals && rp_json_int (revision, "rolled_back_by") > 0)
    return fail_rolled_back (follow, revision, NULL, error);
  if (g_strcmp0 (outcome, "healthy") == 0)
    return TRUE;
  gboolean going_back = rp_json_bool (revision, "rollback_due"); /* whether it will is still open */
  if (g_strcmp0 (outcome, "failed") == 0 && !going_back)
    return fail (follow, revision, rp_json_str (revision, "outcome_reason"), error);
  if (!ours)
    return fail_superseded (follow, revision, current, error);
  *out_done = FALSE;
  return TRUE;
}

static json_t *
poll_status (Follow *follow, GError **error)
{
  gint64 wait_ms = follow->cli->out.tty ? POLL_ON_TERMINAL_MS : POLL_MS;
  if (follow->deadline_us > 0)
    {
      gint64 left_ms = (follow->deadline_us - rp_clock_monotonic_us ()) / 1000;
      wait_ms = CLAMP (left_ms, 0, wait_ms);
    }
  g_autofree char *path
      = rp_api_path ("apps", follow->app, "environments", follow->env, "status", NULL);
  rp_api_query_int (&path, "after", follow->seq);
  rp_api_query_int (&path, "wait_ms", wait_ms);
  return rp_api_get (follow->cli->api, path, wait_ms, error);
}

static gboolean
is_lost (const GError *error)
{
  return g_error_matches (error, RP_ERROR, RP_ERROR_UNREACHABLE)
         || g_error_matches (error, RP_ERROR, RP_ERROR_TIMEOUT)
         || g_error_matches (error, RP_ERROR, RP_ERROR_BUSY);
}

static void
hint_pointer_moved (Follow *follow, GError **error)
{
  rp_cli_hint (error,
               "the pointer is at revision %" G_GINT64_FORMAT
               " and the agents go on; look with `repoint rollout status %s/%s`",
               follow->number, follow->app, follow->env);
}

/* Takes over `lost`. TRUE: try again. */
static gboolean
outlast_loss (Follow *follow, GError *lost, GError **error)
{
  gint64 now_us = rp_clock_monotonic_us ();
  gboolean retry = is_lost (lost);
  if (retry && follow->lost_us == 0)
    {
      wipe_progress (follow);
      rp_cli_note (follow->cli, "  the server does not answer; still trying");
      follow->lost_us = now_us;
    }
  retry = retry && now_us - follow->lost_us < LOST_LIMIT_MS * G_GINT64_CONSTANT (1000);
  if (!retry)
    {
      g_propagate_error (error, lost);
      hint_pointer_moved (follow, error);
      return FALSE;
    }
  g_error_free (lost);
  g_usleep (LOST_PAUSE_MS * 1000);
  return TRUE;
}

static gboolean
check_deadline (Follow *follow, GError **error)
{
  if (follow->deadline_us == 0 || rp_clock_monotonic_us () < follow->deadline_us)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_TIMEOUT,
               "%s/%s: the outcome of revision %" G_GINT64_FORMAT
               " was not known within the time given",
               follow->app, follow->env, follow->number);
  hint_pointer_moved (follow, error);
  return FALSE;
}

static gboolean
follow_once (Follow *follow, gboolean *out_done, GError **error)
{
  g_autoptr (json_t) status = poll_status (follow, error);
  if (status == NULL)
    return FALSE;
  follow->lost_us = 0;
  follow->seq = rp_json_int (status, "seq");
  print_changes (follow, status);
  if (!judge (follow, status, out_done, error))
    return FALSE;
  if (!*out_done)
    print_progress (follow, status);
  return TRUE;
}

gboolean
rp_follow (RpCli *cli, const char *app, const char *env, gint64 number, gboolean signals,
           gint64 timeout_ms, GError **error)
{
  Follow follow = { .cli = cli, .app = app, .env = env, .number = number, .signals = signals };
  g_autoptr (GHashTable) lines = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  follow.lines = lines;
  follow.started_us = rp_clock_monotonic_us ();
  if (timeout_ms != RP_FOLLOW_FOREVER)
    follow.deadline_us = follow.started_us + timeout_ms * 1000;
  gboolean done = FALSE, ok = TRUE;
  while (ok && !done)
    {
      GError *local = NULL;
      ok = follow_once (&follow, &done, &local);
      if (!ok && done)
        g_propagate_error (error, local);
      else if (!ok)
        ok = outlast_loss (&follow, local, error);
      if (ok && !done)
        ok = check_deadline (&follow, error);
    }
  wipe_progress (&follow);
  return ok;
}
