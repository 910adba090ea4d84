/* What an artifact is made of, and who holds it. */
#include <string.h>

#include "cli/humane.h"
#include "cli/remote.h"
#include "cli/table.h"
#include "cli/verbs.h"

#define CONFIG_LIMIT (4 * 1024 * 1024) /* bytes */

static void
set_text (json_t *json, const char *key, const char *text)
{
  json_object_set_new (json, key, text != NULL ? json_string (text) : json_null ());
}

static json_t *
describe (const RpDescriptor *descriptor)
{
  char digest[RP_DIGEST_STRING_SIZE];
  json_t *json = json_object ();
  json_object_set_new (json, "digest",
                       json_string (rp_digest_format (&descriptor->digest, digest)));
  set_text (json, "media_type", descriptor->media_type);
  json_object_set_new (json, "size_bytes", json_integer ((json_int_t) descriptor->size_bytes));
  set_text (json, "title", descriptor->title);
  set_text (json, "platform", descriptor->platform);
  set_text (json, "attests", descriptor->reference_digest);
  return json;
}

/* Descriptors of one role, in order. */
static json_t *
describe_all (const RpManifest *manifest, RpDescriptorRole role)
{
  json_t *list = json_array ();
  for (guint i = 0; i < manifest->descriptors->len; i++)
    {
      const RpDescriptor *descriptor = manifest->descriptors->pdata[i];
      if (descriptor->role == role)
        json_array_append_new (list, describe (descriptor));
    }
  return list;
}

static json_t *
describe_manifest (const RpRemote *remote, const RpManifest *manifest)
{
  char digest[RP_DIGEST_STRING_SIZE];
  json_t *json = json_object ();
  json_object_set_new (json, "digest", json_string (rp_digest_format (&remote->digest, digest)));
  set_text (json, "registry", remote->registry);
  set_text (json, "repository", remote->repository);
  set_text (json, "media_type", manifest->media_type);
  set_text (json, "artifact_type", manifest->artifact_type);
  set_text (json, "subject",
            manifest->has_subject ? rp_digest_format (&manifest->subject, digest) : NULL);
  json_object_set_new (json, "annotations",
                       json_loads (manifest->annotations_json, 0, NULL));
  json_object_set_new (json, "manifests", describe_all (manifest, RP_DESCRIPTOR_MANIFEST));
  json_t *configs = describe_all (manifest, RP_DESCRIPTOR_CONFIG);
  json_t *config = json_array_get (configs, 0);
  json_object_set (json, "config", config != NULL ? config : json_null ());
  json_decref (configs);
  json_object_set_new (json, "layers", describe_all (manifest, RP_DESCRIPTOR_LAYER));
  return json;
}

/* `linux/arm64/v8` out of an image's configuration; what has none has no platform. */
static gboolean
add_platform (RpRemote *remote, const RpManifest *manifest, json_t *json, GError **error)
{
  const RpDescriptor *config = manifest->is_index ? NULL : manifest->descriptors->pdata[0];
  json_object_set_new (json, "platform", json_null ());
  if (config == NULL
      || (!g_str_equal (config->media_type, "application/vnd.oci.image.config.v1+json")
          && !g_str_equal (config->media_type, "application/vnd.docker.container.image.v1+json")))
    return TRUE;
  g_autoptr (GBytes) bytes = rp_remote_blob (remote, &config->digest, CONFIG_LIMIT, error);
  g_autoptr (json_t) root = bytes == NULL
                                ? NULL
                                : rp_json_parse (g_bytes_get_data (bytes, NULL),
                                                 g_bytes_get_size (bytes), "configuration", error);
  if (root == NULL)
    return FALSE;
  const char *os = rp_json_str (root, "os");
  const char *architecture = rp_json_str (root, "architecture");
  g_autofree char *platform = os == NULL || architecture == NULL
                                  ? NULL
                                  : g_strjoin ("/", os, architecture,
                                               rp_json_str (root, "variant"), NULL);
  set_text (json, "platform", platform);
  return TRUE;
}

/* The whole closure: an index says only how large its children's manifests are. */
static gboolean
add_size (RpRemote *remote, json_t *json, GError **error)
{
  g_autoptr (RpClosure) closure
      = rp_closure_walk (&remote->digest, NULL, rp_remote_load, remote, error);
  if (closure == NULL)
    return FALSE;
  json_object_set_new (json, "blobs", json_integer (closure->items->len));
  json_object_set_new (json, "size_bytes", json_integer ((json_int_t) closure->total_bytes));
  return TRUE;
}

static json_t *
short_release (const json_t *release)
{
  json_t *json = json_object ();
  json_object_set (json, "app", json_object_get (release, "app"));
  json_object_set (json, "number", json_object_get (release, "number"));
  json_object_set (json, "version", json_object_get (release, "version"));
  return json;
}

/* Tags and releases are what our own server knows; another registry does not tell. */
static gboolean
add_holders (RpCli *cli, const RpRemote *remote, json_t *json, GError **error)
{
  size_t i;
  json_t *one;
  json_t *releases = json_array ();
  json_object_set_new (json, "tags", json_array ());
  json_object_set_new (json, "releases", releases);
  if (!remote->is_ours)
    return TRUE;
  g_autofree char *path = rp_api_path ("trace", rp_json_str (json, "digest"), NULL);
  g_autoptr (json_t) trace = rp_api_get (cli->api, path, 0, error);
  if (trace == NULL)
    return FALSE;
  json_array_foreach (json_object_get (trace, "where"), i, one)
    if (g_strcmp0 (rp_json_str (one, "repository"), remote->repository) == 0
        && json_object_get (one, "tags") != NULL)
      json_object_set (json, "tags", json_object_get (one, "tags"));
  json_array_foreach (json_object_get (trace, "releases"), i, one)
      json_array_append_new (releases, short_release (one));
  return TRUE;
}

/* ---- for people ---- */

static void
add_rows (RpTable *table, const char *what, const json_t *list)
{
  gsize i;
  json_t *one;
  json_array_foreach (list, i, one)
  {
    const char *attests = rp_json_str (one, "attests");
    const char *name = rp_json_str (one, "title");
    name = name != NULL ? name : rp_json_str (one, "platform");
    rp_table_add (table, RP_STYLE_PLAIN, attests != NULL ? "attestation" : what);
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (one, "digest"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_size (rp_json_int (one, "size_bytes")));
    rp_table_add (table, RP_STYLE_PLAIN, name);
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (one, "media_type"));
  }
}

static void
print_parts (RpCli *cli, const json_t *json)
{
  g_autoptr (RpTable) table = rp_table_new ("PART|~DIGEST|>SIZE|~NAME|~MEDIA TYPE");
  const json_t *config = json_object_get (json, "config");
  g_autoptr (json_t) configs = json_array ();
  if (json_is_object (config))
    json_array_append (configs, json_object_get (json, "config"));
  add_rows (table, "manifest", json_object_get (json, "manifests"));
  add_rows (table, "config", configs);
  add_rows (table, "layer", json_object_get (json, "layers"));
  fputc ('\n', cli->out.stream);
  rp_table_print (table, &cli->out, 0);
}

static void
print_artifact (RpCli *cli, const json_t *json)
{
  g_autofree char *bytes = rp_humane_size (rp_json_int (json, "size_bytes"));
  g_autofree char *size
      = g_strdup_printf ("%s in %" G_GINT64_FORMAT " blobs", bytes, rp_json_int (json, "blobs"));
  g_autofree char *tags = rp_humane_list (json_object_get (json, "tags"));
  rp_cli_print_fact (cli, "digest", rp_json_str (json, "digest"));
  rp_cli_print_fact (cli, "in", rp_json_str (json, "repository"));
  rp_cli_print_fact (cli, "type", rp_json_str (json, "media_type"));
  rp_cli_print_fact (cli, "artifact", rp_json_str (json, "artifact_type"));
  rp_cli_print_fact (cli, "about", rp_json_str (json, "subject"));
  rp_cli_print_fact (cli, "platform", rp_json_str (json, "platform"));
  rp_cli_print_fact (cli, "size", size);
  rp_cli_print_fact (cli, "tags", tags);
  gsize i;
  json_t *release;
  json_array_foreach (json_object_get (json, "releases"), i, release)
  {
    g_autofree char *text
        = g_strdup_printf ("%s %s (#%" G_GINT64_FORMAT ")", rp_json_str (release, "app"),
                           rp_json_str (release, "version"), rp_json_int (release, "number"));
    rp_cli_print_fact (cli, "release", text);
  }
  print_parts (cli, json);
}

gboolean
rp_artifact_inspect_run (RpCli *cli, char **args, GError **error)
{
  g_auto (RpRemote) remote = { 0 };
  if (!rp_remote_open (cli, args[0], &remote, error) || !rp_remote_resolve (&remote, error))
    return FALSE;
  g_autoptr (GBytes) bytes = rp_remote_load (&remote.digest, NULL, &remote, error);
  g_autoptr (RpManifest) manifest
      = bytes == NULL ? NULL
                      : rp_manifest_parse (g_bytes_get_data (bytes, NULL),
                                           g_bytes_get_size (bytes), NULL, error);
  if (manifest == NULL)
    return FALSE;
  g_autoptr (json_t) json = describe_manifest (&remote, manifest);
  if (!add_platform (&remote, manifest, json, error) || !add_size (&remote, json, error) || !add_holders (cli, &remote, json, error))
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, json);
  else
    print_artifact (cli, json);
  return TRUE;
}
