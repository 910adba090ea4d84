#include "cli/release_view.h"

#include <string.h>

#include "cli/humane.h"
#include "cli/keeping.h"
#include "cli/table.h"

RpReleaseOptions rp_release_options;

/* `commit 0123… by slsa-v1/configSource of web, unsigned (sha256:…)`. */
static void
print_provenance (RpCli *cli, const json_t *release)
{
  gsize i;
  json_t *one;
  json_array_foreach (json_object_get (release, "provenance"), i, one)
  {
    const char *component = rp_json_str (one, "component");
    g_autofree char *digest
        = component == NULL ? NULL : rp_humane_digest (rp_json_str (one, "digest"));
    g_autofree char *who
        = component == NULL
              ? g_strdup ("the caller")
              : g_strdup_printf ("%s of %s, %s (%s)", rp_json_str (one, "source"), component,
                                 g_strcmp0 (rp_json_str (one, "signed"), "unsigned") == 0
                                     ? "unsigned"
                                     : "signature unverified",
                                 digest);
    g_autofree char *text = g_strdup_printf ("%s %s by %s", rp_json_str (one, "field"),
                                             rp_json_str (one, "value"), who);
    rp_cli_print_fact (cli, "from", text);
  }
  json_array_foreach (json_object_get (release, "disagreements"), i, one)
      rp_cli_print_fact (cli, "disputed", json_string_value (one));
}

char *
rp_release_describe_hold (const json_t *hold)
{
  gint64 revision = rp_json_int (hold, "revision");
  g_autofree char *ago = rp_humane_ago (rp_json_str (hold, "at"));
  g_autofree char *how
      = revision > 0 ? g_strdup_printf (", rolled back from in revision %" G_GINT64_FORMAT, revision)
                     : g_strdup ("");
  return g_strdup_printf ("%s in %s%s by %s %s: %s", rp_json_str (hold, "version"),
                          rp_json_str (hold, "environment"), how, rp_json_str (hold, "actor"), ago,
                          rp_json_str (hold, "because"));
}

void
rp_release_print (RpCli *cli, const json_t *release)
{
  const json_t *source = json_object_get (release, "source");
  g_autofree char *title
      = g_strdup_printf ("%s %s (#%" G_GINT64_FORMAT ")", rp_json_str (release, "app"),
                         rp_json_str (release, "version"), rp_json_int (release, "number"));
  g_autofree char *ago = rp_humane_ago (rp_json_str (release, "at"));
  g_autofree char *recorded = g_strdup_printf ("%s by %s", ago, rp_json_str (release, "actor"));
  rp_cli_print_fact (cli, "release", title);
  rp_cli_print_fact (cli, "commit", rp_json_str (source, "commit"));
  rp_cli_print_fact (cli, "source", rp_json_str (source, "repository"));
  rp_cli_print_fact (cli, "build", rp_json_str (source, "build"));
  rp_cli_print_fact (cli, "run", rp_json_str (source, "run_url"));
  rp_cli_print_fact (cli, "recorded", recorded);
  gsize i;
  json_t *component;
  json_array_foreach (json_object_get (release, "components"), i, component)
  {
    g_autofree char *size = rp_humane_size (rp_json_int (component, "size_bytes"));
    g_autofree char *text = g_strdup_printf (
        "%s = %s@%s, %s", rp_json_str (component, "name"), rp_json_str (component, "repository"),
        rp_json_str (component, "digest"), size);
    rp_cli_print_fact (cli, "component", text);
  }
  json_t *hold;
  json_array_foreach (json_object_get (release, "holds"), i, hold)
  {
    g_autofree char *text = rp_release_describe_hold (hold);
    rp_cli_print_fact (cli, "held", text);
  }
  print_provenance (cli, release);
}

void
rp_release_warn (const json_t *release)
{
  gsize i;
  json_t *line;
  json_array_foreach (json_object_get (release, "disagreements"), i, line)
  {
    g_autofree char *text = rp_term_clean (json_string_value (line));
    fprintf (stderr, "warning: %s\n", text);
  }
}

json_t *
rp_release_components (GError **error)
{
  g_autoptr (json_t) components = json_object ();
  for (char **text = rp_release_options.components; text != NULL && *text != NULL; text++)
    {
      const char *equals = strchr (*text, '=');
      if (equals == NULL || equals == *text || equals[1] == '\0')
        {
          g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                       "--component `%s`: expected NAME=REF, such as web=1.2 or web=shop/web:1.2",
                       *text);
          return NULL;
        }
      g_autofree char *name = g_strndup (*text, (gsize) (equals - *text));
      if (json_object_get (components, name) != NULL)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "--component %s: given twice", name);
          return NULL;
        }
      json_object_set_new (components, name, json_string (equals + 1));
    }
  return g_steal_pointer (&components);
}

static void
set_text (json_t *object, const char *key, const char *text)
{
  if (text != NULL)
    json_object_set_new (object, key, json_string (text));
}

json_t *
rp_release_post (RpCli *cli, const char *app, json_t *components, gboolean *out_created,
                 GError **error)
{
  RpApi *api = rp_cli_api (cli, error);
  if (api == NULL || !rp_keeping_components (cli, app, components, error))
    return NULL;
  g_autoptr (json_t) body = json_object ();
  json_t *source = json_object ();
  set_text (body, "version", rp_release_options.version);
  json_object_set (body, "components", components);
  set_text (source, "repository", rp_release_options.source_repo);
  set_text (source, "commit", rp_release_options.commit);
  set_text (source, "build", rp_release_options.build);
  set_text (source, "run_url", rp_release_options.run_url);
  json_object_set_new (body, "source", source);
  char *text = rp_json_print (body);
  g_autoptr (GBytes) bytes = g_bytes_new_take (text, strlen (text));
  g_autofree char *path = rp_api_path ("apps", app, "releases", NULL);
  int status = 0;
  json_t *release = rp_api_post_bytes (api, path, "application/json", bytes, &status, error);
  if (release != NULL)
    *out_created = status == 201;
  return release;
}
