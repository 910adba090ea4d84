/* Lists of names: tags and repositories. */
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
