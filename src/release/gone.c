#include "release/gone.h"

#include "registry/departure.h"
#include "registry/origin.h"
#include "registry/restore.h"
#include "release/engine_priv.h"

#define LISTED_MAX 100

/* ---- of an environment ---- */

static gboolean
load_departures (RpTxn *txn, const RpRelease *release, json_t *all, GError **error)
{
  for (guint i = 0; i < release->components->len; i++)
    {
      const RpReleaseComponent *component = release->components->pdata[i];
      char digest[RP_DIGEST_STRING_SIZE];
      g_autoptr (json_t) some
          = rp_departures_load (txn, component->repository,
                                rp_digest_format (&component->digest, digest), error);
      if (some == NULL)
        return FALSE;
      json_array_extend (all, some);
    }
  return TRUE;
}

typedef struct
{
  const char *app;
  const char *environment;
  json_t *list;
} List;

static gboolean
add_gone (RpTxn *txn, const List *list, gint64 number, gint64 revision, GError **error)
{
  g_autoptr (RpRelease) release = rp_release_load (txn, list->app, number, error);
  if (release == NULL)
    return FALSE;
  json_t *json = json_object ();
  json_t *departures = json_array ();
  json_array_append_new (list->list, json);
  json_object_set_new (json, "release", rp_release_summary_to_json (release));
  json_object_set_new (json, "revision", json_integer (revision));
  json_object_set_new (json, "departures", departures);
  return load_departures (txn, release, departures, error);
}

static gboolean
list_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[]
      = "SELECT v.release, MAX (v.number) FROM revision v JOIN release_component c ON c.app = v.app"
        " AND c.release = v.release WHERE v.app = $1 AND v.environment = $2 AND NOT EXISTS"
        " (SELECT 1 FROM manifest m WHERE m.repository = c.repository AND m.digest = c.digest)"
        " GROUP BY v.release ORDER BY 2 DESC LIMIT $3";
  const List *list = user_data;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "ssi", list->app, list->environment, (gint64) LISTED_MAX);
  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    if (!add_gone (txn, list, rp_rows_int (rows, i, 0), rp_rows_int (rows, i, 1), error))
      return FALSE;
  return TRUE;
}

/* Whether all that went of it still lies here. Outside of the transaction, as it looks at files. */
static gboolean
add_restorable (RpEngine *engine, json_t *one, GError **error)
{
  const json_t *departures = json_object_get (one, "departures"), *departure;
  gboolean can = json_array_size (departures) > 0;
  size_t i;
  json_array_foreach (departures, i, departure)
    {
      RpDigest digest;
      if (can && (!rp_digest_parse (rp_json_str (departure, "digest"), &digest, error)
                  || !rp_registry_can_restore (engine->registry, &digest, &can, error)))
        return FALSE;
    }
  json_object_set_new (one, "restorable", json_boolean (can));
  return TRUE;
}

json_t *
rp_gone_list (RpEngine *engine, const char *app, const char *environment, GError **error)
{
  g_autoptr (json_t) all = json_array ();
  List list = { app, environment, all };
  if (!rp_db_read (engine->db, list_in_txn, &list, error))
    return NULL;
  for (gsize i = 0; i < json_array_size (all); i++)
    if (!add_restorable (engine, json_array_get (all, i), error))
      return NULL;
  return g_steal_pointer (&all);
}

/* ---- of a component ---- */

/* NULL on error. */
static char *
bring_way_out (RpEngine *engine, const RpRelease *release, const RpReleaseComponent *component,
               GError **error)
{
  g_autoptr (json_t) origins = rp_origin_list (engine->registry, &component->digest, error);
  if (origins == NULL)
    return NULL;
  const json_t *upstream = json_object_get (json_array_get (origins, 0), "upstream");
  char digest[RP_DIGEST_STRING_SIZE];
  g_autoptr (GString) text = g_string_new (NULL);
  if (upstream != NULL)
    g_string_append_printf (text, "fetch it from where it was copied in (`repoint keep %s/%s@%s --as %s`), ",
                            rp_json_str (upstream, "registry"), rp_json_str (upstream, "repository"),
                            rp_digest_format (&component->digest, digest), component->repository);
  g_string_append_printf (text,
                          "`repoint import` a bundle that has it, push the same digest again from wherever it "
                          "still is, or build %s%s again as a new release",
                          release->commit != NULL ? "commit " : "it",
                          release->commit != NULL ? release->commit : "");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static char *
restore_way_out (const RpReleaseComponent *component)
{
  char digest[RP_DIGEST_STRING_SIZE];
  return g_strdup_printf ("bring it back with `repoint retention restore %s`",
                          rp_digest_format (&component->digest, digest));
}

gboolean
rp_gone_explain (RpEngine *engine, const RpRelease *release, const RpReleaseComponent *component,
                 char **out_reason, char **out_way_out, GError **error)
{
  gboolean can_restore;
  *out_reason = *out_way_out = NULL;
  g_autoptr (json_t) departures
      = rp_departures_read (engine->db, component->repository, &component->digest, error);
  if (departures == NULL)
    return FALSE;
  const json_t *last = json_array_get (departures, 0);
  if (last == NULL)
    return TRUE;
  if (!rp_registry_can_restore (engine->registry, &component->digest, &can_restore, error))
    return FALSE;
  *out_way_out = can_restore ? restore_way_out (component)
                             : bring_way_out (engine, release, component, error);
  if (*out_way_out == NULL)
    return FALSE;
  const char *rule = rp_json_str (last, "rule");
  *out_reason = g_strdup_printf ("went at %s by %s (%s): %s", rp_json_str (last, "at"),
                                 rule != NULL ? rule : "hand", rp_json_str (last, "actor"),
                                 can_restore ? "its bytes still lie here, not for long"
                                             : "these bytes cannot come back from here");
  return TRUE;
}
