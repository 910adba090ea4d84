/* A second copy of what is damaged here: the registry that it was copied in from has one, mostly. */
#include "base/error.h"
#include "base/json.h"
#include "registry/origin.h"
#include "server/parts.h"
#include "server/proxy_priv.h"

/* Whether one of the repositories that have it was filled from there. */
static gboolean
is_of (const json_t *places, const json_t *origin)
{
  gsize i;
  json_t *place;

  json_array_foreach ((json_t *) places, i, place)
    if (g_strcmp0 (rp_json_str (place, "repository"), rp_json_str (origin, "repository")) == 0)
      return TRUE;
  return FALSE;
}

static RpProxyPlace *
place_of (const RpProxy *proxy, const json_t *upstream, const char **out_below)
{
  for (guint i = 0; i < proxy->places->len; i++)
    {
      RpProxyPlace *place = g_ptr_array_index (proxy->places, i);

      *out_below = rp_upstream_below (place->upstream, rp_json_str (upstream, "repository"));
      if (*out_below != NULL
          && g_strcmp0 (rp_upstream_registry (place->upstream), rp_json_str (upstream, "registry")) == 0)
        return place;
    }
  return NULL;
}

static gboolean
bring_manifest (const RpProxyPlace *place, const char *below, const RpPatient *patient,
                RpStore *into, GError **error)
{
  g_auto (RpUpstreamManifest) manifest = { 0 };
  char text[RP_DIGEST_STRING_SIZE];
  const void *data;
  gsize size;

  if (!rp_upstream_manifest (place->upstream, below, rp_digest_format (&patient->digest, text),
                             &manifest, error))
    return FALSE;
  data = g_bytes_get_data (manifest.bytes, &size);
  return rp_store_put (into, &patient->digest, data, size, error);
}

static gboolean
bring_from (const RpProxyPlace *place, const char *below, const RpPatient *patient, RpStore *into,
            GError **error)
{
  RpFetch fetch = { .store = into, .digest = patient->digest, .size_bytes = patient->size_bytes };

  return patient->is_manifest ? bring_manifest (place, below, patient, into, error)
                              : rp_upstream_fetch (place->upstream, below, &fetch, error);
}

/* From the first that has it; what the others said is one text. */
static gboolean
bring_from_any (const RpProxy *proxy, const json_t *places, const json_t *origins,
                const RpPatient *patient, RpStore *into, gboolean *out_brought, GError **error)
{
  g_autoptr (GHashTable) tried = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GString) problems = g_string_new (NULL);
  gsize i;
  json_t *origin;

  json_array_foreach ((json_t *) origins, i, origin)
  {
    const json_t *upstream = json_object_get (origin, "upstream");
    const char *below = NULL;
    const RpProxyPlace *place = is_of (places, origin) ? place_of (proxy, upstream, &below) : NULL;
    g_autoptr (GError) problem = NULL;

    if (place == NULL
        || !g_hash_table_add (tried, g_strconcat (rp_upstream_registry (place->upstream), "/",
                                                  rp_json_str (upstream, "repository"), NULL)))
      continue;
    *out_brought = bring_from (place, below, patient, into, &problem);
    if (*out_brought)
      return TRUE;
    g_string_append_printf (problems, "%s%s", problems->len > 0 ? "; " : "", problem->message);
  }
  if (problems->len == 0)
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_UNREACHABLE, problems->str);
  return FALSE;
}

static gboolean
bring (const RpPatient *patient, RpStore *into, gboolean *out_brought, gpointer data,
       GError **error)
{
  const RpProxy *proxy = data;
  RpRegistry *registry = proxy->server->services.registry;
  g_autoptr (json_t) places = NULL;
  g_autoptr (json_t) origins = NULL;

  *out_brought = FALSE;
  if (proxy->places->len == 0)
    return TRUE;
  places = rp_registry_where (registry, &patient->digest, error);
  origins = places != NULL ? rp_origin_list (registry, NULL, error) : NULL;
  return origins != NULL
         && bring_from_any (proxy, places, origins, patient, into, out_brought, error);
}

RpHealer
rp_proxy_healer (RpProxy *proxy)
{
  return (RpHealer){ .name = "upstream", .bring = bring, .user_data = proxy };
}
