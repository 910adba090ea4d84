#include "cli/keeping.h"

#include <string.h>

#include "cli/copy.h"
#include "oci/reference.h"

static void
set_text (json_t *object, const char *key, const char *text)
{
  json_object_set_new (object, key, text != NULL ? json_string (text) : json_null ());
}

static json_t *
describe_upstream (const RpRemote *from)
{
  json_t *upstream = json_object ();
  set_text (upstream, "registry", from->registry);
  set_text (upstream, "repository", from->repository);
  set_text (upstream, "tag", from->tag);
  return upstream;
}

/* {"repository", "digest", "upstream"}, told to the server; with "recorded": whether that was news. */
static json_t *
record (RpCli *cli, const RpRemote *from, const RpRemote *to, GError **error)
{
  char digest[RP_DIGEST_STRING_SIZE];
  g_autoptr (json_t) origin = json_object ();
  set_text (origin, "digest", rp_digest_format (&from->digest, digest));
  json_object_set_new (origin, "upstream", describe_upstream (from));
  g_autofree char *path = rp_api_path ("origins", to->repository, NULL);
  g_autoptr (json_t) answer = rp_api_post (cli->api, path, origin, error);
  if (answer == NULL)
    return NULL;
  set_text (origin, "repository", to->repository);
  json_object_set_new (origin, "recorded", json_boolean (rp_json_bool (answer, "recorded")));
  return g_steal_pointer (&origin);
}

static json_t *
texts (const GPtrArray *lines)
{
  json_t *array = json_array ();
  for (guint i = 0; i < lines->len; i++)
    json_array_append_new (array, json_string (lines->pdata[i]));
  return array;
}

static gboolean
need_other (const RpRemote *from, const char *text, GError **error)
{
  if (!from->is_ours)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
               "%s is on this server already; name what another registry has, with its host", text);
  return FALSE;
}

json_t *
rp_keeping_run (RpCli *cli, const char *upstream, const char *repository, const char *tag,
                GError **error)
{
  g_auto (RpCopy) copy = { 0 };
  g_auto (RpRemote) to = { 0 };
  g_auto (RpCopyReport) report = { 0 };
  if (!rp_copy_open (cli, upstream, &copy, error) || !need_other (&copy.from, upstream, error)
      || !rp_remote_open_repository (
          cli, repository != NULL ? repository : copy.from.repository, &to, error))
    return NULL;
  char digest[RP_DIGEST_STRING_SIZE];
  rp_cli_note (cli, "%s is %s", upstream, rp_digest_format (&copy.from.digest, digest));
  if (!rp_copy_with_referrers (&copy, &to, tag, &report, error))
    {
      g_prefix_error (error, "keeping %s: ", upstream);
      rp_cli_hint (error, "run it again: what came in so far is not fetched again");
      return NULL;
    }
  json_t *kept = record (cli, &copy.from, &to, error);
  if (kept == NULL)
    return NULL;
  json_object_set_new (kept, "referrers", json_integer (report.referrers));
  json_object_set_new (kept, "warnings", texts (report.warnings));
  return kept;
}

/* ---- components of a release ---- */

/* `ghcr.io/shop/web:1.2` is; `1.2`, `shop/web:1.2`, a digest and a name of this server are not. */
static gboolean
is_elsewhere (RpCli *cli, const char *text, RpReference *out)
{
  if (strchr (text, '/') == NULL || !rp_reference_parse (text, out, NULL))
    return FALSE;
  return out->registry != NULL && !g_str_equal (out->registry, rp_api_registry (cli->api));
}

static const char *
repository_of (const json_t *app, const char *name)
{
  gsize i;
  json_t *component;
  json_array_foreach (json_object_get (app, "components"), i, component)
    if (g_strcmp0 (rp_json_str (component, "name"), name) == 0)
      return rp_json_str (component, "repository");
  return NULL;
}

static char *
keep_component (RpCli *cli, const json_t *app, const char *name, const char *text,
                const RpReference *reference, GError **error)
{
  const char *repository = repository_of (app, name);
  if (repository == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "--component %s: %s has no such component",
                   name, rp_json_str (app, "name"));
      return NULL;
    }
  g_autoptr (json_t) kept = rp_keeping_run (cli, text, repository, NULL, error);
  if (kept == NULL)
    return NULL;
  gboolean tagged = reference->tag != NULL;
  return g_strconcat (repository, tagged ? ":" : "", tagged ? reference->tag : "", "@",
                      rp_json_str (kept, "digest"), NULL);
}

gboolean
rp_keeping_components (RpCli *cli, const char *app_name, json_t *components, GError **error)
{
  const char *name;
  json_t *value;
  g_autoptr (json_t) app = NULL;
  g_autoptr (json_t) given = json_copy (components);
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  json_object_foreach (given, name, value)
  {
    g_auto (RpReference) reference = { 0 };
    if (!is_elsewhere (cli, json_string_value (value), &reference))
      continue;
    g_autofree char *path = rp_api_path ("apps", app_name, NULL);
    if (app == NULL && (app = rp_api_get (cli->api, path, 0, error)) == NULL)
      return FALSE;
    g_autofree char *kept
        = keep_component (cli, app, name, json_string_value (value), &reference, error);
    if (kept == NULL)
      return FALSE;
    json_object_set_new (components, name, json_string (kept));
  }
  return TRUE;
}

/* ---- what was kept ---- */

char *
rp_keeping_upstream_name (const json_t *origin)
{
  const json_t *upstream = json_object_get (origin, "upstream");
  const char *tag = rp_json_str (upstream, "tag");
  return g_strconcat (rp_json_str (upstream, "registry"), "/",
                      rp_json_str (upstream, "repository"), tag != NULL ? ":" : "", tag, NULL);
}

gboolean
rp_keeping_ask (RpCli *cli, json_t *origin)
{
  g_autoptr (GError) error = NULL;
  g_auto (RpRemote) remote = { 0 };
  g_autofree char *name = rp_keeping_upstream_name (origin);
  g_autofree char *reference = g_strconcat (name, "@", rp_json_str (origin, "digest"), NULL);
  g_autoptr (GBytes) bytes = NULL;
  if (rp_remote_open (cli, reference, &remote, &error))
    bytes = rp_oci_client_manifest (remote.client, remote.repository, &remote.digest, &error);
  json_object_set_new (origin, "upstream_has", json_boolean (bytes != NULL));
  json_object_set_new (origin, "problem", bytes != NULL ? json_null ()
                                                        : json_string (error->message));
  return bytes != NULL;
}
