/* The registry's tables; docs/format-store.md describes them. */
#include "registry/registry.h"

#include <string.h>

#include "base/json.h"
#include "registry/departure.h"
#include "registry/internal.h"
#include "registry/needs.h"
#include "registry/policy.h"
#include "registry/use.h"
#include "registry/use_schema.h"

/* `verified` is no projection: it holds observations (when a blob was last hashed), which no
 * event tells. It is made here and is not in the list below, so that neither verify nor rebuild
 * touches it. */
static const char schema[]
    = "CREATE TABLE IF NOT EXISTS repository ("
      "  name TEXT PRIMARY KEY,"
      "  at_us INTEGER NOT NULL) WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS repo_blob ("
      "  repository TEXT NOT NULL,"
      "  digest TEXT NOT NULL,"
      "  size INTEGER NOT NULL,"
      "  at_us INTEGER NOT NULL,"
      "  PRIMARY KEY (repository, digest)) WITHOUT ROWID;"
      "CREATE INDEX IF NOT EXISTS repo_blob_digest ON repo_blob (digest);"
      "CREATE TABLE IF NOT EXISTS manifest ("
      "  repository TEXT NOT NULL,"
      "  digest TEXT NOT NULL,"
      "  size INTEGER NOT NULL,"
      "  media_type TEXT NOT NULL,"
      "  artifact_type TEXT,"
      "  subject TEXT,"
      "  annotations TEXT,"
      "  seq INTEGER NOT NULL,"
      "  at_us INTEGER NOT NULL,"
      "  actor TEXT NOT NULL,"
      "  PRIMARY KEY (repository, digest)) WITHOUT ROWID;"
      "CREATE INDEX IF NOT EXISTS manifest_digest ON manifest (digest);"
      "CREATE INDEX IF NOT EXISTS manifest_seq ON manifest (seq);"
      "CREATE INDEX IF NOT EXISTS manifest_subject ON manifest (repository, subject)"
      "  WHERE subject IS NOT NULL;"
      "CREATE TABLE IF NOT EXISTS tag ("
      "  repository TEXT NOT NULL,"
      "  name TEXT NOT NULL,"
      "  digest TEXT NOT NULL,"
      "  seq INTEGER NOT NULL,"
      "  at_us INTEGER NOT NULL,"
      "  actor TEXT NOT NULL,"
      "  PRIMARY KEY (repository, name)) WITHOUT ROWID;"
      "CREATE INDEX IF NOT EXISTS tag_digest ON tag (repository, digest);"
      "CREATE INDEX IF NOT EXISTS tag_signature ON tag (seq) WHERE "
      RP_SIGNATURE_TAGS_SQL ("name") ";"
      "CREATE TABLE IF NOT EXISTS former_tag ("
      "  repository TEXT NOT NULL,"
      "  name TEXT NOT NULL,"
      "  digest TEXT NOT NULL,"
      "  seq INTEGER NOT NULL,"
      "  PRIMARY KEY (repository, name)) WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS departed ("
      "  repository TEXT NOT NULL,"
      "  digest TEXT NOT NULL,"
      "  seq INTEGER NOT NULL,"
      "  PRIMARY KEY (repository, digest)) WITHOUT ROWID;"
      "CREATE INDEX IF NOT EXISTS departed_digest ON departed (digest);"
      "CREATE TABLE IF NOT EXISTS repository_policy ("
      "  pattern TEXT PRIMARY KEY,"
      "  content TEXT NOT NULL,"
      "  seq INTEGER NOT NULL,"
      "  at_us INTEGER NOT NULL,"
      "  actor TEXT NOT NULL) WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS origin ("
      "  repository TEXT NOT NULL,"
      "  digest TEXT NOT NULL,"
      "  upstream_registry TEXT NOT NULL,"
      "  upstream_repository TEXT NOT NULL,"
      "  upstream_tag TEXT,"
      "  seq INTEGER NOT NULL,"
      "  at_us INTEGER NOT NULL,"
      "  actor TEXT NOT NULL,"
      "  PRIMARY KEY (repository, digest, upstream_registry, upstream_repository)) WITHOUT ROWID;"
      "CREATE INDEX IF NOT EXISTS origin_digest ON origin (digest);"
      "CREATE TABLE IF NOT EXISTS damaged ("
      "  digest TEXT PRIMARY KEY,"
      "  found TEXT NOT NULL,"
      "  at_us INTEGER NOT NULL) WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS verified ("
      "  digest TEXT PRIMARY KEY,"
      "  at_us INTEGER NOT NULL,"
      "  ok INTEGER NOT NULL) WITHOUT ROWID;"
      "CREATE INDEX IF NOT EXISTS verified_at ON verified (at_us, digest);" RP_NEEDS_SCHEMA RP_USE_SCHEMA;

static const char *const tables[]
    = { "repository", "repo_blob", "manifest",          "tag",
        "former_tag", "damaged",   "repository_policy", "origin",
        "edge",       "opaque",    "loose",             "condemned",
        "repository_use", "repository_quota", "departed", NULL };

/* What nearly every event of a registry names: a repository and something in it. */
static gboolean
need_repository_and (const RpEvent *event, const char **repository, const char *key,
                     const char **out, GError **error)
{
  return rp_json_need_string (event->body, "repository", "body", repository, error)
         && rp_json_need_string (event->body, key, "body", out, error);
}

static gboolean
add_repository (RpTxn *txn, const RpEvent *event, const char *repository, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO repository (name, at_us) VALUES ($1, $2) "
                      "ON CONFLICT (name) DO NOTHING",
                      "si", repository, event->at_us);
}

/* Bytes that came in again are good again. */
static gboolean
forgive (RpTxn *txn, const char *digest, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "DELETE FROM damaged WHERE digest = $1", "s", digest);
}

static gboolean
blob_added (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *repository, *digest;
  gint64 size;

  if (!need_repository_and (event, &repository, "digest", &digest, error)
      || !rp_json_need_int (event->body, "size", "body", &size, error))
    return FALSE;
  return add_repository (txn, event, repository, error) && forgive (txn, digest, error)
         && rp_txn_exec (txn, error, NULL,
                         "INSERT INTO repo_blob (repository, digest, size, at_us) "
                         "VALUES ($1, $2, $3, $4) ON CONFLICT (repository, digest) DO NOTHING",
                         "ssii", repository, digest, size, event->at_us)
         && rp_needs_blob_added (txn, event, digest, error);
}

static gboolean
insert_manifest (RpTxn *txn, const RpEvent *event, const char *repository, const char *digest,
                 GError **error)
{
  static const char sql[]
      = "INSERT INTO manifest (repository, digest, size, media_type, artifact_type, subject, "
        "annotations, seq, at_us, actor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
        "ON CONFLICT (repository, digest) DO NOTHING";
  const json_t *annotations = json_object_get (event->body, "annotations");
  g_autofree char *text = annotations ? rp_json_canonical (annotations) : NULL;

  return rp_txn_exec (txn, error, NULL, sql, "ssissssiis", repository, digest,
                      rp_json_int (event->body, "size"), rp_json_str (event->body, "media_type"),
                      rp_json_str (event->body, "artifact_type"),
                      rp_json_str (event->body, "subject"), text, event->seq, event->at_us,
                      event->actor);
}

static gboolean
manifest_added (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *repository, *digest;

  if (!need_repository_and (event, &repository, "digest", &digest, error))
    return FALSE;
  return add_repository (txn, event, repository, error) && forgive (txn, digest, error)
         && insert_manifest (txn, event, repository, digest, error)
         && rp_departure_ends (txn, repository, digest, error)
         && rp_needs_manifest_added (txn, event, digest, error);
}

static gboolean
tag_created (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *repository, *tag, *digest;

  if (!need_repository_and (event, &repository, "tag", &tag, error)
      || !rp_json_need_string (event->body, "digest", "body", &digest, error))
    return FALSE;
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO tag (repository, name, digest, seq, at_us, actor) "
                      "VALUES ($1, $2, $3, $4, $5, $6)",
                      "sssiis", repository, tag, digest, event->seq, event->at_us, event->actor);
}

static gboolean
tag_moved (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *repository, *tag, *digest;

  if (!need_repository_and (event, &repository, "tag", &tag, error)
      || !rp_json_need_string (event->body, "digest", "body", &digest, error))
    return FALSE;
  return rp_txn_exec (txn, error, NULL,
                      "UPDATE tag SET digest = $3, seq = $4, at_us = $5, actor = $6 "
                      "WHERE repository = $1 AND name = $2",
                      "sssiis", repository, tag, digest, event->seq, event->at_us, event->actor);
}

/* ---- taking away ---- */

static gboolean
tag_deleted (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *repository, *tag;

  if (!need_repository_and (event, &repository, "tag", &tag, error))
    return FALSE;
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO former_tag (repository, name, digest, seq) "
                      "SELECT repository, name, digest, $3 FROM tag "
                      "WHERE repository = $1 AND name = $2 ON CONFLICT (repository, name) "
                      "DO UPDATE SET digest = excluded.digest, seq = excluded.seq",
                      "ssi", repository, tag, event->seq)
         && rp_txn_exec (txn, error, NULL, "DELETE FROM tag WHERE repository = $1 AND name = $2",
                         "ss", repository, tag);
}

static gboolean
manifest_deleted (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *repository, *digest;

  if (!need_repository_and (event, &repository, "digest", &digest, error))
    return FALSE;
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO former_tag (repository, name, digest, seq) "
                      "SELECT repository, name, digest, $3 FROM tag "
                      "WHERE repository = $1 AND digest = $2 ON CONFLICT (repository, name) "
                      "DO UPDATE SET digest = excluded.digest, seq = excluded.seq",
                      "ssi", repository, digest, event->seq)
         && rp_txn_exec (txn, error, NULL, "DELETE FROM tag WHERE repository = $1 AND digest = $2",
                         "ss", repository, digest)
         && rp_txn_exec (txn, error, NULL,
                         "DELETE FROM manifest WHERE repository = $1 AND digest = $2", "ss",
                         repository, digest)
         && rp_departure_begins (txn, repository, digest, event->seq, error)
         && rp_needs_manifest_deleted (txn, event, digest, error);
}

static gboolean
blob_deleted (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *repository, *digest;

  if (!need_repository_and (event, &repository, "digest", &digest, error))
    return FALSE;
  return rp_txn_exec (txn, error, NULL,
                      "DELETE FROM repo_blob WHERE repository = $1 AND digest = $2", "ss",
                      repository, digest);
}

/* ---- policies ---- */

static gboolean
repository_configured (RpTxn *txn, const RpEvent *event, GError **error)
{
  g_autofree char *content = rp_json_canonical (event->body);
  const json_t *quota = json_object_get (event->body, "quota_bytes");
  gint64 limit_bytes = json_integer_value (quota);
  const char *pattern;

  if (!rp_json_need_string (event->body, "pattern", "body", &pattern, error))
    return FALSE;
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO repository_policy (pattern, content, seq, at_us, actor) "
                      "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (pattern) DO UPDATE SET "
                      "content = $2, seq = $3, at_us = $4, actor = $5",
                      "ssiis", pattern, content, event->seq, event->at_us, event->actor)
         && rp_use_limit (txn, pattern, json_is_integer (quota) ? &limit_bytes : NULL, error);
}

static gboolean
repository_unconfigured (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *pattern;

  return rp_json_need_string (event->body, "pattern", "body", &pattern, error)
         && rp_txn_exec (txn, error, NULL, "DELETE FROM repository_policy WHERE pattern = $1", "s",
                         pattern)
         && rp_use_limit (txn, pattern, NULL, error);
}

/* ---- damage ---- */

static gboolean
blob_damaged (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *digest, *found;

  if (!rp_json_need_string (event->body, "digest", "body", &digest, error)
      || !rp_json_need_string (event->body, "found", "body", &found, error))
    return FALSE;
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO damaged (digest, found, at_us) VALUES ($1, $2, $3) "
                      "ON CONFLICT (digest) DO UPDATE SET found = $2, at_us = $3",
                      "ssi", digest, found, event->at_us);
}

static gboolean
blob_healed (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *digest;

  return rp_json_need_string (event->body, "digest", "body", &digest, error)
         && forgive (txn, digest, error);
}

static const struct {
  const char *kind;
  gboolean (*apply) (RpTxn *txn, const RpEvent *event, GError **error);
} kinds[] = {
  { "artifact.kept", rp_origin_apply },
  { "blob.added", blob_added },
  { "blob.condemned", rp_needs_blob_condemned },
  { "blob.damaged", blob_damaged },
  { "blob.deleted", blob_deleted },
  { "blob.found", rp_needs_blob_found },
  { "blob.healed", blob_healed },
  { "blob.rescued", rp_needs_blob_rescued },
  { "blob.unlinked", rp_needs_blob_unlinked },
  { "manifest.added", manifest_added },
  { "manifest.deleted", manifest_deleted },
  { "manifest.read", rp_needs_manifest_read },
  { "repository.configured", repository_configured },
  { "repository.unconfigured", repository_unconfigured },
  { "tag.created", tag_created },
  { "tag.deleted", tag_deleted },
  { "tag.moved", tag_moved },
};

static gboolean
apply (RpTxn *txn, const RpEvent *event, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i].kind, event->kind) == 0)
      return kinds[i].apply (txn, event, error);
  return TRUE;
}

const RpProjector rp_registry_projector
    = { .name = "registry", .schema = schema, .tables = tables, .apply = apply };
