#include "cli/move.h"

#include <unistd.h>

#include "base/clock.h"
#include "cli/follow.h"
#include "cli/humane.h"
#include "cli/plan_view.h"

typedef struct {
  const RpMove *move;
  char *app;
  char *env;
  gint64 wait_ms;
} Place;

static void
place_clear (Place *place)
{
  g_free (place->app);
  g_free (place->env);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Place, place_clear)

RpMoveOptions rp_move_options = { .expect = -1 };

static gboolean
read_wait (gint64 *out_ms, GError **error)
{
  guint64 seconds;
  *out_ms = RP_FOLLOW_FOREVER;
  if (rp_move_options.wait == NULL || *rp_move_options.wait == '\0')
    return TRUE;
  if (!g_ascii_string_to_unsigned (rp_move_options.wait, 10, 1, 7 * 24 * 3600, &seconds, NULL))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "--wait: expected whole seconds up to a week, found `%s`", rp_move_options.wait);
      return FALSE;
    }
  *out_ms = (gint64) seconds * 1000;
  return TRUE;
}

static gboolean
check_overrides (GError **error)
{
  if (rp_move_options.overrides == NULL || rp_move_options.because != NULL)
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                       "--override: say --because why; it stays in the record for ever");
  return FALSE;
}

static json_t *
make_body (const RpMove *move)
{
  json_t *body = json_object ();
  json_object_set_new (body, "kind", json_string (move->kind));
  if (move->release != NULL)
    json_object_set_new (body, "release", json_string (move->release));
  if (move->to_revision > 0)
    json_object_set_new (body, "to_revision", json_integer (move->to_revision));
  if (move->from != NULL)
    json_object_set_new (body, "from", json_string (move->from));
  if (rp_move_options.again)
    json_object_set_new (body, "again", json_true ());
  if (rp_move_options.overrides != NULL)
    {
      json_t *overrides = json_array ();
      for (char **name = rp_move_options.overrides; *name != NULL; name++)
        json_array_append_new (overrides, json_string (*name));
      json_object_set_new (body, "overrides", overrides);
      json_object_set_new (body, "cause", json_string (rp_move_options.because));
    }
  return body;
}

static gboolean
fetch_restored (RpCli *cli, const Place *place, const json_t *plan, json_t **out, GError **error)
{
  gint64 number = rp_json_int (plan, "restores");
  *out = NULL;
  if (number <= 0)
    return TRUE;
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT, number);
  g_autofree char *path
      = rp_api_path ("apps", place->app, "environments", place->env, "revisions", text, NULL);
  *out = rp_api_get (cli->api, path, 0, error);
  return *out != NULL;
}

static gboolean
fetch_plan (RpCli *cli, const Place *place, json_t **out_plan, json_t **out_restored,
            GError **error)
{
  RpApi *api = rp_cli_api (cli, error);
  if (api == NULL)
    return FALSE;
  g_autofree char *path
      = rp_api_path ("apps", place->app, "environments", place->env, "plan", NULL);
  g_autoptr (json_t) body = make_body (place->move);
  g_autoptr (json_t) plan = rp_api_ask (api, path, body, error);
  if (plan == NULL || !fetch_restored (cli, place, plan, out_restored, error))
    return FALSE;
  *out_plan = g_steal_pointer (&plan);
  return TRUE;
}

/* A pipe has nobody to ask, so there the command is the answer. */
static gboolean
ask (RpCli *cli, const Place *place, const json_t *plan, GError **error)
{
  if (!place->move->confirm || !isatty (STDIN_FILENO) || !isatty (STDERR_FILENO))
    return TRUE;
  char answer[16];
  g_autofree char *version
      = rp_term_clean (rp_json_str (json_object_get (plan, "release"), "version"));
  fprintf (stderr, "take %s back to %s? [y/N] ", place->move->where, version);
  fflush (stderr);
  if (fgets (answer, sizeof answer, stdin) != NULL
      && (g_ascii_strncasecmp (answer, "y\n", 2) == 0
          || g_ascii_strncasecmp (answer, "yes\n", 4) == 0))
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_FAILED, "not confirmed: nothing was changed");
  return FALSE;
}

static json_t *
post_move (RpCli *cli, const Place *place, const json_t *plan, GError **error)
{
  const RpMove *move = place->move;
  gint64 expected = rp_move_options.expect;
  if (expected < 0)
    expected = rp_json_int (plan, "expected_revision");
  g_autoptr (json_t) body = make_body (move);
  /* What was shown is what is done: names that were resolved for the plan are not resolved
   * again. */
  gint64 number = rp_json_int (json_object_get (plan, "release"), "number");
  if (move->release != NULL && number > 0)
    {
      g_autofree char *exact = g_strdup_printf ("#%" G_GINT64_FORMAT, number);
      json_object_set_new (body, "release", json_string (exact));
    }
  json_object_set_new (body, "expected_revision", json_integer (expected));
  if (rp_move_options.because != NULL)
    json_object_set_new (body, "cause", json_string (rp_move_options.because));
  g_autofree char *path
      = rp_api_path ("apps", place->app, "environments", place->env, "revisions", NULL);
  json_t *revision = rp_api_post (cli->api, path, body, error);
  if (revision == NULL && error != NULL && g_error_matches (*error, RP_ERROR, RP_ERROR_MOVED))
    rp_cli_hint (error, "look at `repoint rollout history %s`, then decide again", move->where);
  return revision;
}

/* The answer of a command that moves is the revision as it stands at the end. */
static gboolean
print_revision_json (RpCli *cli, const Place *place, gint64 number, GError **error)
{
  if (!cli->json)
    return TRUE;
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT, number);
  g_autofree char *path
      = rp_api_path ("apps", place->app, "environments", place->env, "revisions", text, NULL);
  g_autoptr (json_t) revision = rp_api_get (cli->api, path, 0, error);
  if (revision == NULL)
    return FALSE;
  rp_cli_print_json (cli, revision);
  return TRUE;
}

static gboolean
wait_for_outcome (RpCli *cli, const Place *place, const json_t *revision, GError **error)
{
  gint64 number = rp_json_int (revision, "number");
  gint64 started_us = rp_clock_monotonic_us ();
  gboolean ok = rp_follow (cli, place->app, place->env, number, rp_move_options.wait_signals,
                           place->wait_ms, error);
  if (!ok)
    {
      g_autoptr (GError) ignored = NULL; /* the first error is the one to tell */
      if (!print_revision_json (cli, place, number, &ignored))
        g_clear_error (&ignored);
      return FALSE;
    }
  g_autofree char *what = rp_humane_revision (revision);
  g_autofree char *took = rp_humane_duration ((rp_clock_monotonic_us () - started_us) / 1000);
  rp_cli_note (cli, "%s: %s is healthy, after %s", place->move->where, what, took);
  return print_revision_json (cli, place, number, error);
}

static gboolean
execute (RpCli *cli, const Place *place, const json_t *plan, GError **error)
{
  if (!rp_plan_check (plan, error) || !ask (cli, place, plan, error))
    return FALSE;
  g_autoptr (json_t) revision = post_move (cli, place, plan, error);
  if (revision == NULL)
    return FALSE;
  gint64 before = rp_json_int (json_object_get (plan, "from"), "number");
  g_autofree char *what = rp_humane_revision (revision);
  if (rp_json_int (revision, "number") == before)
    {
      rp_cli_note (cli, "%s: %s is current already, healthy, and what every target runs; nothing was changed",
                   place->move->where, what);
      if (cli->json)
        rp_cli_print_json (cli, revision);
      return TRUE;
    }
  if (before > 0)
    rp_cli_note (cli, "%s: moved from revision %" G_GINT64_FORMAT " to %s", place->move->where,
                 before, what);
  else
    rp_cli_note (cli, "%s: moved to %s", place->move->where, what);
  if (!rp_move_options.no_wait)
    return wait_for_outcome (cli, place, revision, error);
  if (cli->json)
    rp_cli_print_json (cli, revision);
  return TRUE;
}

gboolean
rp_move_run (RpCli *cli, const RpMove *move, GError **error)
{
  g_auto (Place) place = { move };
  g_autoptr (json_t) plan = NULL;
  g_autoptr (json_t) restored = NULL;
  if (!read_wait (&place.wait_ms, error) || !check_overrides (error)
      || !rp_cli_parse_env (move->where, &place.app, &place.env, error)
      || !fetch_plan (cli, &place, &plan, &restored, error))
    return FALSE;
  if (rp_move_options.because != NULL) /* what will be recorded, not what would have been derived */
    json_object_set_new (plan, "cause", json_string (rp_move_options.because));
  if (cli->json && rp_move_options.dry_run)
    rp_cli_print_json (cli, plan);
  else
    rp_plan_print (cli, plan, restored, !rp_move_options.dry_run);
  if (rp_move_options.dry_run)
    return rp_plan_check (plan, error);
  return execute (cli, &place, plan, error);
}
