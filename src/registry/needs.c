#include "registry/needs.h"

#include "base/json.h"

/* ---- one digest ---- */

/* Loose from now on, if nothing names it. */
static gboolean
loosen (RpTxn *txn, const RpEvent *event, const char *digest, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO loose (digest, since_us) SELECT $1, $2 "
                      "WHERE NOT EXISTS (SELECT 1 FROM edge WHERE digest = $1) "
                      "AND NOT EXISTS (SELECT 1 FROM manifest WHERE digest = $1) "
                      "ON CONFLICT (digest) DO UPDATE SET since_us = excluded.since_us",
                      "si", digest, event->at_us);
}

static gboolean
acquit (RpTxn *txn, const char *digest, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "DELETE FROM condemned WHERE digest = $1", "s", digest);
}

static gboolean
fasten (RpTxn *txn, const char *digest, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "DELETE FROM loose WHERE digest = $1", "s", digest)
         && acquit (txn, digest, error);
}

static gboolean
need_digest (const RpEvent *event, const char **digest, GError **error)
{
  return rp_json_need_string (event->body, "digest", "body", digest, error);
}

/* ---- edges ---- */

static gboolean
add_edges (RpTxn *txn, const char *manifest, const json_t *references, GError **error)
{
  gsize i;
  json_t *one;

  json_array_foreach (references, i, one)
  {
    const char *digest = json_string_value (one);

    if (!rp_txn_exec (txn, error, NULL,
                      "INSERT INTO edge (manifest, digest) VALUES ($1, $2) "
                      "ON CONFLICT (manifest, digest) DO NOTHING",
                      "ss", manifest, digest)
        || !fasten (txn, digest, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
rp_needs_blob_added (RpTxn *txn, const RpEvent *event, const char *digest, GError **error)
{
  return acquit (txn, digest, error) && loosen (txn, event, digest, error);
}

/* Where the event does not say what it names, somebody must read it: unless that is known. */
static gboolean
note_opaque (RpTxn *txn, const char *manifest, GError **error)
{
  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO opaque (manifest) SELECT $1 "
                      "WHERE NOT EXISTS (SELECT 1 FROM edge WHERE manifest = $1) "
                      "ON CONFLICT (manifest) DO NOTHING",
                      "s", manifest);
}

static gboolean
clear_opaque (RpTxn *txn, const char *manifest, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "DELETE FROM opaque WHERE manifest = $1", "s", manifest);
}

gboolean
rp_needs_manifest_added (RpTxn *txn, const RpEvent *event, const char *digest, GError **error)
{
  const json_t *references = json_object_get (event->body, "references");

  if (!fasten (txn, digest, error))
    return FALSE;
  if (!references)
    return note_opaque (txn, digest, error);
  return clear_opaque (txn, digest, error) && add_edges (txn, digest, references, error);
}

gboolean
rp_needs_manifest_read (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *digest;
  json_t *references;

  return need_digest (event, &digest, error)
         && rp_json_need_array (event->body, "references", "body", &references, error)
         && clear_opaque (txn, digest, error) && add_edges (txn, digest, references, error);
}

/* ---- the last that needed a manifest went ---- */

static gboolean
is_needed (RpTxn *txn, const char *digest, gboolean *out_needed, GError **error)
{
  static const char sql[] = "SELECT 1 WHERE EXISTS (SELECT 1 FROM manifest WHERE digest = $1) "
                            "OR EXISTS (SELECT 1 FROM edge WHERE digest = $1)";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "s", digest);

  if (!rows)
    return FALSE;
  *out_needed = rp_rows_count (rows) > 0;
  return TRUE;
}

/* What nothing needs needs nothing: a child that was deleted by itself needs its layers for as long
 * as an index needs it. Ends, as no manifest can name what names it. */
static gboolean
let_go (RpTxn *txn, const RpEvent *event, const char *digest, GError **error)
{
  g_autoptr (RpRows) rows = NULL;
  gboolean needed = FALSE;

  if (!is_needed (txn, digest, &needed, error))
    return FALSE;
  if (needed)
    return TRUE;
  rows = rp_txn_query (txn, error, "SELECT digest FROM edge WHERE manifest = $1", "s", digest);
  if (!rows
      || !rp_txn_exec (txn, error, NULL, "DELETE FROM edge WHERE manifest = $1", "s", digest)
      || !clear_opaque (txn, digest, error) || !loosen (txn, event, digest, error))
    return FALSE;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    if (!let_go (txn, event, rp_rows_text (rows, row, 0), error))
      return FALSE;
  return TRUE;
}

gboolean
rp_needs_manifest_deleted (RpTxn *txn, const RpEvent *event, const char *digest, GError **error)
{
  return let_go (txn, event, digest, error);
}

/* ---- what the collector does ---- */

gboolean
rp_needs_blob_found (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *digest;

  return need_digest (event, &digest, error) && loosen (txn, event, digest, error);
}

gboolean
rp_needs_blob_condemned (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *digest, *rule;
  gint64 size;

  return need_digest (event, &digest, error)
         && rp_json_need_int (event->body, "size", "body", &size, error)
         && rp_json_need_string (event->body, "rule", "body", &rule, error)
         && fasten (txn, digest, error)
         && rp_txn_exec (txn, error, NULL,
                         "INSERT INTO condemned (digest, size, rule, seq, at_us) "
                         "VALUES ($1, $2, $3, $4, $5)",
                         "sisii", digest, size, rule, event->seq, event->at_us);
}

gboolean
rp_needs_blob_rescued (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *digest;

  return need_digest (event, &digest, error) && acquit (txn, digest, error)
         && loosen (txn, event, digest, error);
}

/* No repository has it any more: who pushes it again starts afresh. */
gboolean
rp_needs_blob_unlinked (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *digest;

  return need_digest (event, &digest, error) && fasten (txn, digest, error)
         && rp_txn_exec (txn, error, NULL, "DELETE FROM repo_blob WHERE digest = $1", "s", digest)
         && rp_txn_exec (txn, error, NULL, "DELETE FROM damaged WHERE digest = $1", "s", digest);
}
