/* Why a manifest is kept, or when and by what rule it goes. */
#include <string.h>

#include "base/json.h"
#include "oci/reference.h"
#include "registry/departure.h"
#include "retention/sweep.h"

static void
set_text (json_t *json, const char *key, const char *text)
{
  json_object_set_new (json, key, text != NULL ? json_string (text) : json_null ());
}

static gboolean
find_image (const RpSweep *sweep, const char *digest, guint *out)
{
  for (guint i = 0; i < sweep->images->len; i++)
    if (g_str_equal (((RpImage *) sweep->images->pdata[i])->digest, digest))
      {
        *out = i;
        return TRUE;
      }
  return FALSE;
}

/* ---- when ---- */

static void
tell_outlook (const RpSweep *sweep, guint index, json_t *json)
{
  RpOutlook outlook = rp_lifecycle_foresee (sweep->policy, sweep->images, index);
  g_autofree char *rule = outlook.rule != NULL ? rp_lifecycle_describe (outlook.rule) : NULL;

  json_object_set_new (json, "goes_at", rp_time_or_null (outlook.at_us));
  json_object_set_new (json, "goes_after_pushes",
                       outlook.pushes > 0 ? json_integer (outlook.pushes) : json_null ());
  set_text (json, "rule", rule);
}

static void
tell_fate (RpRetention *retention, const RpSweep *sweep, guint index, json_t *json)
{
  static const char *const names[]
      = { [RP_FATE_STAYS] = "stays", [RP_FATE_GOES] = "goes", [RP_FATE_HELD] = "held",
          [RP_FATE_KEPT] = "kept", [RP_FATE_NEEDED] = "listed" };
  const RpFate *fate = &g_array_index (sweep->fates, RpFate, index);
  g_autoptr (json_t) saved = NULL;

  set_text (json, "fate", names[fate->kind]);
  if (fate->kind == RP_FATE_STAYS || fate->rule == NULL)
    {
      tell_outlook (sweep, index, json);
      return;
    }
  g_autofree char *rule = rp_lifecycle_describe (fate->rule);
  set_text (json, "rule", rule);
  if (fate->kind == RP_FATE_GOES)
    return;
  saved = rp_sweep_saved (retention, sweep, index);
  json_object_set (json, "saved_by", json_object_get (saved, "text"));
}

/* {"repository", "tags", "pattern", "fate", "rule", "saved_by", "goes_at", "goes_after_pushes"}. */
static json_t *
look_in (RpRetention *retention, const json_t *place, const char *digest, gint64 now_us,
         GError **error)
{
  const char *repository = rp_json_str (place, "repository");
  g_autoptr (RpSweep) sweep = rp_sweep_look (retention, repository, now_us, error);
  json_t *json;
  guint index;

  if (sweep == NULL)
    return NULL;
  json = json_object ();
  set_text (json, "repository", repository);
  json_object_set (json, "tags", json_object_get (place, "tags"));
  set_text (json, "pattern", sweep->pattern);
  set_text (json, "fate", "stays");
  set_text (json, "rule", NULL);
  set_text (json, "saved_by", NULL);
  set_text (json, "goes_at", NULL);
  set_text (json, "goes_after_pushes", NULL);
  if (sweep->policy != NULL && find_image (sweep, digest, &index))
    tell_fate (retention, sweep, index, json);
  return json;
}

/* ---- what is asked about ---- */

typedef struct {
  const RpReference *reference;
  char *digest; /* or NULL */
} Former;

static gboolean
find_former (RpTxn *txn, gpointer user_data, GError **error)
{
  Former *former = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT digest FROM former_tag WHERE repository = $1 AND name = $2", "ss",
      former->reference->repository, former->reference->tag);

  if (rows == NULL)
    return FALSE;
  former->digest = rp_rows_count (rows) > 0 ? g_strdup (rp_rows_text (rows, 0, 0)) : NULL;
  return TRUE;
}

/* What a tag named that is gone. */
static gboolean
find_former_tag (RpRetention *retention, const RpReference *reference, RpDigest *out)
{
  Former former = { reference, NULL };
  gboolean found = rp_db_read (retention->db, find_former, &former, NULL) && former.digest != NULL
                   && rp_digest_parse (former.digest, out, NULL);

  g_free (former.digest);
  return found;
}

static gboolean
find_tag (RpRetention *retention, const char *text, RpDigest *out, GError **error)
{
  g_auto (RpReference) reference = { 0 };
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GError) local = NULL;

  if (!rp_reference_parse (text, &reference, error))
    return FALSE;
  if (reference.has_digest)
    {
      *out = reference.digest;
      return TRUE;
    }
  if (rp_registry_manifest_get (retention->registry, reference.repository, reference.tag, &info,
                                NULL, &local))
    {
      *out = info.digest;
      return TRUE;
    }
  if (find_former_tag (retention, &reference, out))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

/* `REPOSITORY@` in front of a beginning of a digest says nothing more than the digest does. */
static gboolean
find_digest (RpRetention *retention, const char *text, RpDigest *out, GError **error)
{
  const char *at = strrchr (text, '@'), *digest = at != NULL ? at + 1 : text;
  gboolean is_tag = at == NULL && strpbrk (text, "/:") != NULL
                    && !g_str_has_prefix (text, "sha256:") && !g_str_has_prefix (text, "sha512:");

  if (is_tag)
    return find_tag (retention, text, out, error);
  return rp_digest_parse (digest, out, NULL)
         || rp_registry_find_digest (retention->registry, digest, out, error);
}

static gboolean
look_everywhere (RpRetention *retention, const RpDigest *digest, const char *text, gint64 now_us,
                 json_t *places, GError **error)
{
  g_autoptr (json_t) where = rp_registry_where (retention->registry, digest, error);
  const json_t *place;
  gsize i;

  if (where == NULL)
    return FALSE;
  json_array_foreach (where, i, place)
  {
    json_t *one = look_in (retention, place, text, now_us, error);
    if (one == NULL)
      return FALSE;
    json_array_append_new (places, one);
  }
  return TRUE;
}

typedef struct {
  const char *digest;
  json_t *list;
} Gone;

static gboolean
list_gone (RpTxn *txn, gpointer user_data, GError **error)
{
  Gone *gone = user_data;

  gone->list = rp_departures_load (txn, NULL, gone->digest, error);
  return gone->list != NULL;
}

json_t *
rp_sweep_why (RpRetention *retention, const char *reference, gint64 now_us, GError **error)
{
  g_autoptr (json_t) json = json_object ();
  json_t *places = json_array ();
  char text[RP_DIGEST_STRING_SIZE];
  RpDigest digest;
  Gone gone = { text, NULL };

  json_object_set_new (json, "repositories", places);
  if (!find_digest (retention, reference, &digest, error))
    return NULL;
  rp_digest_format (&digest, text);
  if (!rp_pulls_flush (retention, error) || !rp_held_prepare (retention->held, error)
      || !look_everywhere (retention, &digest, text, now_us, places, error)
      || (json_array_size (places) == 0
          && !rp_db_read (retention->db, list_gone, &gone, error)))
    return NULL;
  json_object_set_new (json, "deleted", gone.list != NULL ? gone.list : json_array ());
  json_object_set_new (json, "digest", json_string (text));
  json_object_set_new (json, "held", rp_held_reasons (retention->held, text));
  return g_steal_pointer (&json);
}
