/* What somebody wants to have read at once. */
#include <string.h>

#include "base/error.h"
#include "release/readiness.h"
#include "retention/scrubber_priv.h"

static const char closure_sql[]
    = "WITH RECURSIVE reach (digest) AS (SELECT $1 UNION "
      "SELECT edge.digest FROM edge JOIN reach ON edge.manifest = reach.digest) "
      "SELECT digest FROM reach WHERE digest > $2 AND (EXISTS (SELECT 1 FROM repo_blob AS b "
      "WHERE b.digest = reach.digest) OR EXISTS (SELECT 1 FROM manifest AS m WHERE m.digest = reach.digest)) "
      "ORDER BY digest LIMIT $3";
static const char repository_sql[]
    = "SELECT digest FROM (SELECT digest FROM repo_blob WHERE repository = $1 "
      "UNION SELECT digest FROM manifest WHERE repository = $1) WHERE digest > $2 "
      "ORDER BY digest LIMIT $3";

static gboolean
read_pages (RpScrub *scrub, const char *sql, const char *subject, GError **error)
{
  const RpScrubPages pages = { .sql = sql, .subject = subject };

  return rp_scrub_each_page (scrub->scrubber, &pages, rp_scrub_rows, scrub, error);
}

/* ---- what is meant ---- */

typedef struct {
  char *repository; /* or NULL */
  char *app, *environment;
  gboolean has_repository, has_environment;
} Target;

static void
target_clear (Target *target)
{
  g_clear_pointer (&target->repository, g_free);
  g_clear_pointer (&target->app, g_free);
  g_clear_pointer (&target->environment, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Target, target_clear)

static gboolean
look_up (RpTxn *txn, gpointer user_data, GError **error)
{
  Target *target = user_data;

  if (target->repository)
    {
      g_autoptr (RpRows) rows = rp_txn_query (
          txn, error, "SELECT 1 FROM repository WHERE name = $1", "s", target->repository);
      if (!rows)
        return FALSE;
      target->has_repository = rp_rows_count (rows) > 0;
    }
  if (target->app)
    {
      g_autoptr (RpRows) rows
          = rp_txn_query (txn, error, "SELECT 1 FROM environment WHERE app = $1 AND name = $2",
                          "ss", target->app, target->environment);
      if (!rows)
        return FALSE;
      target->has_environment = rp_rows_count (rows) > 0;
    }
  return TRUE;
}

static gboolean
resolve (RpScrubber *scrubber, const char *what, Target *target, GError **error)
{
  gboolean only_repo = g_str_has_prefix (what, "repo:");
  gboolean only_env = g_str_has_prefix (what, "env:");
  const char *name = only_repo ? what + 5 : only_env ? what + 4 : what;
  const char *slash = strchr (name, '/');

  if (!only_env)
    target->repository = g_strdup (name);
  if (!only_repo && slash)
    {
      target->app = g_strndup (name, (gsize) (slash - name));
      target->environment = g_strdup (slash + 1);
    }
  if (!rp_db_read (rp_registry_db (scrubber->registry), look_up, target, error))
    return FALSE;
  if (target->has_repository && target->has_environment)
    g_set_error (error, RP_ERROR, RP_ERROR_AMBIGUOUS,
                 "%s is a repository and an environment: say repo:%s or env:%s", name, name, name);
  else if (!target->has_repository && !target->has_environment)
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "\"%.300s\" is no repository and no APP/ENV here, nor a digest: `repoint repo list` and "
                 "`repoint app list` show what there is",
                 name);
  else
    return TRUE;
  return FALSE;
}

/* ---- reading it ---- */

/* Of each revision that one must be able to go back to. */
static gboolean
read_window (RpScrub *scrub, const Target *target, GError **error)
{
  g_autoptr (GHashTable) done = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (RpReadiness) readiness
      = rp_readiness_compute (scrub->scrubber->engine, target->app, target->environment,
                              RP_VERIFY_PRESENT, error);

  if (!readiness)
    return FALSE;
  for (guint i = 0; i < readiness->revisions->len; i++)
    {
      const RpReadyRevision *revision = readiness->revisions->pdata[i];

      for (guint j = 0; j < revision->release->components->len; j++)
        {
          const RpReleaseComponent *component = revision->release->components->pdata[j];
          char *text = rp_digest_to_string (&component->digest);

          if (g_hash_table_add (done, text) && !read_pages (scrub, closure_sql, text, error))
            return FALSE;
        }
    }
  return TRUE;
}

static gboolean
read_digest (RpScrub *scrub, const RpDigest *digest, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];

  rp_digest_format (digest, text);
  if (!read_pages (scrub, closure_sql, text, error))
    return FALSE;
  if (scrub->count.blobs + scrub->count.failed > 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "no repository here has %s", text);
  return FALSE;
}

static gboolean
read_what (RpScrub *scrub, const char *what, GError **error)
{
  g_auto (Target) target = { 0 };
  RpDigest digest;

  if (rp_digest_parse (what, &digest, NULL))
    return read_digest (scrub, &digest, error);
  if (!resolve (scrub->scrubber, what, &target, error))
    return FALSE;
  return target.has_repository ? read_pages (scrub, repository_sql, target.repository, error)
                               : read_window (scrub, &target, error);
}

json_t *
rp_scrubber_now (RpScrubber *scrubber, const char *what, GError **error)
{
  g_auto (RpScrub) scrub = { 0 };
  json_t *json;

  rp_scrub_init (&scrub, scrubber, FALSE);
  scrub.damaged = json_array ();
  scrub.healed = json_array ();
  if (!read_what (&scrub, what, error))
    return NULL;
  json = json_object ();
  json_object_set_new (json, "what", json_string (what));
  json_object_set_new (json, "blobs", json_integer ((json_int_t) scrub.count.blobs));
  json_object_set_new (json, "bytes", json_integer ((json_int_t) scrub.count.size_bytes));
  json_object_set_new (json, "failed", json_integer ((json_int_t) scrub.count.failed));
  json_object_set (json, "damaged", scrub.damaged);
  json_object_set (json, "healed", scrub.healed);
  return json;
}
