/* What refers to a manifest: those pushed here with that subject, and those that an index lists which
 * a client kept under the fallback tag while the registry it spoke to had no list of its own. */
#include "registry/registry.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "oci/reference.h"
#include "registry/internal.h"

#define PAGE_BYTES (4 * 1024 * 1024) /* of annotations; one descriptor may be larger */
#define PAGE_ITEMS 1000
#define TAG_ALGORITHM_MAX 32
#define TAG_HEX_MAX       64

typedef struct {
  const char *repository;
  const RpDigest *subject;
  char subject_text[RP_DIGEST_STRING_SIZE];
  const char *artifact_type;
  gint64 after;
  gint64 limit;
  gint64 next;
  json_t *descriptors;
  const json_t *listed; /* descriptors of the fallback index, or NULL */
} Referrers;

static json_t *
referrer_descriptor (const RpRows *rows, gsize row)
{
  json_t *descriptor = json_object ();
  const char *artifact_type = rp_rows_text (rows, row, 3);
  const char *text = rp_rows_text (rows, row, 4);
  json_t *annotations = text ? json_loads (text, 0, NULL) : NULL;

  json_object_set_new (descriptor, "mediaType", json_string (rp_rows_text (rows, row, 0)));
  json_object_set_new (descriptor, "size", json_integer (rp_rows_int (rows, row, 1)));
  json_object_set_new (descriptor, "digest", json_string (rp_rows_text (rows, row, 2)));
  if (artifact_type)
    json_object_set_new (descriptor, "artifactType", json_string (artifact_type));
  if (json_object_size (annotations) > 0)
    json_object_set (descriptor, "annotations", annotations);
  json_decref (annotations);
  return descriptor;
}

/* The sequence that the page ends with: as many as are asked for and not too many bytes. *out_more:
 * something comes after it. */
static gboolean
find_end (RpTxn *txn, const Referrers *referrers, gint64 *out_last, gboolean *out_more,
          GError **error)
{
  static const char sql[]
      = "SELECT seq, coalesce (length (annotations), 0) FROM manifest "
        "WHERE repository = $1 AND subject = $2 AND ($3 IS NULL OR artifact_type = $3) "
        "AND seq > $4 ORDER BY seq LIMIT $5";
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "sssii", referrers->repository, referrers->subject_text,
                      referrers->artifact_type, referrers->after, referrers->limit + 1);
  gint64 bytes = 0;
  gsize row = 0;

  if (!rows)
    return FALSE;
  *out_last = referrers->after;
  for (; row < rp_rows_count (rows) && row < (gsize) referrers->limit; row++)
    {
      bytes += rp_rows_int (rows, row, 1);
      if (row > 0 && bytes > PAGE_BYTES)
        break;
      *out_last = rp_rows_int (rows, row, 0);
    }
  *out_more = row < rp_rows_count (rows);
  return TRUE;
}

static gboolean
add_pushed (RpTxn *txn, Referrers *referrers, gint64 last, GError **error)
{
  static const char sql[]
      = "SELECT media_type, size, digest, artifact_type, annotations FROM manifest "
        "WHERE repository = $1 AND subject = $2 AND ($3 IS NULL OR artifact_type = $3) "
        "AND seq > $4 AND seq <= $5 ORDER BY seq";
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "sssii", referrers->repository, referrers->subject_text,
                      referrers->artifact_type, referrers->after, last);

  if (!rows)
    return FALSE;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    json_array_append_new (referrers->descriptors, referrer_descriptor (rows, row));
  return TRUE;
}

/* ---- what the fallback index lists ---- */

/* One that was pushed here with this subject is in the list already. */
static gboolean
is_news (RpTxn *txn, const Referrers *referrers, const char *digest, gboolean *out, GError **error)
{
  static const char sql[] = "SELECT 1 FROM manifest WHERE repository = $1 AND digest = $2 "
                            "AND (subject IS NULL OR subject <> $3)";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "sss", referrers->repository, digest,
                                          referrers->subject_text);

  if (!rows)
    return FALSE;
  *out = rp_rows_count (rows) > 0;
  return TRUE;
}

static gboolean
add_listed (RpTxn *txn, Referrers *referrers, GError **error)
{
  size_t i;
  json_t *descriptor;

  json_array_foreach ((json_t *) referrers->listed, i, descriptor)
  {
    const char *digest = rp_json_str (descriptor, "digest");
    const char *artifact_type = rp_json_str (descriptor, "artifactType");
    gboolean news = FALSE;

    if (digest == NULL
        || (referrers->artifact_type && g_strcmp0 (referrers->artifact_type, artifact_type) != 0))
      continue;
    if (!is_news (txn, referrers, digest, &news, error))
      return FALSE;
    if (news)
      json_array_append (referrers->descriptors, descriptor);
  }
  return TRUE;
}

static gboolean
read_referrers (RpTxn *txn, gpointer user_data, GError **error)
{
  Referrers *referrers = user_data;
  gint64 last = 0;
  gboolean more = FALSE;

  if (!find_end (txn, referrers, &last, &more, error)
      || !add_pushed (txn, referrers, last, error))
    return FALSE;
  referrers->next = more ? last : 0;
  return more || add_listed (txn, referrers, error);
}

/* distribution-spec, "Referrers Tag Schema". g_free(). */
static char *
fallback_tag (const char *digest)
{
  const char *colon = strchr (digest, ':');
  int algorithm = (int) MIN (colon - digest, TAG_ALGORITHM_MAX);

  return g_strdup_printf ("%.*s-%.*s", algorithm, digest, TAG_HEX_MAX, colon + 1);
}

/* An index that is not there, or is none, lists nothing. */
static json_t *
read_fallback (RpRegistry *registry, const Referrers *referrers)
{
  g_autofree char *tag = fallback_tag (referrers->subject_text);
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  if (!rp_registry_manifest_get (registry, referrers->repository, tag, &info, &bytes, &error)
      || !rp_media_type_is_index (info.media_type))
    return NULL;
  return rp_json_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), tag, &error);
}

json_t *
rp_registry_referrers_page (RpRegistry *registry, const char *repository, const RpDigest *digest,
                            const char *artifact_type, gint64 after, gint64 limit,
                            gint64 *out_next, GError **error)
{
  Referrers referrers = { .repository = repository, .subject = digest,
                          .artifact_type = artifact_type, .after = after, .limit = limit };
  g_autoptr (json_t) fallback = NULL;
  g_autoptr (json_t) descriptors = json_array ();
  json_t *index;

  if (!rp_repository_check (repository, error))
    return NULL;
  rp_digest_format (digest, referrers.subject_text);
  fallback = read_fallback (registry, &referrers);
  referrers.listed = json_object_get (fallback, "manifests");
  referrers.descriptors = descriptors;
  if (!rp_db_read (registry->db, read_referrers, &referrers, error))
    return NULL;
  index = json_object ();
  json_object_set_new (index, "schemaVersion", json_integer (2));
  json_object_set_new (index, "mediaType", json_string (RP_MEDIA_OCI_INDEX));
  json_object_set (index, "manifests", descriptors);
  *out_next = referrers.next;
  return index;
}

json_t *
rp_registry_referrers (RpRegistry *registry, const char *repository, const RpDigest *digest,
                       const char *artifact_type, GError **error)
{
  gint64 next = 0;
  g_autoptr (json_t) whole = rp_registry_referrers_page (
      registry, repository, digest, artifact_type, 0, PAGE_ITEMS, &next, error);

  while (whole && next > 0)
    {
      g_autoptr (json_t) page = rp_registry_referrers_page (
          registry, repository, digest, artifact_type, next, PAGE_ITEMS, &next, error);

      if (!page)
        return NULL;
      json_array_extend (json_object_get (whole, "manifests"), json_object_get (page, "manifests"));
    }
  return g_steal_pointer (&whole);
}
