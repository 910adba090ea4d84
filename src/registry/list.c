/* Lists: tags, repositories, referrers. */
#include "registry/registry.h"

#include <string.h>

#include "base/error.h"
#include "oci/reference.h"
#include "registry/internal.h"

/* ---- names, a page at a time ---- */

typedef struct {
  const char *repository; /* tags: of which; NULL: the repositories themselves */
  gint64 limit;           /* -1: all */
  const char *last;
  json_t *names;
  gboolean more;
} Page;

static gboolean
check_known (RpTxn *txn, const char *repository, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT 1 FROM repository WHERE name = $1", "s", repository);

  if (!rows)
    return FALSE;
  if (rp_rows_count (rows) > 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_NAME_UNKNOWN,
               "there is no repository %s: it comes into being with the first push to it",
               repository);
  return FALSE;
}

static RpRows *
query_page (RpTxn *txn, const Page *page, gint64 limit, GError **error)
{
  static const char tags[] = "SELECT name FROM tag WHERE repository = $3 AND name > $1 "
                             "ORDER BY name LIMIT $2";
  static const char repositories[]
      = "SELECT name FROM repository WHERE name > $1 ORDER BY name LIMIT $2";
  const char *last = page->last ? page->last : "";

  return page->repository
             ? rp_txn_query (txn, error, tags, "sis", last, limit, page->repository)
             : rp_txn_query (txn, error, repositories, "si", last, limit);
}

/* One more than was asked for is read, to know whether there are more. */
static gboolean
read_page (RpTxn *txn, gpointer user_data, GError **error)
{
  Page *page = user_data;
  gint64 limit = page->limit < 0 ? -1 : MIN (page->limit, G_MAXINT64 - 1) + 1;
  g_autoptr (RpRows) rows = NULL;
  gsize count;

  if (page->repository && !check_known (txn, page->repository, error))
    return FALSE;
  rows = query_page (txn, page, limit, error);
  if (!rows)
    return FALSE;
  count = rp_rows_count (rows);
  page->more = page->limit > 0 && count > (gsize) page->limit;
  if (page->limit >= 0)
    count = MIN (count, (gsize) page->limit);
  page->names = json_array ();
  for (gsize row = 0; row < count; row++)
    json_array_append_new (page->names, json_string (rp_rows_text (rows, row, 0)));
  return TRUE;
}

json_t *
rp_registry_tags (RpRegistry *registry, const char *repository, gint64 limit, const char *last,
                  gboolean *out_more, GError **error)
{
  Page page = { .repository = repository, .limit = limit, .last = last };
  json_t *result;

  if (!rp_repository_check (repository, error)
      || !rp_db_read (registry->db, read_page, &page, error))
    return NULL;
  result = json_object ();
  json_object_set_new (result, "name", json_string (repository));
  json_object_set_new (result, "tags", page.names);
  *out_more = page.more;
  return result;
}

json_t *
rp_registry_catalog (RpRegistry *registry, gint64 limit, const char *last, gboolean *out_more,
                     GError **error)
{
  Page page = { .limit = limit, .last = last };
  json_t *result;

  if (!rp_db_read (registry->db, read_page, &page, error))
    return NULL;
  result = json_object ();
  json_object_set_new (result, "repositories", page.names);
  *out_more = page.more;
  return result;
}

/* ---- referrers ---- */

typedef struct {
  const char *repository;
  const RpDigest *subject;
  const char *artifact_type;
  json_t *descriptors;
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

static gboolean
read_referrers (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[]
      = "SELECT media_type, size, digest, artifact_type, annotations FROM manifest "
        "WHERE repository = $1 AND subject = $2 AND ($3 IS NULL OR artifact_type = $3) "
        "ORDER BY seq";
  Referrers *referrers = user_data;
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "sss", referrers->repository,
                      rp_digest_format (referrers->subject, text), referrers->artifact_type);

  if (!rows)
    return FALSE;
  referrers->descriptors = json_array ();
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    json_array_append_new (referrers->descriptors, referrer_descriptor (rows, row));
  return TRUE;
}

json_t *
rp_registry_referrers (RpRegistry *registry, const char *repository, const RpDigest *digest,
                       const char *artifact_type, GError **error)
{
  Referrers referrers = { repository, digest, artifact_type, NULL };
  json_t *index;

  if (!rp_repository_check (repository, error)
      || !rp_db_read (registry->db, read_referrers, &referrers, error))
    return NULL;
  index = json_object ();
  json_object_set_new (index, "schemaVersion", json_integer (2));
  json_object_set_new (index, "mediaType", json_string (RP_MEDIA_OCI_INDEX));
  json_object_set_new (index, "manifests", referrers.descriptors);
  return index;
}
