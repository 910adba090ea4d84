#include "cli/humane.h"
#include "cli/release_view.h"
#include "cli/table.h"
#include "cli/verbs.h"

static gint64 limit;
static char *because;

static const GOptionEntry create_options[] = { RP_RELEASE_OPTIONS, G_OPTION_ENTRY_NULL };

static const GOptionEntry list_options[] = {
  { "limit", 0, 0, G_OPTION_ARG_INT64, &limit, "At most N, the newest; default: all", "N" },
  G_OPTION_ENTRY_NULL
};

static const GOptionEntry hold_options[] = {
  { "because", 0, 0, G_OPTION_ARG_FILENAME, &because, "Why, for the record", "TEXT" },
  G_OPTION_ENTRY_NULL
};

static gboolean
create_run (RpCli *cli, char **args, GError **error)
{
  g_autoptr (json_t) components = rp_release_components (error);
  if (components == NULL)
    return FALSE;
  if (json_object_size (components) == 0)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "missing option `--component NAME=REF`");
      return FALSE;
    }
  gboolean created = FALSE;
  g_autoptr (json_t) release = rp_release_post (cli, args[0], components, &created, error);
  if (release == NULL)
    return FALSE;
  if (!created)
    fprintf (stderr, "already recorded; nothing was changed\n");
  rp_release_warn (release);
  if (cli->json)
    rp_cli_print_json (cli, release);
  else
    rp_release_print (cli, release);
  return TRUE;
}

/* The environments where it is held, with commas; NULL: nowhere. */
static char *
held_in (const json_t *release)
{
  g_autoptr (GString) names = g_string_new (NULL);
  gsize i;
  json_t *hold;
  json_array_foreach (json_object_get (release, "holds"), i, hold)
      g_string_append_printf (names, "%s%s", i > 0 ? ", " : "", rp_json_str (hold, "environment"));
  return names->len == 0 ? NULL : g_strdup (names->str);
}

static void
add_release (RpTable *table, const json_t *release)
{
  const json_t *source = json_object_get (release, "source");
  const json_t *components = json_object_get (release, "components");
  GString *digests = g_string_new (NULL);
  gsize i;
  json_t *component;
  json_array_foreach (components, i, component)
  {
    g_autofree char *digest = rp_humane_digest (rp_json_str (component, "digest"));
    g_string_append_printf (digests, "%s%s %s", i > 0 ? ", " : "", rp_json_str (component, "name"),
                            digest);
  }
  rp_table_add_int (table, rp_json_int (release, "number"));
  rp_table_add (table, RP_STYLE_BOLD, rp_json_str (release, "version"));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_commit (rp_json_str (source, "commit")));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (source, "build"));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (release, "at")));
  rp_table_take (table, RP_STYLE_PLAIN, g_string_free (digests, FALSE));
  rp_table_take (table, RP_STYLE_WARN, held_in (release));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (release, "actor"));
}

static gboolean
list_run (RpCli *cli, char **args, GError **error)
{
  if (limit < 0)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "--limit: expected a number from 1");
      return FALSE;
    }
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  g_autofree char *path = rp_api_path ("apps", args[0], "releases", NULL);
  g_autoptr (json_t) answer = rp_api_get_pages (cli->api, path, "releases", limit, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    {
      rp_cli_print_json (cli, answer);
      return TRUE;
    }
  g_autoptr (RpTable) table
      = rp_table_new (">NUMBER|~VERSION|COMMIT|~BUILD|RECORDED|~COMPONENTS|?~HELD IN|~ACTOR");
  gsize i;
  json_t *release;
  json_array_foreach (json_object_get (answer, "releases"), i, release)
      add_release (table, release);
  if (i == 0)
    rp_cli_note (cli, "%s has no releases yet", args[0]);
  else
    rp_table_print (table, &cli->out, 0);
  return TRUE;
}

static gboolean
show_run (RpCli *cli, char **args, GError **error)
{
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  g_autofree char *path = rp_api_path ("apps", args[0], "releases", args[1], NULL);
  g_autoptr (json_t) release = rp_api_get (cli->api, path, 0, error);
  if (release == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, release);
  else
    rp_release_print (cli, release);
  return TRUE;
}

/* ---- holds ---- */

/* Sends the reason, and `release` if it is not NULL, to `path`; what comes back is the hold. */
static json_t *
post_hold (RpCli *cli, const char *path, const char *release, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  if (because == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "say --because why: whoever deploys next reads it");
      return NULL;
    }
  json_object_set_new (body, "because", json_string (because));
  if (release != NULL)
    json_object_set_new (body, "release", json_string (release));
  return rp_cli_api (cli, error) == NULL ? NULL : rp_api_post (cli->api, path, body, error);
}

static gboolean
tell_hold (RpCli *cli, json_t *answer, const char *what)
{
  g_autoptr (json_t) hold = answer;
  if (hold == NULL)
    return FALSE;
  g_autofree char *text = rp_release_describe_hold (hold);
  if (cli->json)
    rp_cli_print_json (cli, hold);
  else
    rp_cli_note (cli, "%s: %s", what, text);
  return TRUE;
}

static gboolean
hold_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *app = NULL, *env = NULL;
  if (!rp_cli_parse_env (args[0], &app, &env, error))
    return FALSE;
  g_autofree char *path = rp_api_path ("apps", app, "environments", env, "holds", NULL);
  return tell_hold (cli, post_hold (cli, path, args[1], error), "held");
}

static gboolean
unhold_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *app = NULL, *env = NULL;
  if (!rp_cli_parse_env (args[0], &app, &env, error))
    return FALSE;
  g_autofree char *path
      = rp_api_path ("apps", app, "environments", env, "holds", args[1], "end", NULL);
  return tell_hold (cli, post_hold (cli, path, NULL, error), "lifted");
}

const RpVerb rp_release_verbs[] = {
  { "create", "Record a release: what every component is, by digest", "APP", create_options,
    create_run, NULL },
  { "list", "List the releases of an app, newest first", "APP", list_options, list_run, NULL },
  { "show", "Show one release", "APP RELEASE", NULL, show_run, NULL },
  { "hold", "Let no deploy and no promote point an environment at a release", "APP/ENV RELEASE",
    hold_options, hold_run, NULL },
  { "unhold", "Lift such a hold, which a rollback places too", "APP/ENV RELEASE", hold_options,
    unhold_run, NULL },
  { NULL }
};
