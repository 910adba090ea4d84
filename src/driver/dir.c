/* Targets that are directories: an artifact of tar layers unpacked below ROOT/releases, and a link.
 *
 * Order in `prepare`: bytes verified in the store → unpacked beside → read-only → record →
 * everything synced → rename. So a release that has its name is complete, and its record is there.
 */
#include "driver/dir.h"

#include "base/error.h"
#include "base/file.h"
#include "driver/command.h"
#include "driver/layout.h"
#include "driver/probe.h"
#include "driver/tree.h"
#include "driver/unpack.h"
#include "oci/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RELOAD_TIMEOUT_MS 30000

typedef struct {
  const RpDriverContext *context;
  char *root;
  char **reload; /* or NULL */
  gint64 reload_timeout_ms;
  RpProbe *probe; /* or NULL */
  gint64 max_entries, max_bytes;
} Dir;

static void
dir_close (gpointer self)
{
  Dir *dir = self;
  g_free (dir->root);
  g_strfreev (dir->reload);
  rp_probe_free (dir->probe);
  g_free (dir);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Dir, dir_close)

static gboolean
parse_options (Dir *dir, const RpYamlNode *options, GError **error)
{
  static const char *const keys[]
      = { "root", "reload", "reload_timeout", "probe", "max_entries", "max_bytes", NULL };
  const char *root;
  if (!rp_yaml_expect_map (options, keys, error)
      || !rp_yaml_need_string (options, "root", &root, error))
    return FALSE;
  if (!g_path_is_absolute (root))
    return rp_yaml_error (rp_yaml_get (options, "root"), error,
                          "expected an absolute path, found \"%s\"", root);
  dir->root = g_canonicalize_filename (root, "/");
  if (!rp_yaml_opt_strv (options, "reload", &dir->reload, error)
      || !rp_yaml_opt_duration_ms (options, "reload_timeout", &dir->reload_timeout_ms, error)
      || !rp_yaml_opt_int (options, "max_entries", 1, G_MAXINT64, &dir->max_entries, error)
      || !rp_yaml_opt_int (options, "max_bytes", 1, G_MAXINT64, &dir->max_bytes, error)
      || !rp_probe_parse (rp_yaml_get (options, "probe"), &dir->probe, error))
    return FALSE;
  if (dir->reload && !dir->reload[0])
    return rp_yaml_error (rp_yaml_get (options, "reload"), error,
                          "expected a program and its arguments");
  return TRUE;
}

static gpointer
dir_open (const RpDriverContext *context, const RpYamlNode *options, GError **error)
{
  g_autoptr (Dir) dir = g_new0 (Dir, 1);
  dir->context = context;
  dir->reload_timeout_ms = RELOAD_TIMEOUT_MS;
  dir->max_entries = RP_UNPACK_ENTRIES_MAX;
  dir->max_bytes = (gint64)RP_UNPACK_BYTES_MAX;
  return parse_options (dir, options, error) ? g_steal_pointer (&dir) : NULL;
}

/* ---- observe ---- */

static gboolean
dir_observe (gpointer self, RpObservation *out, GError **error)
{
  Dir *dir = self;
  RpCurrent kind;
  if (!rp_layout_read_current (dir->root, &kind, &out->digest, &out->detail, error))
    return FALSE;
  out->running = kind != RP_CURRENT_NONE;
  out->has_digest = kind == RP_CURRENT_RELEASE;
  if (!out->has_digest)
    return TRUE;
  g_autofree char *release = rp_layout_release (dir->root, &out->digest);
  g_autofree char *record = rp_layout_record (dir->root, &out->digest);
  g_autoptr (GError) damage = NULL;
  out->intact = rp_tree_check (release, &out->digest, record, RP_TREE_LOOK, &damage);
  if (!out->intact)
    out->detail = g_strdup (damage->message);
  return TRUE;
}

/* ---- verify ---- */

static gboolean
dir_verify (gpointer self, const RpArtifact *artifact, GError **error)
{
  Dir *dir = self;
  g_autofree char *release = rp_layout_release (dir->root, &artifact->digest);
  g_autofree char *record = rp_layout_record (dir->root, &artifact->digest);
  struct stat st;
  if (lstat (release, &st) == 0)
    return rp_tree_check (release, &artifact->digest, record, RP_TREE_HASH, error);
  if (errno != ENOENT)
    return rp_error_set_errno (error, errno, "%s", release);
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "%s is not prepared on this host: there is no %s", artifact->label, release);
  return FALSE;
}

/* ---- prepare: the bytes ---- */

static GBytes *
load_local (const RpDigest *digest, const char *media_type, gpointer user_data, GError **error)
{
  return rp_store_read (user_data, digest, RP_MANIFEST_LIMIT, error);
}

/* Without a client all must be in the store already, and right. */
static gboolean
check_local (RpStore *store, const RpDigest *digest, RpDigest *out_manifest, GError **error)
{
  if (!rp_platform_pick (digest, rp_platform_host (), load_local, store, out_manifest, error))
    return FALSE;
  g_autoptr (RpClosure) closure = rp_closure_walk (out_manifest, NULL, load_local, store, error);
  if (!closure)
    return FALSE;
  for (guint i = 0; i < closure->items->len; i++)
    {
      const RpClosureItem *item = g_ptr_array_index (closure->items, i);
      if (!rp_store_verify (store, &item->digest, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
bring_bytes (Dir *dir, const RpArtifact *artifact, RpProgress progress, gpointer user_data,
             RpDigest *out_manifest, GError **error)
{
  const RpDriverContext *context = dir->context;
  if (!context->client)
    return check_local (context->store, &artifact->digest, out_manifest, error);
  return rp_oci_client_pull (context->client, artifact->repository, &artifact->digest,
                             rp_platform_host (), context->store, progress, user_data,
                             context->cancelled, out_manifest, error);
}

/* ---- prepare: the layers ---- */

static void
layer_clear (gpointer data)
{
  RpUnpackLayer *layer = data;
  rp_close_fd (&layer->fd);
  g_free ((char *)layer->name);
}

static gboolean
open_layer (RpStore *store, const RpDescriptor *descriptor, GArray *layers, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  rp_digest_format (&descriptor->digest, text);
  if (descriptor->foreign)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_UNSUPPORTED,
                   "layer %s is of the kind whose bytes lie elsewhere (%s); push it as an ordinary "
                   "layer",
                   text, descriptor->media_type);
      return FALSE;
    }
  int fd = rp_store_open_blob (store, &descriptor->digest, NULL, error);
  if (fd < 0)
    return FALSE;
  const RpUnpackLayer layer = { fd, g_strdup_printf ("layer %u (%s, %s)", layers->len + 1, text,
                                                     descriptor->media_type) };
  g_array_append_val (layers, layer);
  return TRUE;
}

/* RpUnpackLayer, in order */
static GArray *
open_layers (RpStore *store, const RpDigest *digest, GError **error)
{
  gsize size;
  g_autoptr (GBytes) bytes = rp_store_read (store, digest, RP_MANIFEST_LIMIT, error);
  if (!bytes)
    return NULL;
  const void *data = g_bytes_get_data (bytes, &size);
  g_autoptr (RpManifest) manifest = rp_manifest_parse (data, size, NULL, error);
  if (!manifest)
    return NULL;
  g_autoptr (GArray) layers = g_array_new (FALSE, FALSE, sizeof (RpUnpackLayer));
  g_array_set_clear_func (layers, layer_clear);
  for (guint i = 0; i < manifest->descriptors->len; i++)
    {
      const RpDescriptor *descriptor = g_ptr_array_index (manifest->descriptors, i);
      if (descriptor->role == RP_DESCRIPTOR_LAYER && !open_layer (store, descriptor, layers, error))
        return NULL;
    }
  if (layers->len > 0)
    return g_steal_pointer (&layers);
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "the artifact has no layers to unpack");
  return NULL;
}

/* ---- prepare: the directory ---- */

static gboolean
sync_all (const char *path, GError **error)
{
  rp_autofd int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || syncfs (fd) < 0)
    return rp_error_set_errno (error, errno, "writing %s to disk", path);
  return TRUE;
}

static gboolean
fill (Dir *dir, const RpDigest *digest, GArray *layers, const char *into, GError **error)
{
  const RpUnpackLimits limits = { (guint64)dir->max_entries, (guint64)dir->max_bytes };
  g_autofree char *record = rp_layout_record (dir->root, digest);
  return rp_unpack (into, (const RpUnpackLayer *)(gpointer)layers->data, layers->len, &limits,
                    dir->context->cancelled, error)
         && rp_tree_seal (into, error) && rp_tree_record (into, digest, record, error)
         && sync_all (into, error);
}

static gboolean
make_release (Dir *dir, const RpDigest *digest, const RpDigest *manifest, GError **error)
{
  g_autoptr (GArray) layers = open_layers (dir->context->store, manifest, error);
  if (!layers)
    return FALSE;
  g_autofree char *releases = rp_layout_releases (dir->root);
  g_autofree char *into = g_build_filename (releases, RP_LAYOUT_TMP "XXXXXX", NULL);
  if (!mkdtemp (into))
    return rp_error_set_errno (error, errno, "making a directory in %s", releases);
  if (fill (dir, digest, layers, into, error)
      && rp_layout_put_release (dir->root, digest, into, error))
    return TRUE;
  g_autoptr (GError) ignored = NULL; /* the first error is the one to tell; tidy comes again */
  (void)!rp_layout_tidy (dir->root, &ignored);
  return FALSE;
}

static gboolean
prepare_anew (Dir *dir, const RpArtifact *artifact, RpProgress progress, gpointer user_data,
              GError **error)
{
  RpDigest manifest;
  if (!bring_bytes (dir, artifact, progress, user_data, &manifest, error))
    return FALSE;
  if (make_release (dir, &artifact->digest, &manifest, error))
    return TRUE;
  g_prefix_error (error, "unpacking %s: ", artifact->label);
  return FALSE;
}

static gboolean
dir_prepare (gpointer self, const RpArtifact *artifact, RpProgress progress, gpointer user_data,
             GError **error)
{
  Dir *dir = self;
  g_autofree char *releases = rp_layout_releases (dir->root);
  if (!rp_dir_make (releases, 0755, error) || !rp_layout_tidy (dir->root, error))
    return FALSE;
  if (!dir_verify (dir, artifact, NULL)
      && !prepare_anew (dir, artifact, progress, user_data, error))
    return FALSE;
  return rp_layout_make_spare (dir->root, &artifact->digest, error);
}

/* ---- point ---- */

static gboolean
reload (Dir *dir, const RpArtifact *artifact, GError **error)
{
  if (!dir->reload)
    return TRUE;
  char text[RP_DIGEST_STRING_SIZE];
  g_autofree char *current = rp_layout_current (dir->root);
  g_autofree char *real = realpath (current, NULL);
  g_autofree char *env_current = g_strconcat ("REPOINT_CURRENT=", real ? real : current, NULL);
  g_autofree char *env_digest
      = g_strconcat ("REPOINT_DIGEST=", rp_digest_format (&artifact->digest, text), NULL);
  g_autofree char *env_target = g_strconcat ("REPOINT_TARGET=", dir->context->name, NULL);
  const char *const env[] = { env_current, env_digest, env_target, NULL };
  const RpCommand command = { .argv = (const char *const *)dir->reload,
                              .env = env,
                              .timeout_ms = dir->reload_timeout_ms,
                              .cancelled = dir->context->cancelled };
  if (rp_command_run (&command, error))
    return TRUE;
  g_prefix_error (error, "%s now points to %s, but the reload failed: ", current, artifact->label);
  return FALSE;
}

static gboolean
dir_point (gpointer self, const RpArtifact *artifact, GError **error)
{
  Dir *dir = self;
  return dir_verify (dir, artifact, error) && rp_layout_switch (dir->root, &artifact->digest, error)
         && reload (dir, artifact, error);
}

/* ---- probe, prune ---- */

static gboolean
dir_probe (gpointer self, GError **error)
{
  Dir *dir = self;
  if (dir->probe)
    return rp_probe_run (dir->probe, dir->context->cancelled, error);
  g_auto (RpObservation) seen = { 0 };
  if (!dir_observe (dir, &seen, error))
    return FALSE;
  if (seen.running && seen.intact)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_UNHEALTHY, "%s",
               seen.detail ? seen.detail : "nothing is pointed to");
  return FALSE;
}

static gboolean
is_kept (const RpDigest *digest, const RpArtifact *keep, gsize n_keep)
{
  for (gsize i = 0; i < n_keep; i++)
    if (rp_digest_equal (&keep[i].digest, digest))
      return TRUE;
  return FALSE;
}

static gboolean
dir_prune (gpointer self, const RpArtifact *keep, gsize n_keep, GError **error)
{
  Dir *dir = self;
  if (!rp_layout_tidy (dir->root, error))
    return FALSE;
  g_autoptr (GArray) there = rp_layout_list (dir->root, error);
  if (!there)
    return FALSE;
  for (guint i = 0; i < there->len; i++)
    {
      const RpDigest *digest = &g_array_index (there, RpDigest, i);
      if (is_kept (digest, keep, n_keep) || rp_layout_is_current (dir->root, digest))
        continue;
      if (!rp_layout_remove_release (dir->root, digest, error))
        return FALSE;
    }
  return TRUE;
}

const RpDriverOps rp_driver_dir = {
  .name = "dir",
  .summary = "a directory of unpacked releases and a link to the current one",
  .open = dir_open,
  .close = dir_close,
  .observe = dir_observe,
  .prepare = dir_prepare,
  .verify = dir_verify,
  .point = dir_point,
  .probe = dir_probe,
  .prune = dir_prune,
};
