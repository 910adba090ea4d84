#include "release/diff.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "release/engine_priv.h"
#include "release/environment.h"
#include "release/json_out.h"

#define ENVIRONMENT_PREFIX "environment:"
#define BETWEEN_MAX        1000

typedef struct
{
  RpRelease *release;
  char *environment; /* or NULL */
  gint64 revision;   /* 0: of none */
} Side;

static void
side_clear (Side *side)
{
  rp_release_free (side->release);
  g_free (side->environment);
}

typedef struct
{
  const char *app;
  const char *from;
  const char *to;
  json_t *json;
} Query;

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Side, side_clear)

/* ---- sides ---- */

/* `production` or `production:7`. */
static gboolean
split_environment (const char *text, char **out_name, gint64 *out_number, GError **error)
{
  const char *colon = strchr (text, ':');
  guint64 number = 0;
  if (colon != NULL && !g_ascii_string_to_unsigned (colon + 1, 10, 1, G_MAXINT64, &number, NULL))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "\"%s\" is no number of a revision; they begin at 1", colon + 1);
      return FALSE;
    }
  *out_name = colon != NULL ? g_strndup (text, (gsize) (colon - text)) : g_strdup (text);
  *out_number = (gint64) number;
  return TRUE;
}

static gboolean
find_in_environment (RpTxn *txn, const char *app, const char *text, Side *out, GError **error)
{
  gint64 number;
  if (!split_environment (text, &out->environment, &number, error))
    return FALSE;
  g_autoptr (RpEnvironment) environment = rp_environment_load (txn, app, out->environment, error);
  if (environment == NULL)
    return FALSE;
  RpRevision *raw = NULL;
  if (number > 0 ? (raw = rp_revision_load (txn, app, out->environment, number, error)) == NULL
                 : !rp_revision_load_current (txn, app, out->environment, &raw, error))
    return FALSE;
  g_autoptr (RpRevision) revision = raw;
  if (revision == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "nothing was ever deployed in %s/%s", app,
                   out->environment);
      return FALSE;
    }
  out->revision = revision->number;
  out->release = g_steal_pointer (&revision->release);
  return TRUE;
}

static gboolean
find_side (RpTxn *txn, const char *app, const char *text, Side *out, GError **error)
{
  if (g_str_has_prefix (text, ENVIRONMENT_PREFIX))
    return find_in_environment (txn, app, text + strlen (ENVIRONMENT_PREFIX), out, error);
  out->release = rp_release_find (txn, app, text, error);
  return out->release != NULL;
}

static json_t *
side_to_json (const Side *side)
{
  json_t *json = json_object ();
  json_object_set_new (json, "environment", rp_json_text_or_null (side->environment));
  json_object_set_new (json, "revision", rp_json_number_or_null (side->revision));
  json_object_set_new (json, "release", rp_release_summary_to_json (side->release));
  return json;
}

/* ---- components ---- */

static json_t *
component_to_json (const RpReleaseComponent *component)
{
  if (component == NULL)
    return json_null ();
  json_t *json = json_object ();
  json_object_set_new (json, "repository", json_string (component->repository));
  json_object_set_new (json, "digest", rp_json_digest (&component->digest));
  json_object_set_new (json, "size_bytes", json_integer ((json_int_t) component->size_bytes));
  return json;
}

static void
add_component (json_t *array, const char *name, const RpReleaseComponent *from,
               const RpReleaseComponent *to)
{
  const char *change = from == NULL                                    ? "added"
                       : to == NULL                                    ? "removed"
                       : rp_digest_equal (&from->digest, &to->digest) ? "same"
                                                                       : "changed";
  json_t *json = json_object ();
  json_object_set_new (json, "name", json_string (name));
  json_object_set_new (json, "change", json_string (change));
  json_object_set_new (json, "from", component_to_json (from));
  json_object_set_new (json, "to", component_to_json (to));
  json_array_append_new (array, json);
}

/* In the order of what it goes to, then what is no longer there. */
static json_t *
compare_components (const RpRelease *from, const RpRelease *to)
{
  json_t *array = json_array ();
  for (guint i = 0; i < to->components->len; i++)
    {
      const RpReleaseComponent *component = to->components->pdata[i];
      add_component (array, component->name, rp_release_component (from, component->name), component);
    }
  for (guint i = 0; i < from->components->len; i++)
    {
      const RpReleaseComponent *component = from->components->pdata[i];
      if (rp_release_component (to, component->name) == NULL)
        add_component (array, component->name, component, NULL);
    }
  return array;
}

/* ---- what was recorded in between ---- */

/* Those after the older and up to the newer, newest first: what going that way brings, or takes away. */
static json_t *
list_between (RpTxn *txn, const char *app, const Side *from, const Side *to, GError **error)
{
  gint64 older = MIN (from->release->number, to->release->number);
  gint64 newer = MAX (from->release->number, to->release->number);
  g_autoptr (json_t) array = json_array ();
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT number FROM app_release WHERE app = $1 AND number > $2 AND number <= $3"
                      " ORDER BY number DESC LIMIT $4",
                      "siii", app, older, newer, (gint64) BETWEEN_MAX);
  if (rows == NULL)
    return NULL;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      g_autoptr (RpRelease) release = rp_release_load (txn, app, rp_rows_int (rows, i, 0), error);
      if (release == NULL)
        return NULL;
      json_t *one = rp_release_summary_to_json (release);
      json_object_set_new (one, "at", rp_json_time_or_null (release->at_us));
      json_object_set_new (one, "actor", json_string (release->actor));
      json_array_append_new (array, one);
    }
  return g_steal_pointer (&array);
}

static json_t *
compare_commits (const RpRelease *from, const RpRelease *to)
{
  json_t *json = json_object ();
  gboolean one_repository = g_strcmp0 (from->source_repository, to->source_repository) == 0;
  json_object_set_new (json, "repository",
                       rp_json_text_or_null (one_repository ? to->source_repository : NULL));
  json_object_set_new (json, "from", rp_json_text_or_null (from->commit));
  json_object_set_new (json, "to", rp_json_text_or_null (to->commit));
  return json;
}

static const char *
direction (const Side *from, const Side *to)
{
  if (from->release->number == to->release->number)
    return "same";
  return from->release->number < to->release->number ? "forward" : "back";
}

static gboolean
diff_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Query *query = user_data;
  g_auto (Side) from = { 0 };
  g_auto (Side) to = { 0 };
  if (!find_side (txn, query->app, query->from, &from, error)
      || !find_side (txn, query->app, query->to, &to, error))
    return FALSE;
  json_t *between = list_between (txn, query->app, &from, &to, error);
  if (between == NULL)
    return FALSE;
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (query->app));
  json_object_set_new (json, "from", side_to_json (&from));
  json_object_set_new (json, "to", side_to_json (&to));
  json_object_set_new (json, "direction", json_string (direction (&from, &to)));
  json_object_set_new (json, "components", compare_components (from.release, to.release));
  json_object_set_new (json, "commits", compare_commits (from.release, to.release));
  json_object_set_new (json, "releases", between);
  query->json = json;
  return TRUE;
}

json_t *
rp_diff (RpEngine *engine, const char *app, const char *from, const char *to, GError **error)
{
  Query query = { .app = app, .from = from, .to = to };
  return rp_db_read (engine->db, diff_in_txn, &query, error) ? query.json : NULL;
}
