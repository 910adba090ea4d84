/* Preview and run: a sweep of one repository or of all, told or done. */
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "release/protection.h"
#include "retention/sweep.h"

#define BATCH 100    /* deletions in one transaction: writers wait for it */
#define TRIES_MAX 10 /* when pushes come in between */

typedef struct {
  const char *repository; /* or NULL */
  GPtrArray *names;
} Names;

static gboolean
list_repositories (RpTxn *txn, gpointer user_data, GError **error)
{
  Names *names = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, "SELECT name FROM repository ORDER BY name", "");

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    g_ptr_array_add (names->names, g_strdup (rp_rows_text (rows, i, 0)));
  return TRUE;
}

static GPtrArray *
repositories (RpRetention *retention, const char *repository, GError **error)
{
  Names names = { repository, g_ptr_array_new_with_free_func (g_free) };

  if (repository != NULL)
    g_ptr_array_add (names.names, g_strdup (repository));
  else if (!rp_db_read (retention->db, list_repositories, &names, error))
    g_clear_pointer (&names.names, g_ptr_array_unref);
  return names.names;
}

/* {"repository", "pattern", "images", "goes", "saved", "bytes_freed", "warnings"}. */
static json_t *
tell (RpRetention *retention, const RpSweep *sweep, GError **error)
{
  g_autoptr (json_t) json = json_object ();
  json_t *goes = json_array (), *saved = json_array ();
  g_autoptr (GArray) order = rp_sweep_order (sweep);
  guint64 bytes = 0;

  json_object_set_new (json, "repository", json_string (sweep->repository));
  json_object_set_new (json, "pattern", json_string (sweep->pattern));
  json_object_set_new (json, "images", json_integer (sweep->images->len));
  json_object_set_new (json, "goes", goes);
  json_object_set_new (json, "saved", saved);
  for (guint i = 0; i < order->len; i++)
    json_array_append_new (goes, rp_sweep_image (sweep, g_array_index (order, guint, i)));
  for (guint i = 0; i < sweep->images->len; i++)
    {
      RpFateKind kind = g_array_index (sweep->fates, RpFate, i).kind;
      if (kind != RP_FATE_GOES && kind != RP_FATE_STAYS)
        json_array_append_new (saved, rp_sweep_saved (retention, sweep, i));
    }
  if (order->len > 0 && !rp_sweep_weigh (retention, sweep, &bytes, error))
    return NULL;
  json_object_set_new (json, "bytes_freed", json_integer ((json_int_t) bytes));
  json_object_set_new (json, "warnings", rp_sweep_warnings (retention, sweep));
  return g_steal_pointer (&json);
}

/* ---- doing ---- */

/* What was not done after all is no longer among what goes. */
static void
take_out (json_t *told, GHashTable *stayed)
{
  json_t *gone = json_array (), *one;
  gsize i;

  json_array_foreach (json_object_get (told, "goes"), i, one)
    if (!g_hash_table_contains (stayed, rp_json_str (one, "digest")))
      json_array_append (gone, one);
  json_object_set_new (told, "goes", gone);
}

static gboolean
expire_batch (RpRetention *retention, const RpSweep *sweep, const GArray *order, guint from,
              const char *actor, GHashTable *stayed, gboolean *out_current, GError **error)
{
  guint count = MIN (BATCH, order->len - from);
  g_autofree RpExpiry *items = g_new0 (RpExpiry, count);
  g_autoptr (json_t) keep = json_array (); /* owns the rules and the tags */
  char text[RP_DIGEST_STRING_SIZE];
  gboolean ok = TRUE;

  for (guint i = 0; ok && i < count; i++)
    {
      guint index = g_array_index (order, guint, from + i);
      const RpImage *image = sweep->images->pdata[index];
      json_t *shown = rp_sweep_image (sweep, index);

      json_array_append_new (keep, shown);
      items[i].tags = json_object_get (shown, "tags");
      items[i].rule = json_object_get (shown, "rule");
      ok = rp_digest_parse (image->digest, &items[i].digest, error);
    }
  ok = ok && rp_registry_expire (retention->registry, sweep->repository, sweep->seq, items, count,
                                 actor, out_current, error);
  for (guint i = 0; i < count; i++)
    {
      if (!ok || !*out_current || !items[i].gone)
        g_hash_table_add (stayed, g_strdup (rp_digest_format (&items[i].digest, text)));
      json_decref (items[i].holder);
    }
  return ok;
}

/* All batches, or until something is pushed in between. */
static gboolean
expire_all (RpRetention *retention, const RpSweep *sweep, const char *actor, json_t *told,
            gboolean *out_current, GError **error)
{
  g_autoptr (GArray) order = rp_sweep_order (sweep);
  g_autoptr (GHashTable) stayed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  guint from = 0;

  *out_current = TRUE;
  for (; *out_current && from < order->len; from += BATCH)
    if (!expire_batch (retention, sweep, order, from, actor, stayed, out_current, error))
      return FALSE;
  for (; from < order->len; from++) /* not reached */
    {
      const RpImage *image = sweep->images->pdata[g_array_index (order, guint, from)];
      g_hash_table_add (stayed, g_strdup (image->digest));
    }
  take_out (told, stayed);
  return TRUE;
}

/* What went before a push came in between is told with what goes after it. */
static void
keep_gone (json_t *gone, const json_t *told)
{
  json_array_extend (gone, json_object_get (told, "goes"));
}

static json_t *
run_one (RpRetention *retention, const char *repository, const char *actor, gint64 now_us,
         GError **error)
{
  g_autoptr (json_t) gone = json_array ();

  for (int i = 0; i < TRIES_MAX; i++)
    {
      gboolean current = TRUE;
      g_autoptr (RpSweep) sweep = NULL;
      g_autoptr (json_t) told = NULL;

      if (!rp_held_prepare (retention->held, error))
        return NULL;
      sweep = rp_sweep_look (retention, repository, now_us, error);
      if (sweep == NULL)
        return NULL;
      if (sweep->policy == NULL)
        return json_null ();
      told = tell (retention, sweep, error);
      if (told == NULL || !expire_all (retention, sweep, actor, told, &current, error))
        return NULL;
      keep_gone (gone, told);
      if (!current)
        continue;
      json_object_set (told, "goes", gone);
      return g_steal_pointer (&told);
    }
  g_set_error (error, RP_ERROR, RP_ERROR_BUSY,
               "%s is pushed to faster than its policy can be looked at: nothing more goes now; the "
               "next run goes on",
               repository);
  return NULL;
}

static json_t *
preview_one (RpRetention *retention, const char *repository, gint64 now_us, GError **error)
{
  g_autoptr (RpSweep) sweep = rp_sweep_look (retention, repository, now_us, error);

  if (sweep == NULL)
    return NULL;
  return sweep->policy != NULL ? tell (retention, sweep, error) : json_null ();
}

/* ---- all of them ---- */

typedef struct {
  RpRetention *retention;
  const char *actor; /* NULL: preview */
  gint64 now_us;
  json_t *repositories;
  json_t *problems;
  gint64 images;
  gint64 bytes;
} All;

/* A repository that cannot be looked at keeps all it has, and keeps no other from its turn. */
static void
look_at (All *all, const char *repository)
{
  g_autoptr (GError) error = NULL;
  json_t *told = all->actor != NULL
                     ? run_one (all->retention, repository, all->actor, all->now_us, &error)
                     : preview_one (all->retention, repository, all->now_us, &error);

  if (told == NULL)
    {
      json_t *problem = json_object ();
      json_object_set_new (problem, "repository", json_string (repository));
      json_object_set_new (problem, "text", json_string (error->message));
      json_array_append_new (all->problems, problem);
      rp_log_warning ("retention", "%s: %s", repository, error->message);
      return;
    }
  all->images += (gint64) json_array_size (json_object_get (told, "goes"));
  all->bytes += rp_json_int (told, "bytes_freed");
  if (json_is_null (told))
    json_decref (told);
  else
    json_array_append_new (all->repositories, told);
}

static json_t *
sweep_all (RpRetention *retention, const char *repository, const char *actor, gint64 now_us,
           GError **error)
{
  g_autoptr (GPtrArray) names = repositories (retention, repository, error);
  All all = { .retention = retention, .actor = actor, .now_us = now_us };
  json_t *json;

  if (names == NULL || !rp_pulls_flush (retention, error)
      || !rp_held_prepare (retention->held, error))
    return NULL;
  if (repository != NULL)
    {
      g_autoptr (RpSweep) known = rp_sweep_look (retention, repository, now_us, error);
      if (known == NULL)
        return NULL;
    }
  all.repositories = json_array ();
  all.problems = json_array ();
  for (guint i = 0; i < names->len; i++)
    look_at (&all, names->pdata[i]);
  if (g_atomic_int_compare_and_exchange (&retention->gone, 1, 0))
    rp_protection_forget (retention->engine);
  json = json_object ();
  json_object_set_new (json, "repositories", all.repositories);
  json_object_set_new (json, "problems", all.problems);
  json_object_set_new (json, "images", json_integer (all.images));
  json_object_set_new (json, "bytes_freed", json_integer (all.bytes));
  return json;
}

json_t *
rp_sweep_preview (RpRetention *retention, const char *repository, gint64 now_us, GError **error)
{
  return sweep_all (retention, repository, NULL, now_us, error);
}

json_t *
rp_sweep_run (RpRetention *retention, const char *repository, const char *actor, gint64 now_us,
              GError **error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&retention->run_lock);

  return sweep_all (retention, repository, actor, now_us, error);
}
