#include "release/trace.h"

#include "base/error.h"
#include "base/json.h"
#include "release/engine_priv.h"

#define REVISIONS_MAX 1000 /* newest first; more would be a history, not a trace */

static void
trace_target_free (gpointer data)
{
  RpTraceTarget *target = data;
  g_free (target->app);
  g_free (target->environment);
  g_free (target->target);
  g_free (target);
}

void
rp_trace_free (RpTrace *trace)
{
  if (trace == NULL)
    return;
  if (trace->where != NULL)
    json_decref (trace->where);
  g_clear_pointer (&trace->releases, g_ptr_array_unref);
  g_clear_pointer (&trace->revisions, g_ptr_array_unref);
  g_clear_pointer (&trace->current, g_ptr_array_unref);
  g_clear_pointer (&trace->targets, g_ptr_array_unref);
  g_clear_pointer (&trace->local, g_ptr_array_unref);
  g_free (trace);
}

typedef struct
{
  RpEngine *engine;
  RpTrace *trace;
  RpRows *artifacts; /* distinct repository, digest of all components of releases */
  GHashTable *roots; /* char * digests of artifacts that hold ours */
} Look;

static void
look_clear (Look *look)
{
  g_clear_pointer (&look->artifacts, rp_rows_free);
  g_clear_pointer (&look->roots, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Look, look_clear)

/* ---- which artifacts hold it ---- */

static gboolean
list_artifacts (RpTxn *txn, gpointer user_data, GError **error)
{
  Look *look = user_data;
  look->artifacts = rp_txn_query (
      txn, error, "SELECT DISTINCT repository, digest FROM release_component ORDER BY 1, 2", "");
  return look->artifacts != NULL;
}

static gboolean
is_in_repository (const json_t *where, const char *repository)
{
  size_t i;
  json_t *place;
  json_array_foreach (where, i, place)
  {
    if (g_strcmp0 (rp_json_str (place, "repository"), repository) == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean
closure_holds (const RpClosure *closure, const RpDigest *digest)
{
  for (guint i = 0; i < closure->items->len; i++)
    if (rp_digest_equal (&((const RpClosureItem *) closure->items->pdata[i])->digest, digest))
      return TRUE;
  return FALSE;
}

/* Only artifacts of repositories that have the digest can hold it; one that cannot be read is not
 * counted, but ours may be that very digest. */
static gboolean
find_roots (Look *look, GError **error)
{
  for (gsize i = 0; i < rp_rows_count (look->artifacts); i++)
    {
      const char *repository = rp_rows_text (look->artifacts, i, 0);
      const char *text = rp_rows_text (look->artifacts, i, 1);
      RpDigest root;
      if (!rp_digest_parse (text, &root, error))
        return FALSE;
      if (rp_digest_equal (&root, &look->trace->digest))
        {
          g_hash_table_add (look->roots, g_strdup (text));
          continue;
        }
      if (!is_in_repository (look->trace->where, repository))
        continue;
      g_autoptr (GError) local = NULL;
      g_autoptr (RpClosure) closure
          = rp_registry_closure (look->engine->registry, repository, &root, &local);
      if (closure != NULL && closure_holds (closure, &look->trace->digest))
        g_hash_table_add (look->roots, g_strdup (text));
    }
  return TRUE;
}

/* ---- what is made of them ---- */

static gboolean
has_release (const GPtrArray *releases, const char *app, gint64 number)
{
  for (guint i = 0; i < releases->len; i++)
    {
      const RpRelease *release = releases->pdata[i];
      if (release->number == number && g_str_equal (release->app, app))
        return TRUE;
    }
  return FALSE;
}

static gboolean
load_releases (RpTxn *txn, RpTrace *trace, const char *root, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT DISTINCT app, release FROM release_component WHERE digest = $1"
                      " ORDER BY app, release DESC",
                      "s", root);
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      const char *app = rp_rows_text (rows, i, 0);
      if (has_release (trace->releases, app, rp_rows_int (rows, i, 1)))
        continue;
      RpRelease *release = rp_release_load (txn, app, rp_rows_int (rows, i, 1), error);
      if (release == NULL)
        return FALSE;
      g_ptr_array_add (trace->releases, release);
    }
  return TRUE;
}

static gboolean
load_revisions (RpTxn *txn, RpTrace *trace, const RpRelease *release, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT environment, number FROM revision WHERE app = $1 AND release = $2"
                      " ORDER BY seq DESC LIMIT 1000",
                      "si", release->app, release->number);
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows) && trace->revisions->len < REVISIONS_MAX; i++)
    {
      RpRevision *revision = rp_revision_load (txn, release->app, rp_rows_text (rows, i, 0),
                                               rp_rows_int (rows, i, 1), error);
      if (revision == NULL)
        return FALSE;
      g_ptr_array_add (trace->revisions, revision);
    }
  return TRUE;
}

/* The newest revision of an environment is what it is pointed at. */
static gboolean
load_current (RpTxn *txn, RpTrace *trace, const RpRelease *release, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT r.environment, r.number FROM revision r JOIN environment e"
                      " ON e.app = r.app AND e.name = r.environment AND e.present = 1"
                      " WHERE r.app = $1 AND r.release = $2 AND NOT EXISTS"
                      " (SELECT 1 FROM revision n WHERE n.app = r.app"
                      "  AND n.environment = r.environment AND n.number = r.number + 1)"
                      " ORDER BY e.ordinal",
                      "si", release->app, release->number);
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpRevision *revision = rp_revision_load (txn, release->app, rp_rows_text (rows, i, 0),
                                               rp_rows_int (rows, i, 1), error);
      if (revision == NULL)
        return FALSE;
      g_ptr_array_add (trace->current, revision);
    }
  return TRUE;
}

/* `rows` or an error that is set: app, environment, target, since. */
static gboolean
take_targets (RpRows *rows, GPtrArray *targets)
{
  g_autoptr (RpRows) owned = rows;
  for (gsize i = 0; owned != NULL && i < rp_rows_count (owned); i++)
    {
      RpTraceTarget *target = g_new0 (RpTraceTarget, 1);
      target->app = g_strdup (rp_rows_text (owned, i, 0));
      target->environment = g_strdup (rp_rows_text (owned, i, 1));
      target->target = g_strdup (rp_rows_text (owned, i, 2));
      target->at_us = rp_rows_int (owned, i, 3);
      g_ptr_array_add (targets, target);
    }
  return owned != NULL;
}

static gboolean
load_targets (RpTxn *txn, RpTrace *trace, const char *root, GError **error)
{
  RpRows *running
      = rp_txn_query (txn, error,
                      "SELECT app, environment, name, at_us FROM target WHERE observed_digest = $1"
                      " AND present = 1 ORDER BY app, environment, name",
                      "s", root);
  if (!take_targets (running, trace->targets))
    return FALSE;
  RpRows *local = rp_txn_query (
      txn, error,
      "SELECT l.app, l.environment, l.target, t.at_us FROM target_local l JOIN target t"
      " ON t.app = l.app AND t.environment = l.environment AND t.name = l.target AND t.present = 1"
      " WHERE l.digest = $1 ORDER BY l.app, l.environment, l.target",
      "s", root);
  return take_targets (local, trace->local);
}

static int
compare_revisions (gconstpointer a, gconstpointer b)
{
  const RpRevision *x = *(const RpRevision *const *) a;
  const RpRevision *y = *(const RpRevision *const *) b;
  return (x->seq < y->seq) - (x->seq > y->seq);
}

static gboolean
load_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Look *look = user_data;
  RpTrace *trace = look->trace;
  GHashTableIter iter;
  gpointer root;
  g_hash_table_iter_init (&iter, look->roots);
  while (g_hash_table_iter_next (&iter, &root, NULL))
    if (!load_releases (txn, trace, root, error) || !load_targets (txn, trace, root, error))
      return FALSE;
  for (guint i = 0; i < trace->releases->len; i++)
    if (!load_revisions (txn, trace, trace->releases->pdata[i], error)
        || !load_current (txn, trace, trace->releases->pdata[i], error))
      return FALSE;
  g_ptr_array_sort (trace->revisions, compare_revisions);
  return TRUE;
}

/* ---- the digest ---- */

static gboolean
load_where (RpEngine *engine, RpTrace *trace, GError **error)
{
  size_t i;
  json_t *place;
  trace->where = rp_registry_where (engine->registry, &trace->digest, error);
  if (trace->where == NULL)
    return FALSE;
  json_array_foreach (trace->where, i, place)
  {
    const char *media_type = rp_json_str (place, "media_type");
    if (media_type != NULL && rp_media_type_is_manifest (media_type))
      trace->is_manifest = TRUE;
  }
  return TRUE;
}

static gboolean
load_verified (RpEngine *engine, RpTrace *trace, GError **error)
{
  if (!trace->is_manifest)
    return TRUE;
  g_auto (RpVerifyReport) report = { 0 };
  const char *repository = rp_json_str (json_array_get (trace->where, 0), "repository");
  if (!rp_registry_verify (engine->registry, repository, &trace->digest, RP_VERIFY_PRESENT, &report,
                           error))
    return FALSE;
  trace->verified_at_us = report.problems->len == 0 ? report.oldest_verified_at_us : 0;
  return TRUE;
}

static gboolean
find_digest (RpEngine *engine, const char *prefix, RpDigest *out, GError **error)
{
  return rp_digest_parse (prefix, out, NULL)
         || rp_registry_find_digest (engine->registry, prefix, out, error);
}

static gboolean
check_known (const RpTrace *trace, GError **error)
{
  char digest[RP_DIGEST_STRING_SIZE];
  if (json_array_size (trace->where) > 0 || trace->releases->len > 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "%s is in no repository and no release here; it was never pushed to this server",
               rp_digest_format (&trace->digest, digest));
  return FALSE;
}

RpTrace *
rp_trace (RpEngine *engine, const char *prefix, GError **error)
{
  g_autoptr (RpTrace) trace = g_new0 (RpTrace, 1);
  g_auto (Look) look = { .engine = engine, .trace = trace };
  trace->releases = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_release_free);
  trace->revisions = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_revision_free);
  trace->current = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_revision_free);
  trace->targets = g_ptr_array_new_with_free_func (trace_target_free);
  trace->local = g_ptr_array_new_with_free_func (trace_target_free);
  look.roots = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (!find_digest (engine, prefix, &trace->digest, error) || !load_where (engine, trace, error)
      || !load_verified (engine, trace, error)
      || !rp_db_read (engine->db, list_artifacts, &look, error) || !find_roots (&look, error)
      || !rp_db_read (engine->db, load_in_txn, &look, error) || !check_known (trace, error))
    return NULL;
  return g_steal_pointer (&trace);
}
