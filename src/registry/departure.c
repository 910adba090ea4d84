#include "registry/departure.h"

#include <string.h>

#include "base/clock.h"

gboolean
rp_departure_begins (RpTxn *txn, const char *repository, const char *digest, gint64 seq,
                     GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO departed (repository, digest, seq) VALUES ($1, $2, $3)"
                      " ON CONFLICT (repository, digest) DO UPDATE SET seq = $3",
                      "ssi", repository, digest, seq);
}

gboolean
rp_departure_ends (RpTxn *txn, const char *repository, const char *digest, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "DELETE FROM departed WHERE repository = $1 AND digest = $2", "ss",
                      repository, digest);
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
rp_departures_load (RpTxn *txn, const char *repository, const char *digest, GError **error)
{
  static const char sql[]
      = "SELECT e.actor, e.at_us, e.body FROM departed d JOIN event e ON e.seq = d.seq"
        " WHERE d.digest = $1 AND ($2 IS NULL OR d.repository = $2) ORDER BY d.seq DESC";
  g_autoptr (json_t) list = json_array ();
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "ss", digest, repository);

  if (rows == NULL)
    return NULL;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    {
      const char *text = rp_rows_text (rows, row, 2);
      g_autoptr (json_t) body = rp_json_parse (text, strlen (text), "event", error);

      if (body == NULL)
        return NULL;
      json_array_append_new (list, describe (rows, row, body));
    }
  return g_steal_pointer (&list);
}

typedef struct {
  const char *repository;
  const RpDigest *digest;
  json_t *found;
} Look;

static gboolean
look_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Look *look = user_data;
  char text[RP_DIGEST_STRING_SIZE];

  look->found = rp_departures_load (txn, look->repository, rp_digest_format (look->digest, text), error);
  return look->found != NULL;
}

json_t *
rp_departures_read (RpDb *db, const char *repository, const RpDigest *digest, GError **error)
{
  Look look = { repository, digest, NULL };

  return rp_db_read (db, look_in_txn, &look, error) ? look.found : NULL;
}
