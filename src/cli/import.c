/* What another repoint exported, or any OCI image layout in a tar, into the server. */
#include <string.h>

#include "cli/bundle.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "oci/push.h"

static char *destination;

const GOptionEntry rp_import_options[] = {
  { "as", 0, 0, G_OPTION_ARG_STRING, &destination,
    "Where to put the image of an archive without release records", "REPOSITORY[:TAG]" },
  G_OPTION_ENTRY_NULL
};

static gboolean
push (RpCli *cli, RpStore *store, const char *repository, const char *tag, const RpDigest *digest,
      GError **error)
{
  g_auto (RpRemote) to = { 0 };
  if (!rp_remote_open_repository (cli, repository, &to, error))
    return FALSE;
  const RpPush push = { .client = to.client,
                        .repository = to.repository,
                        .tag = tag,
                        .load = rp_bundle_load,
                        .open = rp_bundle_open_blob,
                        .user_data = store };
  return rp_oci_push (&push, digest, error);
}

/* Does it say what it refers to? Such go wherever an artifact of the archive goes. */
static gboolean
has_subject (RpStore *store, const RpDigest *digest)
{
  g_autoptr (GBytes) bytes = rp_bundle_load (digest, NULL, store, NULL);
  g_autoptr (RpManifest) manifest
      = bytes == NULL ? NULL
                      : rp_manifest_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                                           NULL, NULL);
  return manifest != NULL && manifest->has_subject;
}

static gboolean
push_with_referrers (RpCli *cli, RpStore *store, const GPtrArray *roots, const char *repository,
                     const char *tag, const RpDigest *digest, GError **error)
{
  if (!push (cli, store, repository, tag, digest, error))
    return FALSE;
  for (guint i = 0; i < roots->len; i++)
    {
      const RpBundleRoot *root = roots->pdata[i];
      if (root->name == NULL && has_subject (store, &root->digest)
          && !push (cli, store, repository, NULL, &root->digest, error))
        return FALSE;
    }
  return TRUE;
}

/* ---- with records ---- */

static void
copy_member (json_t *to, const json_t *from, const char *key)
{
  const char *text = rp_json_str (from, key);
  if (text != NULL)
    json_object_set_new (to, key, json_string (text));
}

static gboolean
push_components (RpCli *cli, RpStore *store, const GPtrArray *roots, json_t *release,
                 json_t *references, GError **error)
{
  json_t *components;
  gsize i;
  json_t *component;
  if (!rp_json_need_array (release, "components", "release", &components, error))
    return FALSE;
  json_array_foreach (components, i, component)
  {
    const char *name, *repository, *text;
    RpDigest digest;
    if (!rp_json_need_string (component, "name", "component", &name, error)
        || !rp_json_need_string (component, "repository", "component", &repository, error)
        || !rp_json_need_string (component, "digest", "component", &text, error)
        || !rp_digest_parse (text, &digest, error)
        || !push_with_referrers (cli, store, roots, repository, NULL, &digest, error))
      return FALSE;
    json_object_set_new (references, name, json_string (text));
  }
  return TRUE;
}

static gboolean
import_release (RpCli *cli, RpStore *store, const GPtrArray *roots, json_t *release,
                json_t *imported, GError **error)
{
  static const char *const members[] = { "repository", "commit", "build", "run_url" };
  const char *app, *version;
  const json_t *recorded = json_object_get (release, "source");
  g_autoptr (json_t) body = json_object ();
  json_t *references = json_object ();
  json_t *source = json_object ();
  json_object_set_new (body, "components", references);
  json_object_set_new (body, "source", source);
  if (!rp_json_need_string (release, "app", "release", &app, error)
      || !rp_json_need_string (release, "version", "release", &version, error))
    return FALSE;
  g_autofree char *app_path = rp_api_path ("apps", app, NULL);
  g_autoptr (json_t) known = rp_api_get (cli->api, app_path, 0, error);
  if (known == NULL)
    {
      rp_cli_hint (error, "declare the app first: repoint apply -f repoint.yaml");
      return FALSE;
    }
  if (!push_components (cli, store, roots, release, references, error))
    return FALSE;
  json_object_set_new (body, "version", json_string (version));
  for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
    copy_member (source, recorded, members[i]);
  g_autofree char *path = rp_api_path ("apps", app, "releases", NULL);
  json_t *answer = rp_api_post (cli->api, path, body, error);
  if (answer == NULL)
    return FALSE;
  json_array_append_new (imported, answer);
  if (!cli->json)
    rp_cli_note (cli, "%s %s is release %" G_GINT64_FORMAT " here", app, version,
                 rp_json_int (answer, "number"));
  return TRUE;
}

/* ---- without ---- */

static gboolean
import_image (RpCli *cli, RpStore *store, const GPtrArray *roots, GError **error)
{
  const RpBundleRoot *image = NULL;
  guint images = 0;
  char digest[RP_DIGEST_STRING_SIZE];
  for (guint i = 0; i < roots->len; i++)
    {
      const RpBundleRoot *root = roots->pdata[i];
      if (root->name == NULL && has_subject (store, &root->digest))
        continue;
      image = root;
      images++;
    }
  if (destination == NULL || images != 1)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "the archive has no release records and %u images; say where its one image goes:"
                   " --as REPOSITORY[:TAG]",
                   images);
      return FALSE;
    }
  const char *colon = strrchr (destination, ':');
  g_autofree char *repository = colon != NULL
                                    ? g_strndup (destination, (gsize) (colon - destination))
                                    : g_strdup (destination);
  if (!push_with_referrers (cli, store, roots, repository, colon != NULL ? colon + 1 : NULL,
                            &image->digest, error))
    return FALSE;
  rp_cli_note (cli, "imported %s@%s", repository, rp_digest_format (&image->digest, digest));
  return TRUE;
}

gboolean
rp_import_run (RpCli *cli, char **args, GError **error)
{
  g_auto (RpScratch) scratch = { 0 };
  g_autoptr (GPtrArray) roots = NULL;
  g_autoptr (json_t) releases = NULL;
  g_autoptr (json_t) imported = json_array ();
  gsize i;
  json_t *release;
  if (rp_cli_api (cli, error) == NULL || !rp_scratch_open (&scratch, NULL, error)
      || !rp_bundle_read (args[0], scratch.store, &roots, &releases, error))
    return FALSE;
  if (releases == NULL || destination != NULL)
    return import_image (cli, scratch.store, roots, error);
  json_array_foreach (releases, i, release)
    if (!import_release (cli, scratch.store, roots, release, imported, error))
      return FALSE;
  if (cli->json)
    {
      g_autoptr (json_t) answer = json_object ();
      json_object_set (answer, "releases", imported);
      rp_cli_print_json (cli, answer);
    }
  return TRUE;
}
