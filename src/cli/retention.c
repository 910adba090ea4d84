#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/yaml.h"
#include "cli/humane.h"
#include "cli/retention_view.h"
#include "cli/table.h"
#include "cli/verbs.h"

#define POLICY_LIMIT_BYTES (1024 * 1024)

static char *file;
static char *because;
static char *until;
static char *duration;
static gboolean all;

static const GOptionEntry set_options[] = {
  { "file", 'f', 0, G_OPTION_ARG_FILENAME, &file,
    "The policy: JSON as of ECR, or YAML; - for standard input", "FILE" },
  { NULL }
};

static const GOptionEntry hold_options[] = {
  { "because", 0, 0, G_OPTION_ARG_STRING, &because, "Why it must be kept", "TEXT" },
  { "until", 0, 0, G_OPTION_ARG_STRING, &until, "When the hold ends by itself", "TIME" },
  { "for", 0, 0, G_OPTION_ARG_STRING, &duration, "How long it lasts", "DURATION" },
  { NULL }
};

static const GOptionEntry unhold_options[] = {
  { "because", 0, 0, G_OPTION_ARG_STRING, &because, "Why it need not be kept any more", "TEXT" },
  { NULL }
};

static const GOptionEntry holds_options[] = {
  { "all", 0, 0, G_OPTION_ARG_NONE, &all, "Also those that ended or expired", NULL },
  { NULL }
};

/* GET, or POST where there is a `body`; then `view`, or the JSON as it came. Takes over `body`. */
static gboolean
tell (RpCli *cli, const char *path, json_t *body, void (*view) (RpCli *, const json_t *),
      GError **error)
{
  g_autoptr (json_t) sent = body, answer = NULL;

  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  answer = sent != NULL ? rp_api_post (cli->api, path, sent, error)
                        : rp_api_get (cli->api, path, 0, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    view (cli, answer);
  return TRUE;
}

/* ---- policies ---- */

/* A JSON document as it is; what begins with anything else than `{` is YAML. */
static json_t *
read_policy (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = rp_file_read (g_str_equal (path, "-") ? "/dev/stdin" : path,
                                           POLICY_LIMIT_BYTES, error);
  g_autoptr (RpYaml) yaml = NULL;
  const char *data;
  gsize size, at = 0;

  if (bytes == NULL)
    return NULL;
  data = g_bytes_get_data (bytes, &size);
  while (at < size && g_ascii_isspace (data[at]))
    at++;
  if (at < size && data[at] == '{')
    return rp_json_parse (data, size, path, error);
  yaml = rp_yaml_parse (data, size, path, error);
  return yaml != NULL ? rp_yaml_to_json (rp_yaml_root (yaml)) : NULL;
}

static gboolean
set_run (RpCli *cli, char **args, GError **error)
{
  g_autoptr (json_t) policy = NULL, answer = NULL;
  g_autofree char *path = rp_api_path ("retention", "policies", args[0], NULL);

  if (file == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "give the policy with -f FILE");
      return FALSE;
    }
  policy = read_policy (file, error);
  if (policy == NULL || rp_cli_api (cli, error) == NULL)
    return FALSE;
  answer = rp_api_put (cli->api, path, policy, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    {
      rp_view_policy (cli, answer);
      rp_cli_note (cli, "nothing went yet: `repoint retention preview` shows what a run would do");
    }
  return TRUE;
}

static gboolean
unset_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("retention", "policies", args[0], NULL);

  if (rp_cli_api (cli, error) == NULL || !rp_api_delete (cli->api, path, error))
    return FALSE;
  if (cli->json)
    {
      g_autoptr (json_t) answer = json_object ();
      json_object_set_new (answer, "removed", json_string (args[0]));
      rp_cli_print_json (cli, answer);
    }
  else
    rp_cli_note (cli, "dropped the lifecycle policy of %s", args[0]);
  return TRUE;
}

static gboolean
show_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("retention", "policies", NULL);

  if (args[0] != NULL)
    rp_api_query (&path, "repository", args[0]);
  return tell (cli, path, NULL, rp_view_policies, error);
}

/* ---- holds ---- */

static gboolean
add_until (json_t *body, GError **error)
{
  g_autofree char *text = g_strdup (until);
  gint64 ms;

  if (until != NULL && duration != NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "give --until or --for, not both");
      return FALSE;
    }
  if (duration != NULL)
    {
      if (!rp_duration_parse_ms (duration, &ms) || ms <= 0 || ms > 36500 * G_GINT64_CONSTANT (86400000))
        {
          g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                       "--for: expected a duration such as 12h or 90d, found \"%.40s\"", duration);
          return FALSE;
        }
      text = rp_clock_format (rp_clock_now_us () + ms * 1000);
    }
  else if (until != NULL && strchr (until, 'T') == NULL) /* a day: its beginning, UTC */
    {
      g_free (text);
      text = g_strconcat (until, "T00:00:00Z", NULL);
    }
  if (text != NULL)
    json_object_set_new (body, "until", json_string (text));
  return TRUE;
}

static gboolean
hold_run (RpCli *cli, char **args, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  g_autofree char *path = rp_api_path ("retention", "holds", NULL);

  if (because == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "say --because why it must be kept: whoever cleans up next year reads it");
      return FALSE;
    }
  json_object_set_new (body, "because", json_string (because));
  json_object_set_new (body, args[1] != NULL ? "app" : "digest", json_string (args[0]));
  if (args[1] != NULL)
    json_object_set_new (body, "release", json_string (args[1]));
  return add_until (body, error)
         && tell (cli, path, g_steal_pointer (&body), rp_view_hold, error);
}

static gboolean
unhold_run (RpCli *cli, char **args, GError **error)
{
  json_t *body = json_object ();
  g_autofree char *path = rp_api_path ("retention", "holds", args[0], "end", NULL);

  if (because != NULL)
    json_object_set_new (body, "because", json_string (because));
  return tell (cli, path, body, rp_view_hold, error);
}

static gboolean
holds_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("retention", "holds", NULL);

  (void) args;
  if (all)
    rp_api_query (&path, "all", "1");
  return tell (cli, path, NULL, rp_view_holds, error);
}

/* ---- what goes ---- */

static gboolean
preview_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("retention", "preview", NULL);

  if (args[0] != NULL)
    rp_api_query (&path, "repository", args[0]);
  return tell (cli, path, NULL, rp_view_preview, error);
}

static gboolean
run_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("retention", "run", NULL);
  g_autoptr (json_t) body = json_object (), answer = NULL;

  if (args[0] != NULL)
    json_object_set_new (body, "repository", json_string (args[0]));
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  answer = rp_api_post (cli->api, path, body, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    rp_view_run (cli, answer);
  if (json_array_size (json_object_get (answer, "problems")) == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "%zu repositories keep all they have: %s",
               json_array_size (json_object_get (answer, "problems")),
               rp_json_str (json_array_get (json_object_get (answer, "problems"), 0), "text"));
  return FALSE;
}

static json_t *
ask_why (RpCli *cli, const char *reference, GError **error)
{
  g_autofree char *path = rp_api_path ("retention", "why", reference, NULL);

  return rp_api_get (cli->api, path, 0, error);
}

/* {"app", "release", "components": [{"component", and what is said of its digest}…]}. */
static json_t *
ask_release (RpCli *cli, const char *app, const char *name, GError **error)
{
  g_autofree char *path = rp_api_path ("apps", app, "releases", name, NULL);
  g_autoptr (json_t) release = rp_api_get (cli->api, path, 0, error), answer = json_object ();
  json_t *components = json_array (), *component;
  gsize i;

  json_object_set_new (answer, "components", components);
  if (release == NULL)
    return NULL;
  json_object_set_new (answer, "app", json_string (app));
  json_object_set (answer, "release", json_object_get (release, "version"));
  json_array_foreach (json_object_get (release, "components"), i, component)
  {
    json_t *why = ask_why (cli, rp_json_str (component, "digest"), error);
    if (why == NULL)
      return NULL;
    json_object_set (why, "component", json_object_get (component, "name"));
    json_array_append_new (components, why);
  }
  return g_steal_pointer (&answer);
}

static gboolean
why_run (RpCli *cli, char **args, GError **error)
{
  g_autoptr (json_t) answer = NULL;

  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  answer = args[1] != NULL ? ask_release (cli, args[0], args[1], error)
                           : ask_why (cli, args[0], error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    rp_view_why (cli, answer);
  return TRUE;
}

static gboolean
advise_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("retention", "advise", NULL);

  (void) args;
  return tell (cli, path, NULL, rp_view_advice, error);
}

const RpVerb rp_retention_verbs[] = {
  { "set", "Attach a lifecycle policy to the repositories that match a pattern", "PATTERN",
    set_options, set_run, NULL },
  { "show", "Show the lifecycle policies, or the one that counts for a repository", "[REPOSITORY]",
    NULL, show_run, NULL },
  { "unset", "Detach the lifecycle policy of a pattern", "PATTERN", NULL, unset_run, NULL },
  { "hold", "Keep a digest or a release, whatever a policy says", "DIGEST|APP [RELEASE]",
    hold_options, hold_run, NULL },
  { "unhold", "End a hold", "HOLD", unhold_options, unhold_run, NULL },
  { "holds", "List holds", "", holds_options, holds_run, NULL },
  { "preview", "Show what would go, by what rule, and what is saved", "[REPOSITORY]", NULL,
    preview_run, NULL },
  { "run", "Apply the lifecycle policies now", "[REPOSITORY]", NULL, run_run, NULL },
  { "why", "Show why an artifact or a release is kept, or when it goes", "REFERENCE|APP [RELEASE]",
    NULL, why_run, NULL },
  { "advise", "Propose sizes of windows, from how they were used", "", NULL, advise_run, NULL },
  { "collect", "Let the bytes go that nothing needs", "", rp_collect_options, rp_collect_run, NULL },
  { "restore", "Bring back bytes that were condemned", "DIGEST", NULL, rp_collect_restore_run, NULL },
  { NULL }
};
