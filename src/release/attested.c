#include "release/attested.h"

#include "base/error.h"
#include "base/json.h"
#include "oci/provenance.h"
#include "oci/signature.h"
#include "release/document.h"
#include "release/engine_priv.h"

#define REFERRERS_MAX 64 /* looked at of one component */
#define MEDIA_BUNDLE  "application/vnd.dev.sigstore.bundle" /* its version follows */

void
rp_signature_answer_free (RpSignatureAnswer *answer)
{
  if (answer == NULL)
    return;
  g_strfreev (answer->keys);
  g_free (answer->reason);
  g_free (answer);
}

typedef struct
{
  RpRegistry *registry;
  const RpReleaseComponent *component;
  char **keys;
  char *why; /* the last that was none: why not */
} Search;

static gboolean
is_signature (Search *search, const RpDescriptor *layer)
{
  if (layer->role != RP_DESCRIPTOR_LAYER
      || (!g_str_equal (layer->media_type, RP_MEDIA_DSSE)
          && !g_str_has_prefix (layer->media_type, MEDIA_BUNDLE)))
    return FALSE;
  g_autoptr (GError) unread = NULL;
  g_autoptr (GBytes) bytes = rp_document_blob (search->registry, search->component->repository,
                                               &layer->digest, RP_STATEMENT_LIMIT, &unread);
  if (bytes == NULL)
    {
      g_free (search->why);
      search->why = g_strdup (unread->message);
      return FALSE;
    }
  for (char **key = search->keys; *key != NULL; key++)
    {
      g_autoptr (GError) wrong = NULL;
      if (rp_signature_verify (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                               &search->component->digest, *key, &wrong))
        return TRUE;
      g_free (search->why);
      search->why = g_strdup (wrong->message);
    }
  return FALSE;
}

static gboolean
holds_signature (Search *search, const char *digest_text)
{
  RpDigest digest;
  if (digest_text == NULL || !rp_digest_parse (digest_text, &digest, NULL))
    return FALSE;
  g_autoptr (RpManifest) manifest
      = rp_document_manifest (search->registry, search->component->repository, &digest, NULL);
  for (guint i = 0; manifest != NULL && i < manifest->descriptors->len; i++)
    if (is_signature (search, manifest->descriptors->pdata[i]))
      return TRUE;
  return FALSE;
}

static gboolean
is_signed (Search *search)
{
  g_autoptr (json_t) index = rp_registry_referrers (search->registry, search->component->repository,
                                                    &search->component->digest, NULL, NULL);
  gsize i;
  json_t *descriptor;
  json_array_foreach (json_object_get (index, "manifests"), i, descriptor)
    if (i < REFERRERS_MAX && holds_signature (search, rp_json_str (descriptor, "digest")))
      return TRUE;
  return FALSE;
}

RpSignatureAnswer *
rp_attested_look (RpEngine *engine, const RpRelease *release, char **keys)
{
  RpSignatureAnswer *answer = g_new0 (RpSignatureAnswer, 1);
  g_autoptr (GString) missing = g_string_new (NULL);
  answer->keys = g_strdupv (keys);
  for (guint i = 0; i < release->components->len; i++)
    {
      Search search = { engine->registry, release->components->pdata[i], keys, NULL };
      if (!is_signed (&search))
        g_string_append_printf (missing, "%scomponent %s%s%s%s", missing->len > 0 ? ", " : "",
                                search.component->name, search.why != NULL ? " (" : "",
                                search.why != NULL ? search.why : "", search.why != NULL ? ")" : "");
      g_free (search.why);
    }
  answer->trusted = missing->len == 0;
  answer->reason = answer->trusted ? g_strdup ("each component is signed by a key of this environment")
                                   : g_strdup_printf ("no signature by a key of this environment: %s", missing->str);
  return answer;
}
