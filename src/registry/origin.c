#include "registry/origin.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "oci/reference.h"
#include "registry/internal.h"

typedef struct {
  RpRegistry *registry;
  const RpOrigin *origin;
  const char *actor;
  gboolean recorded;
} Record;

static gboolean
check_host (const char *host, GError **error)
{
  gsize size = strlen (host);
  gboolean sane = size > 0 && size <= RP_REPOSITORY_MAX;
  for (const char *p = host; sane && *p != '\0'; p++)
    sane = g_ascii_isalnum (*p) || strchr (".-:[]", *p) != NULL;
  if (!sane)
    g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                 "upstream.registry \"%.140s\" is no HOST[:PORT]", host);
  return sane;
}

static gboolean
check (const RpOrigin *origin, GError **error)
{
  return rp_repository_check (origin->repository, error)
         && check_host (origin->upstream_registry, error)
         && rp_repository_check (origin->upstream_repository, error)
         && (origin->upstream_tag == NULL || rp_tag_check (origin->upstream_tag, error));
}

static gboolean
is_known (RpTxn *txn, const RpOrigin *origin, const char *digest, gboolean *out, GError **error)
{
  static const char sql[]
      = "SELECT 1 FROM origin WHERE repository = $1 AND digest = $2 AND upstream_registry = $3 "
        "AND upstream_repository = $4 AND (upstream_tag = $5 OR $5 IS NULL)";
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "sssss", origin->repository, digest,
                      origin->upstream_registry, origin->upstream_repository, origin->upstream_tag);
  if (rows == NULL)
    return FALSE;
  *out = rp_rows_count (rows) > 0;
  return TRUE;
}

static json_t *
event_body (const RpOrigin *origin, const char *digest)
{
  json_t *upstream = json_object ();
  json_t *body = json_object ();
  json_object_set_new (upstream, "registry", json_string (origin->upstream_registry));
  json_object_set_new (upstream, "repository", json_string (origin->upstream_repository));
  if (origin->upstream_tag != NULL)
    json_object_set_new (upstream, "tag", json_string (origin->upstream_tag));
  json_object_set_new (body, "repository", json_string (origin->repository));
  json_object_set_new (body, "digest", json_string (digest));
  json_object_set_new (body, "upstream", upstream);
  return body;
}

static gboolean
record (RpTxn *txn, gpointer user_data, GError **error)
{
  Record *job = user_data;
  char digest[RP_DIGEST_STRING_SIZE];
  gboolean there = FALSE, known = FALSE;
  guint64 size;
  if (!rp_registry_find_manifest (txn, job->origin->repository, &job->origin->digest, &there, &size,
                                  error)
      || !is_known (txn, job->origin, rp_digest_format (&job->origin->digest, digest), &known,
                    error))
    return FALSE;
  if (!there)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN,
                   "repository %s has no manifest %s: copy it in before saying where it is from",
                   job->origin->repository, digest);
      return FALSE;
    }
  job->recorded = !known;
  if (known)
    return TRUE;
  g_autoptr (json_t) body = event_body (job->origin, digest);
  return rp_ledger_append (job->registry->ledger, txn, job->actor, "artifact.kept", body, NULL,
                           error);
}

gboolean
rp_origin_record (RpRegistry *registry, const RpOrigin *origin, const char *actor,
                  gboolean *out_recorded, GError **error)
{
  Record job = { registry, origin, actor, FALSE };
  if (!check (origin, error) || !rp_db_write (registry->db, record, &job, error))
    return FALSE;
  *out_recorded = job.recorded;
  return TRUE;
}

gboolean
rp_origin_apply (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *repository, *digest, *host, *name;
  json_t *upstream;
  if (!rp_json_need_string (event->body, "repository", "body", &repository, error)
      || !rp_json_need_string (event->body, "digest", "body", &digest, error)
      || !rp_json_need_object (event->body, "upstream", "body", &upstream, error)
      || !rp_json_need_string (upstream, "registry", "body.upstream", &host, error)
      || !rp_json_need_string (upstream, "repository", "body.upstream", &name, error))
    return FALSE;
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO origin (repository, digest, upstream_registry, "
                      "upstream_repository, upstream_tag, seq, at_us, actor) "
                      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (repository, digest, "
                      "upstream_registry, upstream_repository) DO UPDATE SET upstream_tag = "
                      "excluded.upstream_tag, seq = excluded.seq, at_us = excluded.at_us, "
                      "actor = excluded.actor",
                      "sssssiis", repository, digest, host, name, rp_json_str (upstream, "tag"),
                      event->seq, event->at_us, event->actor);
}

/* ---- looking ---- */

typedef struct {
  const RpDigest *digest;
  json_t *list;
} List;

static void
add (const RpRows *rows, gsize row, json_t *list)
{
  static const char *const names[] = { "registry", "repository", "tag" };
  g_autofree char *at = rp_clock_format (rp_rows_int (rows, row, 5));
  json_t *origin = json_object ();
  json_t *upstream = json_object ();
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *text = rp_rows_text (rows, row, 2 + i);
      json_object_set_new (upstream, names[i], text != NULL ? json_string (text) : json_null ());
    }
  json_object_set_new (origin, "repository", json_string (rp_rows_text (rows, row, 0)));
  json_object_set_new (origin, "digest", json_string (rp_rows_text (rows, row, 1)));
  json_object_set_new (origin, "upstream", upstream);
  json_object_set_new (origin, "at", json_string (at));
  json_object_set_new (origin, "actor", json_string (rp_rows_text (rows, row, 6)));
  json_array_append_new (list, origin);
}

#define COLUMNS "repository, digest, upstream_registry, upstream_repository, upstream_tag, at_us, actor"

static gboolean
list_all (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char of_all[] = "SELECT " COLUMNS " FROM origin ORDER BY seq DESC";
  static const char of_one[] = "SELECT " COLUMNS " FROM origin WHERE digest = $1 ORDER BY seq DESC";
  List *list = user_data;
  char digest[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows
      = list->digest == NULL
            ? rp_txn_query (txn, error, of_all, "")
            : rp_txn_query (txn, error, of_one, "s", rp_digest_format (list->digest, digest));
  if (rows == NULL)
    return FALSE;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    add (rows, row, list->list);
  return TRUE;
}

json_t *
rp_origin_list (RpRegistry *registry, const RpDigest *digest, GError **error)
{
  g_autoptr (json_t) list = json_array ();
  List job = { digest, list };
  return rp_db_read (registry->db, list_all, &job, error) ? g_steal_pointer (&list) : NULL;
}
