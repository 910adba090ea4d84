/* Releases into a file, to carry across an air gap. */
#include "cli/bundle.h"
#include "cli/referrers.h"
#include "cli/verbs.h"

static char *file;

const GOptionEntry rp_export_options[] = {
  { "file", 'f', 0, G_OPTION_ARG_FILENAME, &file, "The file to make", "FILE" },
  G_OPTION_ENTRY_NULL
};
typedef struct {
  RpCli *cli;
  RpScratch scratch;
  GPtrArray *roots; /* RpBundleRoot */
  json_t *releases;
} Export;

static void
export_clear (Export *export)
{
  rp_scratch_clear (&export->scratch);
  g_clear_pointer (&export->roots, g_ptr_array_unref);
  g_clear_pointer (&export->releases, json_decref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Export, export_clear)

static gboolean
add_root (Export *export, const RpDigest *digest, const char *name)
{
  for (guint i = 0; i < export->roots->len; i++)
    {
      const RpBundleRoot *known = export->roots->pdata[i];
      if (rp_digest_equal (&known->digest, digest))
        return FALSE;
    }
  RpBundleRoot *root = g_new0 (RpBundleRoot, 1);
  root->digest = *digest;
  root->name = g_strdup (name);
  g_ptr_array_add (export->roots, root);
  return TRUE;
}

/* The closure into the scratch, and then that of all that refers to it. */
static gboolean
pull (Export *export, const RpRemote *remote, const RpDigest *digest, const char *name,
      GError **error)
{
  RpDigest run;
  gboolean by_api;
  gsize i;
  json_t *descriptor;
  if (!add_root (export, digest, name))
    return TRUE;
  if (!rp_oci_client_pull (remote->client, remote->repository, digest, NULL, export->scratch.store,
                           NULL, NULL, NULL, &run, error))
    return FALSE;
  g_autoptr (RpClosure) closure
      = rp_closure_walk (digest, NULL, rp_bundle_load, export->scratch.store, error);
  for (guint j = 0; closure != NULL && j < closure->items->len; j++)
    {
      const RpClosureItem *item = closure->items->pdata[j];
      g_autoptr (json_t) list
          = item->is_manifest ? rp_referrers_of (remote, &item->digest, &by_api, error)
                              : json_array ();
      if (list == NULL)
        return FALSE;
      json_array_foreach (list, i, descriptor)
      {
        RpDigest referrer;
        const char *text = rp_json_str (descriptor, "digest");
        if (!rp_digest_parse (text != NULL ? text : "", &referrer, error)
            || !pull (export, remote, &referrer, NULL, error))
          return FALSE;
      }
    }
  return closure != NULL;
}

/* `shop-web-1.2`, as skopeo names it: oci-archive:FILE:shop-web-1.2 */
static gboolean
export_release (Export *export, const char *app, const char *wanted, GError **error)
{
  gsize i;
  json_t *component;
  g_autofree char *path = rp_api_path ("apps", app, "releases", wanted, NULL);
  g_autoptr (json_t) release = rp_api_get (export->cli->api, path, 0, error);
  if (release == NULL)
    return FALSE;
  json_array_foreach (json_object_get (release, "components"), i, component)
  {
    g_auto (RpRemote) remote = { 0 };
    g_autofree char *reference = g_strconcat (rp_json_str (component, "repository"), "@",
                                              rp_json_str (component, "digest"), NULL);
    g_autofree char *name = g_strjoin ("-", app, rp_json_str (component, "name"),
                                       rp_json_str (release, "version"), NULL);
    if (!rp_remote_open (export->cli, reference, &remote, error)
        || !pull (export, &remote, &remote.digest, name, error))
      return FALSE;
  }
  json_array_append (export->releases, release);
  return TRUE;
}

gboolean
rp_export_run (RpCli *cli, char **args, GError **error)
{
  g_auto (Export) export = { .cli = cli };
  if (file == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "missing option `--file FILE`");
      return FALSE;
    }
  if (rp_cli_api (cli, error) == NULL || !rp_scratch_open (&export.scratch, NULL, error))
    return FALSE;
  export.roots = g_ptr_array_new_with_free_func (rp_bundle_root_free);
  export.releases = json_array ();
  for (char **release = args + 1; *release != NULL; release++)
    if (!export_release (&export, args[0], *release, error))
      return FALSE;
  if (!rp_bundle_write (export.scratch.store, export.roots, export.releases, file, error))
    return FALSE;
  rp_cli_note (cli, "%zu releases of %s with %u artifacts are in %s",
               json_array_size (export.releases), args[0], export.roots->len, file);
  return TRUE;
}
