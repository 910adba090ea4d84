/* The steps of a collection that touch files.  Each looks at the records again while nobody can use
 * the bytes, and passes by what somebody uses just now: there is a next time. */
#include "registry/collect.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "registry/internal.h"

#define PAGE 256

typedef struct {
  const RpDigest *digest;
  gboolean condemned;
  gboolean known;
} Look;

static gboolean
look (RpTxn *txn, gpointer user_data, GError **error)
{
  Look *job = user_data;

  return rp_registry_is_condemned (txn, job->digest, &job->condemned, error)
         && rp_registry_is_known (txn, job->digest, &job->known, error);
}

/* ---- moving ---- */

typedef struct {
  RpRegistry *registry;
  gint64 before_us;
  char after[RP_DIGEST_STRING_SIZE];
  RpRows *rows;
  const RpDigest *digest; /* record_rescued */
  guint64 rescued;
} Move;

static gboolean
list_page (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[]
      = "SELECT digest FROM condemned WHERE digest > $1 ORDER BY digest LIMIT $2";
  Move *move = user_data;

  move->rows = rp_txn_query (txn, error, sql, "si", move->after, (gint64) PAGE);
  return move->rows != NULL;
}

static gboolean
record_rescued (RpTxn *txn, gpointer user_data, GError **error)
{
  Move *move = user_data;

  return rp_registry_append_bytes (move->registry, txn, RP_REGISTRY_ACTOR, "blob.rescued",
                                   move->digest, NULL, error);
}

static gboolean
move_locked (Move *move, const RpDigest *digest, GError **error)
{
  Look state = { .digest = digest };
  g_autoptr (GError) local = NULL;
  RpBlobInfo info;

  if (!rp_db_read (move->registry->db, look, &state, error))
    return FALSE;
  if (!state.condemned)
    return TRUE;
  if (!rp_store_stat (move->registry->store, digest, &info, &local))
    {
      if (g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
        return TRUE; /* moved already */
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (info.stored_at_us < move->before_us)
    return rp_store_condemn (move->registry->store, digest, error);
  move->digest = digest;
  move->rescued++;
  return rp_db_write (move->registry->db, record_rescued, move, error);
}

static gboolean
move_page (Move *move, GError **error)
{
  for (gsize row = 0; row < rp_rows_count (move->rows); row++)
    {
      RpDigest digest;
      gboolean ok;

      g_strlcpy (move->after, rp_rows_text (move->rows, row, 0), sizeof move->after);
      if (!rp_digest_parse (move->after, &digest, error))
        return FALSE;
      if (!rp_bytes_try_change (&move->registry->bytes, &digest))
        continue;
      ok = move_locked (move, &digest, error);
      rp_bytes_changed (&move->registry->bytes, &digest);
      if (!ok)
        return FALSE;
    }
  return TRUE;
}

gboolean
rp_collect_move (RpRegistry *registry, gint64 before_us, guint64 *out_rescued, GError **error)
{
  Move move = { .registry = registry, .before_us = before_us };
  gboolean ok, more;

  do
    {
      move.rows = NULL;
      ok = rp_db_read (registry->db, list_page, &move, error) && move_page (&move, error);
      more = ok && rp_rows_count (move.rows) == PAGE;
      rp_rows_free (move.rows);
    }
  while (more);
  if (ok)
    *out_rescued = move.rescued;
  return ok;
}

/* ---- unlinking ---- */

typedef struct {
  RpRegistry *registry;
  RpByteCount unlinked;
} Sweep;

static gboolean
sweep_locked (Sweep *sweep, const RpDigest *digest, const RpBlobInfo *info, GError **error)
{
  Look state = { .digest = digest };
  g_autoptr (GError) local = NULL;
  RpBlobInfo in_place;
  gboolean found;

  if (!rp_db_read (sweep->registry->db, look, &state, error))
    return FALSE;
  if (state.condemned)
    return TRUE;
  /* A crash after a rescue was recorded by a move, say: better a look too many. */
  if (state.known && !rp_store_stat (sweep->registry->store, digest, &in_place, &local))
    {
      if (g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
        return rp_store_recall (sweep->registry->store, digest, &found, error);
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (!rp_store_discard (sweep->registry->store, digest, error))
    return FALSE;
  sweep->unlinked.blobs++;
  sweep->unlinked.size_bytes += info->size_bytes;
  return TRUE;
}

static gboolean
sweep_one (const RpDigest *digest, const RpBlobInfo *info, gpointer user_data, GError **error)
{
  Sweep *sweep = user_data;
  gboolean ok;

  if (!rp_bytes_try_change (&sweep->registry->bytes, digest))
    return TRUE;
  ok = sweep_locked (sweep, digest, info, error);
  rp_bytes_changed (&sweep->registry->bytes, digest);
  return ok;
}

gboolean
rp_collect_sweep (RpRegistry *registry, RpByteCount *out_unlinked, GError **error)
{
  Sweep sweep = { .registry = registry };

  if (!rp_store_each_condemned (registry->store, sweep_one, &sweep, error))
    return FALSE;
  *out_unlinked = sweep.unlinked;
  return TRUE;
}

/* ---- bytes without a record ----
 *
 * All there is is looked at, and nearly all of it is known: so many are looked up in one snapshot.
 */

typedef struct {
  RpDigest digest;
  guint64 size_bytes;
} Candidate;

typedef struct {
  RpRegistry *registry;
  gint64 before_us;
  GArray *candidates; /* Candidate */
  RpByteCount found;
} Find;

typedef struct {
  RpRegistry *registry;
  const RpDigest *digest;
  gboolean found;
} Stray;

static gboolean
drop_known (RpTxn *txn, gpointer user_data, GError **error)
{
  GArray *candidates = user_data;
  guint kept = 0;

  for (guint i = 0; i < candidates->len; i++)
    {
      const Candidate one = g_array_index (candidates, Candidate, i);
      gboolean known = FALSE;

      if (!rp_registry_is_known (txn, &one.digest, &known, error))
        return FALSE;
      if (!known)
        g_array_index (candidates, Candidate, kept++) = one;
    }
  g_array_set_size (candidates, kept);
  return TRUE;
}

static gboolean
record_stray (RpTxn *txn, gpointer user_data, GError **error)
{
  Stray *stray = user_data;
  gboolean known = FALSE;

  if (!rp_registry_is_known (txn, stray->digest, &known, error))
    return FALSE;
  stray->found = !known;
  return known
         || rp_registry_append_bytes (stray->registry, txn, RP_REGISTRY_ACTOR, "blob.found",
                                      stray->digest, NULL, error);
}

static gboolean
look_up_candidates (Find *find, GError **error)
{
  if (!rp_db_read (find->registry->db, drop_known, find->candidates, error))
    return FALSE;
  for (guint i = 0; i < find->candidates->len; i++)
    {
      const Candidate *one = &g_array_index (find->candidates, Candidate, i);
      Stray stray = { find->registry, &one->digest, FALSE };

      if (!rp_db_write (find->registry->db, record_stray, &stray, error))
        return FALSE;
      find->found.blobs += stray.found;
      find->found.size_bytes += stray.found ? one->size_bytes : 0;
    }
  g_array_set_size (find->candidates, 0);
  return TRUE;
}

static gboolean
find_one (const RpDigest *digest, const RpBlobInfo *info, gpointer user_data, GError **error)
{
  Find *find = user_data;
  const Candidate one = { *digest, info->size_bytes };

  if (info->stored_at_us >= find->before_us)
    return TRUE;
  g_array_append_val (find->candidates, one);
  return find->candidates->len < PAGE || look_up_candidates (find, error);
}

gboolean
rp_collect_find (RpRegistry *registry, gint64 before_us, RpByteCount *out_found, GError **error)
{
  g_autoptr (GArray) candidates = g_array_new (FALSE, FALSE, sizeof (Candidate));
  Find find = { registry, before_us, candidates, { 0 } };

  if (!rp_store_each (registry->store, find_one, &find, error) || !look_up_candidates (&find, error))
    return FALSE;
  *out_found = find.found;
  return TRUE;
}

/* ---- manifests that must be read ---- */

typedef struct {
  RpRegistry *registry;
  RpRows *rows;     /* digest, media type */
  const RpDigest *digest;
  json_t *references;
} Read;

static gboolean
list_opaque (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[]
      = "SELECT o.manifest, (SELECT m.media_type FROM manifest m WHERE m.digest = o.manifest "
        "LIMIT 1) FROM opaque o ORDER BY o.manifest LIMIT $1";
  Read *job = user_data;

  job->rows = rp_txn_query (txn, error, sql, "i", (gint64) PAGE);
  return job->rows != NULL;
}

static gboolean
record_read (RpTxn *txn, gpointer user_data, GError **error)
{
  const Read *job = user_data;
  json_t *body = json_object ();

  json_object_set (body, "references", job->references);
  return rp_registry_append_bytes (job->registry, txn, RP_REGISTRY_ACTOR, "manifest.read",
                                   job->digest, body, error);
}

static gboolean
read_one (Read *job, gsize row, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (RpManifest) manifest = NULL;
  g_autoptr (json_t) references = NULL;
  RpDigest digest;

  if (!rp_digest_parse (rp_rows_text (job->rows, row, 0), &digest, error))
    return FALSE;
  bytes = rp_store_read (job->registry->store, &digest, RP_MANIFEST_LIMIT, error);
  manifest = bytes ? rp_manifest_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                                        rp_rows_text (job->rows, row, 1), error)
                   : NULL;
  if (!manifest)
    {
      g_prefix_error (error,
                      "nothing is condemned while it is not known what manifest %s names: ",
                      rp_rows_text (job->rows, row, 0));
      return FALSE;
    }
  job->references = references = rp_registry_references (manifest);
  job->digest = &digest;
  return rp_db_write (job->registry->db, record_read, job, error);
}

gboolean
rp_collect_read (RpRegistry *registry, guint *out_read, GError **error)
{
  Read job = { .registry = registry };
  guint done = 0;
  gboolean ok;
  gsize rows;

  do
    {
      job.rows = NULL;
      ok = rp_db_read (registry->db, list_opaque, &job, error);
      rows = ok ? rp_rows_count (job.rows) : 0;
      for (gsize row = 0; ok && row < rows; row++, done++)
        ok = read_one (&job, row, error);
      rp_rows_free (job.rows);
    }
  while (ok && rows > 0);
  if (ok && out_read)
    *out_read = done;
  return ok;
}

/* ---- numbers ---- */

static gboolean
count_all (RpTxn *txn, gpointer user_data, GError **error)
{
  RpCollectState *state = user_data;
  g_autoptr (RpRows) loose = rp_txn_query (txn, error, "SELECT count(*) FROM loose", "");
  g_autoptr (RpRows) condemned
      = loose ? rp_txn_query (txn, error, "SELECT count(*), sum(size) FROM condemned", "") : NULL;

  if (!condemned)
    return FALSE;
  *state = (RpCollectState){
    .loose = { (guint64) rp_rows_int (loose, 0, 0), 0 },
    .condemned = { (guint64) rp_rows_int (condemned, 0, 0),
                   (guint64) rp_rows_int (condemned, 0, 1) },
  };
  return TRUE;
}

gboolean
rp_collect_state (RpRegistry *registry, RpCollectState *out, GError **error)
{
  return rp_db_read (registry->db, count_all, out, error);
}
