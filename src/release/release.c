#include "release/release.h"

#include <string.h>

#include "base/error.h"
#include "release/engine_priv.h"
#include "release/hold.h"
#include "release/provenance.h"

void
rp_release_component_free (gpointer data)
{
  RpReleaseComponent *component = data;
  g_free (component->name);
  g_free (component->repository);
  g_free (component->media_type);
  g_free (component->requested);
  g_free (component);
}

RpRelease *
rp_release_new (const char *app)
{
  RpRelease *release = g_new0 (RpRelease, 1);
  release->app = g_strdup (app);
  release->components = g_ptr_array_new_with_free_func (rp_release_component_free);
  release->provenance = g_ptr_array_new_with_free_func (rp_provenance_free);
  release->disagreements = g_ptr_array_new_with_free_func (g_free);
  return release;
}

void
rp_release_free (RpRelease *release)
{
  if (release == NULL)
    return;
  g_free (release->app);
  g_free (release->version);
  g_ptr_array_unref (release->components);
  g_free (release->source_repository);
  g_free (release->commit);
  g_free (release->build);
  g_free (release->run_url);
  g_ptr_array_unref (release->provenance);
  g_ptr_array_unref (release->disagreements);
  g_clear_pointer (&release->holds, g_ptr_array_unref);
  g_free (release->actor);
  g_free (release);
}

RpRelease *
rp_release_copy (const RpRelease *release)
{
  RpRelease *copy = rp_release_new (release->app);
  copy->number = release->number;
  copy->version = g_strdup (release->version);
  copy->source_repository = g_strdup (release->source_repository);
  copy->commit = g_strdup (release->commit);
  copy->build = g_strdup (release->build);
  copy->run_url = g_strdup (release->run_url);
  copy->actor = g_strdup (release->actor);
  copy->at_us = release->at_us;
  copy->seq = release->seq;
  g_ptr_array_unref (copy->provenance);
  g_ptr_array_unref (copy->disagreements);
  copy->provenance = g_ptr_array_ref (release->provenance); /* never changes once it is loaded */
  copy->disagreements = g_ptr_array_ref (release->disagreements);
  for (guint i = 0; i < release->components->len; i++)
    {
      const RpReleaseComponent *from = release->components->pdata[i];
      RpReleaseComponent *component = g_new (RpReleaseComponent, 1);
      *component = *from;
      component->name = g_strdup (from->name);
      component->repository = g_strdup (from->repository);
      component->media_type = g_strdup (from->media_type);
      component->requested = g_strdup (from->requested);
      g_ptr_array_add (copy->components, component);
    }
  return copy;
}

const RpReleaseComponent *
rp_release_component (const RpRelease *release, const char *name)
{
  for (guint i = 0; i < release->components->len; i++)
    {
      const RpReleaseComponent *component = release->components->pdata[i];
      if (g_str_equal (component->name, name))
        return component;
    }
  return NULL;
}

char *
rp_release_label (const RpRelease *release)
{
  return g_strdup_printf ("%s (release %" G_GINT64_FORMAT ")", release->version, release->number);
}

#define COLUMNS                                                                                    \
  "number, version, source_repository, source_commit, build, run_url, actor, at_us, seq"

static gboolean
load_components (RpTxn *txn, RpRelease *release, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT name, repository, digest, media_type, size_bytes, requested FROM release_component"
      " WHERE app = $1 AND release = $2 ORDER BY ordinal",
      "si", release->app, release->number);
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpReleaseComponent *component = g_new0 (RpReleaseComponent, 1);
      g_ptr_array_add (release->components, component);
      component->name = g_strdup (rp_rows_text (rows, i, 0));
      component->repository = g_strdup (rp_rows_text (rows, i, 1));
      component->media_type = g_strdup (rp_rows_text (rows, i, 3));
      component->size_bytes = (guint64) rp_rows_int (rows, i, 4);
      component->requested = g_strdup (rp_rows_text (rows, i, 5));
      if (!rp_digest_parse (rp_rows_text (rows, i, 2), &component->digest, error))
        return FALSE;
    }
  return TRUE;
}

static RpRelease *
from_row (RpTxn *txn, const char *app, const RpRows *rows, gsize row, GError **error)
{
  g_autoptr (RpRelease) release = rp_release_new (app);
  release->number = rp_rows_int (rows, row, 0);
  release->version = g_strdup (rp_rows_text (rows, row, 1));
  release->source_repository = g_strdup (rp_rows_text (rows, row, 2));
  release->commit = g_strdup (rp_rows_text (rows, row, 3));
  release->build = g_strdup (rp_rows_text (rows, row, 4));
  release->run_url = g_strdup (rp_rows_text (rows, row, 5));
  release->actor = g_strdup (rp_rows_text (rows, row, 6));
  release->at_us = rp_rows_int (rows, row, 7);
  release->seq = rp_rows_int (rows, row, 8);
  if (!load_components (txn, release, error) || !rp_provenance_load (txn, release, error))
    return NULL;
  return g_steal_pointer (&release);
}

RpRelease *
rp_release_load (RpTxn *txn, const char *app, gint64 number, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT " COLUMNS " FROM app_release WHERE app = $1 AND number = $2", "si", app,
      number);
  if (rows == NULL)
    return NULL;
  if (rp_rows_count (rows) > 0)
    return from_row (txn, app, rows, 0, error);
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "app %s has no release %" G_GINT64_FORMAT, app,
               number);
  return NULL;
}

static GPtrArray *
from_rows (RpTxn *txn, const char *app, const RpRows *rows, GError **error)
{
  g_autoptr (GPtrArray) releases = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_release_free);
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpRelease *release = from_row (txn, app, rows, i, error);
      if (release == NULL)
        return NULL;
      g_ptr_array_add (releases, release);
    }
  return g_steal_pointer (&releases);
}

/* ---- find ---- */

#define PREFIX_MIN     4
#define CANDIDATES_MAX 20

/* `12`, `#12`: the number, else 0. */
static gint64
ref_number (const char *ref)
{
  const char *digits = ref[0] == '#' ? ref + 1 : ref;
  guint64 number;
  if (!g_ascii_string_to_unsigned (digits, 10, 1, G_MAXINT64, &number, NULL))
    return 0;
  return (gint64) number;
}

/* What a digest must begin with to be meant by `ref`; NULL if it cannot be meant. g_free(). */
static char *
ref_digest_prefix (const char *ref)
{
  gboolean whole = g_str_has_prefix (ref, "sha256:") || g_str_has_prefix (ref, "sha512:");
  const char *hex = whole ? ref + 7 : ref;
  gsize length = strlen (hex);
  if (length < PREFIX_MIN || strspn (hex, "0123456789abcdef") != length)
    return NULL;
  return whole ? g_strdup (ref) : g_strconcat ("sha256:", hex, NULL);
}

static RpRows *
query_candidates (RpTxn *txn, const char *app, const char *ref, GError **error)
{
  g_autofree char *digest = ref_digest_prefix (ref);
  gint64 digest_length = digest == NULL ? 0 : (gint64) strlen (digest);
  gint64 commit_length = strlen (ref) < PREFIX_MIN ? 0 : (gint64) strlen (ref);
  return rp_txn_query (
      txn, error,
      "SELECT " COLUMNS " FROM app_release r WHERE app = $1 AND (number = $2"
      " OR ($3 > 0 AND substr (source_commit, 1, $3) = $4)"
      " OR ($5 > 0 AND EXISTS (SELECT 1 FROM release_component c WHERE c.app = r.app"
      "  AND c.release = r.number AND substr (c.digest, 1, $5) = $6)))"
      " ORDER BY number DESC LIMIT 21",
      "siisis", app, ref_number (ref), commit_length, ref, digest_length, digest);
}

static RpRows *
query_version (RpTxn *txn, const char *app, const char *version, GError **error)
{
  return rp_txn_query (txn, error,
                       "SELECT " COLUMNS " FROM app_release WHERE app = $1 AND version = $2", "ss",
                       app, version);
}

static GPtrArray *
find_all (RpTxn *txn, const char *app, const char *ref, GError **error)
{
  g_autoptr (RpRows) exact = query_version (txn, app, ref, error);
  if (exact == NULL)
    return NULL;
  if (rp_rows_count (exact) > 0)
    return from_rows (txn, app, exact, error);
  g_autoptr (RpRows) rows = query_candidates (txn, app, ref, error);
  return rows == NULL ? NULL : from_rows (txn, app, rows, error);
}

static void
set_ambiguous (const char *app, const char *ref, const GPtrArray *found, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < MIN (found->len, CANDIDATES_MAX); i++)
    {
      const RpRelease *release = found->pdata[i];
      g_string_append_printf (text, "%s%s (release %" G_GINT64_FORMAT, i == 0 ? "" : ", ",
                              release->version, release->number);
      if (release->commit != NULL)
        g_string_append_printf (text, ", commit %.12s", release->commit);
      for (guint j = 0; j < release->components->len; j++)
        {
          const RpReleaseComponent *component = release->components->pdata[j];
          char digest[RP_DIGEST_STRING_SIZE];
          g_string_append_printf (text, ", %s %.19s", component->name,
                                  rp_digest_format (&component->digest, digest));
        }
      g_string_append_c (text, ')');
    }
  g_set_error (
      error, RP_ERROR, RP_ERROR_AMBIGUOUS,
      "\"%s\" may mean more than one release of %s: %s%s; name one by its version or give more"
      " characters",
      ref, app, text->str, found->len > CANDIDATES_MAX ? " and more" : "");
}

static gboolean
set_unknown (RpTxn *txn, const char *app, const char *ref, GError **error)
{
  g_autoptr (RpRows) apps
      = rp_txn_query (txn, error, "SELECT name FROM app WHERE name = $1", "s", app);
  g_autoptr (RpRows) rows = rp_txn_query (txn, error,
                                          "SELECT version, number FROM app_release"
                                          " WHERE app = $1 ORDER BY number DESC LIMIT 5",
                                          "s", app);
  if (apps == NULL || rows == NULL)
    return FALSE;
  if (rp_rows_count (apps) == 0)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                   "there is no app \"%s\"; `repoint app list` shows those that are declared", app);
      return FALSE;
    }
  g_autoptr (GString) latest = g_string_new (NULL);
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    g_string_append_printf (latest, "%s%s (release %" G_GINT64_FORMAT ")", i == 0 ? "" : ", ",
                            rp_rows_text (rows, i, 0), rp_rows_int (rows, i, 1));
  g_set_error (
      error, RP_ERROR, RP_ERROR_NOT_FOUND,
      "app %s has no release \"%s\" (a version, a number, or at least %d characters of a commit"
      " or digest); %s%s",
      app, ref, PREFIX_MIN, latest->len > 0 ? "the latest are: " : "it has none yet", latest->str);
  return FALSE;
}

RpRelease *
rp_release_find (RpTxn *txn, const char *app, const char *ref, GError **error)
{
  g_autoptr (GPtrArray) found = find_all (txn, app, ref, error);
  if (found == NULL)
    return NULL;
  if (found->len == 1)
    return rp_release_copy (found->pdata[0]);
  if (found->len > 1)
    set_ambiguous (app, ref, found, error);
  else
    (void) set_unknown (txn, app, ref, error);
  return NULL;
}

/* ---- queries ---- */

typedef struct
{
  const char *app;
  const char *ref;
  const char *commit;
  gint64 limit;
  gint64 before;
  RpRelease *release;
  GPtrArray *releases;
} Query;

static gboolean
get_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Query *query = user_data;
  g_autoptr (RpRelease) release = rp_release_find (txn, query->app, query->ref, error);
  if (release == NULL)
    return FALSE;
  release->holds = rp_release_hold_load (txn, query->app, NULL, release->number, error);
  if (release->holds == NULL)
    return FALSE;
  query->release = g_steal_pointer (&release);
  return TRUE;
}

RpRelease *
rp_release_get (RpEngine *engine, const char *app, const char *ref, GError **error)
{
  Query query = { .app = app, .ref = ref };
  return rp_db_read (engine->db, get_in_txn, &query, error) ? query.release : NULL;
}

static gboolean
candidates_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Query *query = user_data;
  query->releases = find_all (txn, query->app, query->ref, error);
  return query->releases != NULL;
}

GPtrArray *
rp_release_candidates (RpEngine *engine, const char *app, const char *ref, GError **error)
{
  Query query = { .app = app, .ref = ref };
  return rp_db_read (engine->db, candidates_in_txn, &query, error) ? query.releases : NULL;
}

static gboolean
list_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Query *query = user_data;
  g_autoptr (RpRows) apps
      = rp_txn_query (txn, error, "SELECT name FROM app WHERE name = $1", "s", query->app);
  if (apps == NULL)
    return FALSE;
  if (rp_rows_count (apps) == 0)
    return set_unknown (txn, query->app, "", error);
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT " COLUMNS " FROM app_release WHERE app = $1 AND number < $2"
                      " AND ($3 IS NULL OR source_commit = $3) ORDER BY number DESC LIMIT $4",
                      "sisi", query->app, query->before > 0 ? query->before : G_MAXINT64,
                      query->commit, query->limit);
  if (rows == NULL)
    return FALSE;
  g_autoptr (GPtrArray) releases = from_rows (txn, query->app, rows, error);
  if (releases == NULL || !rp_release_hold_fill (txn, releases, error))
    return FALSE;
  query->releases = g_steal_pointer (&releases);
  return TRUE;
}

GPtrArray *
rp_release_list (RpEngine *engine, const char *app, gint64 limit, gint64 before, const char *commit,
                 GError **error)
{
  Query query = { .app = app, .limit = limit, .before = before, .commit = commit };
  return rp_db_read (engine->db, list_in_txn, &query, error) ? query.releases : NULL;
}

gboolean
rp_release_check_present (RpTxn *txn, const RpRelease *release, GError **error)
{
  for (guint i = 0; i < release->components->len; i++)
    {
      const RpReleaseComponent *component = release->components->pdata[i];
      char text[RP_DIGEST_STRING_SIZE];
      g_autoptr (RpRows) rows = rp_txn_query (
          txn, error, "SELECT 1 FROM manifest WHERE repository = $1 AND digest = $2", "ss",
          component->repository, rp_digest_format (&component->digest, text));
      if (rows == NULL)
        return FALSE;
      if (rp_rows_count (rows) > 0)
        continue;
      g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
                   "release %s cannot be pointed at: %s went from %s in the meantime; see `repoint"
                   " retention why %s`",
                   release->version, text, component->repository, text);
      return FALSE;
    }
  return TRUE;
}
