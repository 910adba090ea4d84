#include "registry/departure.h"

#include <string.h>

#include "base/clock.h"

#define SHOWN_MAX 20

typedef struct {
  const char *repository, *digest, *tag;
} Wanted;

static gboolean
has_tag (const json_t *body, const char *tag)
{
  gsize i;
  json_t *one;

  json_array_foreach (json_object_get (body, "tags"), i, one)
    if (g_strcmp0 (json_string_value (one), tag) == 0)
      return TRUE;
  return FALSE;
}

/* The query only compares texts. */
static gboolean
is_wanted (const Wanted *wanted, const json_t *body)
{
  return (wanted->digest == NULL || g_strcmp0 (rp_json_str (body, "digest"), wanted->digest) == 0)
         && (wanted->repository == NULL
             || g_strcmp0 (rp_json_str (body, "repository"), wanted->repository) == 0)
         && (wanted->tag == NULL || has_tag (body, wanted->tag));
}

static json_t *
describe (const RpRows *rows, gsize row, const json_t *body)
{
  const char *rule = rp_json_str (json_object_get (body, "rule"), "text");
  g_autofree char *at = rp_clock_format (rp_rows_int (rows, row, 1));
  json_t *json = json_object ();

  json_object_set (json, "digest", json_object_get (body, "digest"));
  json_object_set (json, "repository", json_object_get (body, "repository"));
  json_object_set_new (json, "at", json_string (at));
  json_object_set_new (json, "rule", rule != NULL ? json_string (rule) : json_null ());
  json_object_set_new (json, "actor", json_string (rp_rows_text (rows, row, 0)));
  json_object_set (json, "tags", json_object_get (body, "tags"));
  return json;
}

json_t *
rp_departures_load (RpTxn *txn, const char *repository, const char *digest, const char *tag,
                    GError **error)
{
  static const char sql[]
      = "SELECT actor, at_us, body FROM event WHERE kind = 'manifest.deleted'"
        " AND ($1 IS NULL OR instr (body, $1) > 0) AND ($2 IS NULL OR instr (body, $2) > 0)"
        " AND ($3 IS NULL OR instr (body, $3) > 0) ORDER BY seq DESC LIMIT $4";
  const Wanted wanted = { repository, digest, tag };
  g_autoptr (json_t) list = json_array ();
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "sssi", digest, repository, tag,
                                          (gint64) SHOWN_MAX);

  if (rows == NULL)
    return NULL;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    {
      const char *text = rp_rows_text (rows, row, 2);
      g_autoptr (json_t) body = rp_json_parse (text, strlen (text), "event", error);

      if (body == NULL)
        return NULL;
      if (is_wanted (&wanted, body))
        json_array_append_new (list, describe (rows, row, body));
    }
  return g_steal_pointer (&list);
}
