#include "cli/referrers.h"

#include <string.h>

#include "oci/push.h"

static gboolean
is_absent (const GError *error)
{
  static const RpErrorCode codes[] = { RP_ERROR_NOT_FOUND, RP_ERROR_MANIFEST_UNKNOWN,
                                       RP_ERROR_NAME_UNKNOWN, RP_ERROR_UNSUPPORTED };
  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++)
    if (g_error_matches (error, RP_ERROR, (int) codes[i]))
      return TRUE;
  return FALSE;
}

/* `sha256-<64 hex>`; of longer digests the first 64 digits. */
static char *
fallback_tag (const RpDigest *subject)
{
  char text[RP_DIGEST_STRING_SIZE];
  const char *hex = strchr (rp_digest_format (subject, text), ':') + 1;
  return g_strdup_printf ("%s-%.64s", rp_digest_algorithm_name (subject->algorithm), hex);
}

gboolean
rp_referrers_resolve_tag (const RpRemote *remote, const char *tag, gboolean *out_there,
                          RpDigest *out, GError **error)
{
  g_autoptr (GError) failure = NULL;
  *out_there = rp_oci_client_resolve (remote->client, remote->repository, tag, out, &failure);
  if (*out_there || is_absent (failure))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

static json_t *
by_tag (const RpRemote *remote, const RpDigest *subject, GError **error)
{
  RpDigest index;
  gboolean there;
  g_autofree char *tag = fallback_tag (subject);
  if (!rp_referrers_resolve_tag (remote, tag, &there, &index, error))
    return NULL;
  if (!there)
    return json_array ();
  g_autoptr (GBytes) bytes
      = rp_oci_client_manifest (remote->client, remote->repository, &index, error);
  g_autoptr (json_t) answer
      = bytes == NULL ? NULL
                      : rp_json_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), tag,
                                       error);
  json_t *list;
  if (answer == NULL || !rp_json_need_array (answer, "manifests", tag, &list, error))
    return NULL;
  return json_incref (list);
}

json_t *
rp_referrers_of (const RpRemote *remote, const RpDigest *subject, gboolean *out_by_api,
                 GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (GError) failure = NULL;
  g_autofree char *path = g_strconcat ("/v2/", remote->repository, "/referrers/",
                                       rp_digest_format (subject, text), NULL);
  json_t *list = rp_remote_list (remote, path, "manifests", &failure);
  *out_by_api = list != NULL;
  if (list != NULL)
    return list;
  if (is_absent (failure))
    return by_tag (remote, subject, error);
  g_propagate_error (error, g_steal_pointer (&failure));
  return NULL;
}

GPtrArray *
rp_referrers_cosign_tags (const RpDigest *subject)
{
  static const char *const endings[] = { ".sig", ".att", ".sbom" };
  GPtrArray *tags = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *stem = fallback_tag (subject);
  for (gsize i = 0; i < G_N_ELEMENTS (endings); i++)
    g_ptr_array_add (tags, g_strconcat (stem, endings[i], NULL));
  return tags;
}

/* ---- publishing ---- */

/* Those of `listed`, and those of `added` that are not among them. */
static json_t *
merge (json_t *listed, const json_t *added, gboolean *out_changed)
{
  json_t *all = json_copy (listed);
  gsize i, j;
  json_t *one, *other;
  *out_changed = FALSE;
  json_array_foreach (added, i, one)
  {
    gboolean known = FALSE;
    json_array_foreach (listed, j, other)
      known = known || g_strcmp0 (rp_json_str (one, "digest"), rp_json_str (other, "digest")) == 0;
    if (known)
      continue;
    json_array_append (all, one);
    *out_changed = TRUE;
  }
  return all;
}

gboolean
rp_referrers_publish (const RpRemote *remote, const RpDigest *subject, const json_t *descriptors,
                      GError **error)
{
  gboolean by_api, changed;
  if (json_array_size (descriptors) == 0)
    return TRUE;
  g_autoptr (json_t) listed = rp_referrers_of (remote, subject, &by_api, error);
  if (listed == NULL || by_api)
    return listed != NULL;
  g_autoptr (json_t) all = merge (listed, descriptors, &changed);
  if (!changed)
    return TRUE;
  g_autoptr (json_t) index = json_object ();
  json_object_set_new (index, "schemaVersion", json_integer (2));
  json_object_set_new (index, "mediaType", json_string (RP_MEDIA_OCI_INDEX));
  json_object_set (index, "manifests", all);
  char *text = rp_json_print (index);
  g_autoptr (GBytes) bytes = g_bytes_new_take (text, strlen (text));
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, text, strlen (text));
  g_autofree char *tag = fallback_tag (subject);
  return rp_oci_push_manifest (remote->client, remote->repository, tag, bytes, &digest, error);
}
