#include "oci/platform.h"

#include "base/error.h"

#include <string.h>
#include <sys/utsname.h>

#define DEPTH_MAX 8 /* index in index in … */

static const struct {
  const char *machine, *platform;
} hosts[] = {
  { "x86_64", "linux/amd64" },    { "aarch64", "linux/arm64" }, { "armv7l", "linux/arm/v7" },
  { "armv6l", "linux/arm/v6" },   { "i686", "linux/386" },      { "ppc64le", "linux/ppc64le" },
  { "riscv64", "linux/riscv64" }, { "s390x", "linux/s390x" },   { "loongarch64", "linux/loong64" },
};

const char *
rp_platform_host (void)
{
  struct utsname name;
  if (uname (&name) == 0)
    for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++)
      if (g_str_equal (hosts[i].machine, name.machine))
        return hosts[i].platform;
  return "linux/unknown";
}

gboolean
rp_platform_matches (const char *offered, const char *wanted)
{
  gsize length = MIN (strlen (offered), strlen (wanted));
  if (strncmp (offered, wanted, length) != 0)
    return FALSE;
  const char *more = strlen (offered) > length ? offered + length : wanted + length;
  if (*more == '\0')
    return TRUE;
  /* One is a prefix of the other: right if the rest is a variant and not part of a word. */
  const char *slash = strchr (offered, '/');
  return *more == '/' && slash != NULL && (gsize)(slash - offered) < length;
}

/* The best child: the exact platform before one that differs by its variant. */
static const RpDescriptor *
best_child (const RpManifest *index, const char *platform)
{
  const RpDescriptor *best = NULL;
  for (guint i = 0; i < index->descriptors->len; i++)
    {
      const RpDescriptor *child = g_ptr_array_index (index->descriptors, i);
      if (child->role != RP_DESCRIPTOR_MANIFEST || !child->platform)
        continue;
      if (g_str_equal (child->platform, platform))
        return child;
      if (!best && rp_platform_matches (child->platform, platform))
        best = child;
    }
  return best;
}

/* An index of one manifest without a platform leaves no choice. */
static const RpDescriptor *
only_child (const RpManifest *index)
{
  if (index->descriptors->len != 1)
    return NULL;
  const RpDescriptor *child = g_ptr_array_index (index->descriptors, 0);
  return child->role == RP_DESCRIPTOR_MANIFEST && !child->platform ? child : NULL;
}

static gboolean
no_child (const RpManifest *index, const char *platform, GError **error)
{
  g_autoptr (GString) offered = g_string_new (NULL);
  for (guint i = 0; i < index->descriptors->len; i++)
    {
      const RpDescriptor *child = g_ptr_array_index (index->descriptors, i);
      g_string_append_printf (offered, "%s%s", i > 0 ? ", " : "",
                              child->platform ? child->platform : "(unnamed)");
    }
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "the artifact has nothing for %s; it was built for: %s", platform,
               offered->len > 0 ? offered->str : "no platform at all");
  return FALSE;
}

gboolean
rp_platform_pick (const RpDigest *root, const char *platform, RpManifestLoader load,
                  gpointer user_data, RpDigest *out, GError **error)
{
  RpDigest here = *root;
  g_autofree char *media_type = NULL;
  for (int depth = 0; depth < DEPTH_MAX; depth++)
    {
      gsize size;
      g_autoptr (GBytes) bytes = load (&here, media_type, user_data, error);
      if (!bytes)
        return FALSE;
      const void *data = g_bytes_get_data (bytes, &size);
      g_autoptr (RpManifest) manifest = rp_manifest_parse (data, size, media_type, error);
      if (!manifest)
        return FALSE;
      if (!manifest->is_index)
        {
          *out = here;
          return TRUE;
        }
      const RpDescriptor *child = best_child (manifest, platform);
      child = child ? child : only_child (manifest);
      if (!child)
        return no_child (manifest, platform, error);
      here = child->digest;
      g_free (media_type);
      media_type = g_strdup (child->media_type);
    }
  g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE, "indexes are nested deeper than %d levels",
               DEPTH_MAX);
  return FALSE;
}
