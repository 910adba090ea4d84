/* Collecting the documents that say where an artifact came from: what is in its closure (BuildKit's
 * attestation manifests beside the platforms of an index, annotations, configurations) and what refers
 * to it.
 */
#include "release/provenance.h"

#include "base/error.h"
#include "base/json.h"
#include "oci/manifest.h"
#include "release/document.h"
#include "release/engine_priv.h"

#define CONFIG_LIMIT    (4 * 1024 * 1024) /* bytes of an image's configuration */
#define MANIFESTS_MAX   256               /* read of one artifact */
#define REFERRERS_MAX   64                /* read of one manifest */
#define PROVENANCE_MAX  256               /* values kept of one component */
#define PROBLEMS_MAX    32                /* lines kept of one component */
#define MEDIA_BUNDLE    "application/vnd.dev.sigstore.bundle" /* its version follows */
#define MEDIA_CONFIG    "application/vnd.oci.image.config.v1+json"
#define MEDIA_D_CONFIG  "application/vnd.docker.container.image.v1+json"

typedef struct
{
  RpDigest digest;
  RpManifest *manifest;
} Loaded;

static void
loaded_free (gpointer data)
{
  Loaded *loaded = data;
  rp_manifest_free (loaded->manifest);
  g_free (loaded);
}

typedef struct
{
  RpRegistry *registry;
  const RpReleaseComponent *component;
  GPtrArray *provenance;
  GPtrArray *problems;
  guint first;        /* where this component's begin */
  guint problems_first;
  GPtrArray *loaded;  /* Loaded */
  GHashTable *about;  /* RpDigest of an attestation manifest → RpDigest of its subject */
} Gather;

static void
gather_clear (Gather *gather)
{
  g_clear_pointer (&gather->loaded, g_ptr_array_unref);
  g_clear_pointer (&gather->about, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Gather, gather_clear)

static void
add_problem (Gather *gather, const RpDigest *digest, const char *why)
{
  char text[RP_DIGEST_STRING_SIZE];
  guint count = gather->problems->len - gather->problems_first;
  if (count < PROBLEMS_MAX)
    g_ptr_array_add (gather->problems,
                     g_strdup_printf ("component %s: %.19s is not used: %s", gather->component->name,
                                      rp_digest_format (digest, text), why));
  else if (count == PROBLEMS_MAX)
    g_ptr_array_add (gather->problems, g_strdup_printf ("component %s: more cannot be used",
                                                        gather->component->name));
}

static gboolean
is_known (const Gather *gather, const RpClaim *claim)
{
  for (guint i = gather->first; i < gather->provenance->len; i++)
    {
      const RpProvenance *one = gather->provenance->pdata[i];
      if (one->field == claim->field && g_str_equal (one->source, claim->source)
          && g_str_equal (one->value, claim->value) && one->enveloped == claim->enveloped)
        return TRUE;
    }
  return FALSE;
}

static void
keep (Gather *gather, GPtrArray *claims, const RpDigest *document, const char *attached)
{
  for (guint i = 0; i < claims->len; i++)
    {
      const RpClaim *claim = claims->pdata[i];
      if (is_known (gather, claim))
        continue;
      if (gather->provenance->len - gather->first >= PROVENANCE_MAX)
        {
          add_problem (gather, document, "too much is said about the component already");
          return;
        }
      RpProvenance *one = g_new0 (RpProvenance, 1);
      one->component = g_strdup (gather->component->name);
      one->field = claim->field;
      one->trust = claim->trust;
      one->enveloped = claim->enveloped;
      one->value = g_strdup (claim->value);
      one->source = g_strdup (claim->source);
      one->digest = rp_digest_to_string (document);
      one->attached = g_strdup (attached);
      g_ptr_array_add (gather->provenance, one);
    }
}

/* ---- bytes ---- */

static GBytes *
read_blob (const Gather *gather, const RpDigest *digest, guint64 limit, GError **error)
{
  return rp_document_blob (gather->registry, gather->component->repository, digest, limit, error);
}

static RpManifest *
read_manifest (const Gather *gather, const RpDigest *digest, GError **error)
{
  return rp_document_manifest (gather->registry, gather->component->repository, digest, error);
}

/* ---- documents ---- */

static void
read_statement (Gather *gather, const RpDescriptor *layer, const RpDigest *subject,
                const char *attached)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) claims = g_ptr_array_new_with_free_func (rp_claim_free);
  g_autoptr (GBytes) bytes = read_blob (gather, &layer->digest, RP_STATEMENT_LIMIT, &error);
  if (bytes != NULL
      && rp_provenance_parse_statement (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                                        subject, claims, &error))
    keep (gather, claims, &layer->digest, attached);
  else
    add_problem (gather, &layer->digest, error->message);
}

static gboolean
may_be_provenance (const RpDescriptor *layer)
{
  if (layer->role != RP_DESCRIPTOR_LAYER)
    return FALSE;
  if (layer->predicate_type != NULL && !g_str_has_prefix (layer->predicate_type, RP_SLSA_PREFIX))
    return FALSE;
  return g_str_equal (layer->media_type, RP_MEDIA_IN_TOTO)
         || g_str_equal (layer->media_type, RP_MEDIA_DSSE)
         || g_str_has_prefix (layer->media_type, MEDIA_BUNDLE);
}

static void
read_attestation (Gather *gather, const RpManifest *manifest, const RpDigest *subject,
                  const char *attached)
{
  for (guint i = 0; !manifest->is_index && i < manifest->descriptors->len; i++)
    if (may_be_provenance (manifest->descriptors->pdata[i]))
      read_statement (gather, manifest->descriptors->pdata[i], subject, attached);
}

static void
read_annotations (Gather *gather, const Loaded *loaded)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) claims = g_ptr_array_new_with_free_func (rp_claim_free);
  if (rp_provenance_parse_annotations (loaded->manifest->annotations_json, claims, &error))
    keep (gather, claims, &loaded->digest, "own");
  else
    add_problem (gather, &loaded->digest, error->message);
}

static void
read_config (Gather *gather, const RpManifest *manifest)
{
  g_autoptr (GError) error = NULL;
  const RpDescriptor *config = manifest->is_index ? NULL : manifest->descriptors->pdata[0];
  if (config == NULL
      || (!g_str_equal (config->media_type, MEDIA_CONFIG)
          && !g_str_equal (config->media_type, MEDIA_D_CONFIG)))
    return;
  g_autoptr (GPtrArray) claims = g_ptr_array_new_with_free_func (rp_claim_free);
  g_autoptr (GBytes) bytes = read_blob (gather, &config->digest, CONFIG_LIMIT, &error);
  if (bytes != NULL
      && rp_provenance_parse_config (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                                     claims, &error))
    keep (gather, claims, &config->digest, "own");
  else
    add_problem (gather, &config->digest, error->message);
}

static void
read_referrer (Gather *gather, const char *digest_text, const RpDigest *subject)
{
  RpDigest digest;
  g_autoptr (GError) error = NULL;
  if (!rp_digest_parse (digest_text, &digest, NULL)
      || g_hash_table_contains (gather->about, &digest))
    return;
  g_autoptr (RpManifest) manifest = read_manifest (gather, &digest, &error);
  if (manifest != NULL)
    read_attestation (gather, manifest, subject, "referrer");
  else
    add_problem (gather, &digest, error->message);
}

static gboolean
read_referrers (Gather *gather, const RpDigest *subject, GError **error)
{
  g_autoptr (json_t) index = rp_registry_referrers (
      gather->registry, gather->component->repository, subject, NULL, error);
  if (index == NULL)
    return FALSE;
  gsize i;
  json_t *descriptor;
  json_array_foreach (json_object_get (index, "manifests"), i, descriptor)
  {
    if (i == REFERRERS_MAX)
      {
        add_problem (gather, subject, "it has more referrers than are read");
        break;
      }
    read_referrer (gather, rp_json_str (descriptor, "digest"), subject);
  }
  return TRUE;
}

/* ---- the whole ---- */

static void
note_attestations (Gather *gather, const RpManifest *index)
{
  for (guint i = 0; index->is_index && i < index->descriptors->len; i++)
    {
      const RpDescriptor *child = index->descriptors->pdata[i];
      RpDigest subject;
      if (g_strcmp0 (child->reference_type, "attestation-manifest") == 0
          && child->reference_digest != NULL
          && rp_digest_parse (child->reference_digest, &subject, NULL))
        g_hash_table_insert (gather->about, rp_digest_copy (&child->digest),
                             rp_digest_copy (&subject));
    }
}

static gboolean
load_manifests (Gather *gather, GError **error)
{
  const RpReleaseComponent *component = gather->component;
  g_autoptr (RpClosure) closure = rp_registry_closure (gather->registry, component->repository,
                                                       &component->digest, error);
  if (closure == NULL)
    return FALSE;
  /* The root is last, and what it says comes first. */
  for (guint i = closure->items->len; i-- > 0;)
    {
      const RpClosureItem *item = closure->items->pdata[i];
      if (!item->is_manifest)
        continue;
      if (gather->loaded->len == MANIFESTS_MAX)
        {
          add_problem (gather, &component->digest, "it has more manifests than are read");
          return TRUE;
        }
      RpManifest *manifest = read_manifest (gather, &item->digest, error);
      if (manifest == NULL)
        return FALSE;
      Loaded *loaded = g_new (Loaded, 1);
      *loaded = (Loaded){ item->digest, manifest };
      g_ptr_array_add (gather->loaded, loaded);
      note_attestations (gather, manifest);
    }
  return TRUE;
}

static gboolean
read_all (Gather *gather, GError **error)
{
  for (guint i = 0; i < gather->loaded->len; i++)
    {
      const Loaded *loaded = gather->loaded->pdata[i];
      const RpDigest *subject = g_hash_table_lookup (gather->about, &loaded->digest);
      if (subject != NULL)
        {
          read_attestation (gather, loaded->manifest, subject, "index");
          continue;
        }
      read_annotations (gather, loaded);
      read_config (gather, loaded->manifest);
      if (!read_referrers (gather, &loaded->digest, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
rp_provenance_gather (RpEngine *engine, const RpReleaseComponent *component,
                      GPtrArray *provenance, GPtrArray *problems, GError **error)
{
  g_auto (Gather) gather = { .registry = engine->registry,
                             .component = component,
                             .provenance = provenance,
                             .problems = problems,
                             .first = provenance->len,
                             .problems_first = problems->len };
  gather.loaded = g_ptr_array_new_with_free_func (loaded_free);
  gather.about = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, g_free);
  if (load_manifests (&gather, error) && read_all (&gather, error))
    return TRUE;
  g_prefix_error (error, "component %s: ", component->name);
  return FALSE;
}
