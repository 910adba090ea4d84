/* Build once: a commit that has a release is never built again. */
#include <sys/wait.h>

#include <gio/gio.h>

#include "cli/release_view.h"
#include "cli/verbs.h"

const GOptionEntry rp_build_options[] = { RP_RELEASE_OPTIONS, G_OPTION_ENTRY_NULL };

/* The release of this (app, commit), or JSON null if there is none yet. */
static json_t *
find_release (RpCli *cli, const char *app, GError **error)
{
  g_autofree char *path = rp_api_path ("apps", app, "releases", NULL);
  rp_api_query (&path, "commit", rp_release_options.commit);
  g_autoptr (json_t) answer = rp_api_get (cli->api, path, 0, error);
  if (answer == NULL)
    return NULL;
  json_t *release = json_array_get (json_object_get (answer, "releases"), 0);
  return release != NULL ? json_incref (release) : json_null ();
}

static gboolean
is_tag (const char *text)
{
  return g_regex_match_simple ("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", text, G_REGEX_DOLLAR_ENDONLY,
                               0);
}

/* Fills in the tags that were not given, so that every component has one. */
static gboolean
complete_components (const json_t *app, const char *tag, json_t *components, GError **error)
{
  const char *name;
  json_t *ref;
  g_autoptr (json_t) given = json_copy (components);
  gsize i;
  json_t *component;
  json_array_foreach (json_object_get (app, "components"), i, component)
  {
    name = rp_json_str (component, "name");
    if (json_object_del (given, name) == 0)
      continue;
    if (!is_tag (tag))
      {
        g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                     "`%s` cannot be a tag; name one with --component %s=TAG", tag, name);
        return FALSE;
      }
    json_object_set_new (components, name, json_string (tag));
  }
  json_object_foreach (given, name, ref)
  {
    g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "--component %s: %s has no such component", name,
                 rp_json_str (app, "name"));
    return FALSE;
  }
  return TRUE;
}

/* `host:port/shop/web:1.2` for the REF `1.2`, `shop/web:1.2` or `host:port/shop/web:1.2`. */
static char *
image_name (const char *registry, const char *repository, const char *ref)
{
  g_autofree char *prefix = g_strconcat (registry, "/", NULL);
  if (g_str_has_prefix (ref, prefix))
    return g_strdup (ref);
  if (strchr (ref, '/') != NULL || strchr (ref, ':') != NULL)
    return g_strconcat (prefix, ref, NULL);
  return g_strconcat (prefix, repository, ":", ref, NULL);
}

static char *
image_variable (const char *component)
{
  char *name = g_strconcat ("REPOINT_IMAGE_", component, NULL);
  for (char *p = name; *p != '\0'; p++)
    *p = g_ascii_isalnum (*p) ? g_ascii_toupper (*p) : '_';
  return name;
}

static void
set_environment (RpCli *cli, GSubprocessLauncher *launcher, const json_t *app, const char *tag,
                 const json_t *components)
{
  const char *registry = rp_api_registry (cli->api);
  g_subprocess_launcher_setenv (launcher, "REPOINT_APP", rp_json_str (app, "name"), TRUE);
  g_subprocess_launcher_setenv (launcher, "REPOINT_COMMIT", rp_release_options.commit, TRUE);
  g_subprocess_launcher_setenv (launcher, "REPOINT_VERSION", tag, TRUE);
  g_subprocess_launcher_setenv (launcher, "REPOINT_REGISTRY", registry, TRUE);
  gsize i;
  json_t *component;
  json_array_foreach (json_object_get (app, "components"), i, component)
  {
    const char *name = rp_json_str (component, "name");
    g_autofree char *variable = image_variable (name);
    g_autofree char *image = image_name (registry, rp_json_str (component, "repository"),
                                         rp_json_str (components, name));
    g_subprocess_launcher_setenv (launcher, variable, image, TRUE);
  }
}

static gboolean
check_end (GSubprocess *child, const char *command, GError **error)
{
  int status = g_subprocess_get_status (child);
  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return TRUE;
  if (WIFEXITED (status))
    g_set_error (error, RP_ERROR, RP_ERROR_FAILED,
                 "the build command `%s` failed with exit status %d; no release was recorded",
                 command, WEXITSTATUS (status));
  else
    g_set_error (error, RP_ERROR, RP_ERROR_FAILED,
                 "the build command `%s` was ended by signal %d; no release was recorded", command,
                 WTERMSIG (status));
  return FALSE;
}

/* With -o json standard output belongs to the release, so the command's goes to standard error. */
static gboolean
run_command (RpCli *cli, const json_t *app, const char *tag, const json_t *components,
             GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_INHERIT);
  if (cli->json)
    g_subprocess_launcher_take_stdout_fd (launcher, dup (STDERR_FILENO));
  set_environment (cli, launcher, app, tag, components);
  fflush (stdout);
  g_autoptr (GSubprocess) child
      = g_subprocess_launcher_spawnv (launcher, (const char *const *) cli->command, error);
  if (child == NULL)
    {
      g_prefix_error (error, "the build command `%s` did not start: ", cli->command[0]);
      return FALSE;
    }
  if (!g_subprocess_wait (child, NULL, error))
    return FALSE;
  return check_end (child, cli->command[0], error);
}

static void
print_release (RpCli *cli, const json_t *release)
{
  rp_release_warn (release);
  if (cli->json)
    rp_cli_print_json (cli, release);
  else
    rp_release_print (cli, release);
}

static gboolean
build (RpCli *cli, const char *app_name, json_t *components, GError **error)
{
  const char *tag = rp_release_options.version;
  if (tag == NULL)
    tag = rp_release_options.commit;
  g_autofree char *path = rp_api_path ("apps", app_name, NULL);
  g_autoptr (json_t) app = rp_api_get (cli->api, path, 0, error);
  if (app == NULL || !complete_components (app, tag, components, error)
      || !run_command (cli, app, tag, components, error))
    return FALSE;
  gboolean created = FALSE;
  g_autoptr (json_t) release = rp_release_post (cli, app_name, components, &created, error);
  if (release == NULL)
    {
      g_prefix_error (error, "the build command succeeded, but its release was not recorded: ");
      if (error != NULL && g_error_matches (*error, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN))
        rp_cli_hint (error, "the command must push to what REPOINT_IMAGE_<COMPONENT> names");
      return FALSE;
    }
  print_release (cli, release);
  return TRUE;
}

gboolean
rp_build_run (RpCli *cli, char **args, GError **error)
{
  if (rp_release_options.commit == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "missing option `--commit COMMIT`");
      return FALSE;
    }
  g_autoptr (json_t) components = rp_release_components (error);
  if (components == NULL || rp_cli_api (cli, error) == NULL)
    return FALSE;
  g_autoptr (json_t) recorded = find_release (cli, args[0], error);
  if (recorded == NULL)
    return FALSE;
  if (json_is_null (recorded))
    return build (cli, args[0], components, error);
  fprintf (stderr, "%s %s is recorded for this commit; nothing was run\n", args[0],
           rp_json_str (recorded, "version"));
  print_release (cli, recorded);
  return TRUE;
}
