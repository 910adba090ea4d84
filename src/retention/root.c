#include "retention/root.h"

#include <string.h>

#include "base/clock.h"
#include "registry/policy.h"
#include "release/environment.h"

#define REFERS ", to which it refers" /* itself, or what it refers to */

void
rp_root_free (gpointer data)
{
  RpRoot *root = data;

  g_free (root->repository);
  g_free (root->digest);
  g_free (root->text);
  json_decref (root->reason);
  g_free (root);
}

static void
referrer_free (gpointer data)
{
  RpReferrer *referrer = data;

  g_free (referrer->repository);
  g_free (referrer->digest);
  g_free (referrer->subject);
  g_free (referrer);
}

/* `mark` is a sum of sequences that only grow. */
gboolean
rp_roots_mark (RpTxn *txn, gint64 *out, GError **error)
{
  static const char sql[]
      = "SELECT (SELECT COALESCE (MAX (seq), 0) FROM environment)"
        " + (SELECT COALESCE (MAX (seq), 0) FROM app_release)"
        " + (SELECT COALESCE (MAX (seq), 0) + COALESCE (MAX (ended_seq), 0) FROM retention_hold)";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "");

  if (rows == NULL)
    return FALSE;
  *out = rp_rows_int (rows, 0, 0);
  return TRUE;
}

/* ---- adding ---- */

/* Wherever it lies, or nowhere. */
static gboolean
find_repository (RpTxn *txn, const char *digest, char **out, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT repository FROM manifest WHERE digest = $1 LIMIT 1", "s", digest);

  if (rows == NULL)
    return FALSE;
  *out = rp_rows_count (rows) > 0 ? g_strdup (rp_rows_text (rows, 0, 0)) : NULL;
  return TRUE;
}

/* Takes over `reason`. */
static gboolean
add_root (RpTxn *txn, GPtrArray *roots, const char *digest, const char *text, json_t *reason,
          GError **error)
{
  RpRoot *root = g_new0 (RpRoot, 1);

  root->digest = g_strdup (digest);
  root->text = g_strdup (text);
  root->reason = reason;
  g_ptr_array_add (roots, root);
  return find_repository (txn, digest, &root->repository, error);
}

/* The components of a release. `kind` and the members of `about` make the reason of each. */
static gboolean
add_release (RpTxn *txn, GPtrArray *roots, const char *app, gint64 release, const char *text,
             const json_t *about, GError **error)
{
  static const char sql[]
      = "SELECT c.digest, c.name, r.version FROM release_component c JOIN app_release r"
        " ON r.app = c.app AND r.number = c.release WHERE c.app = $1 AND c.release = $2"
        " ORDER BY c.name";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "si", app, release);

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      json_t *reason = json_deep_copy (about);
      g_autofree char *whole = g_strdup_printf ("%s: %s %s", text, rp_rows_text (rows, i, 2),
                                                rp_rows_text (rows, i, 1));
      json_object_set_new (reason, "app", json_string (app));
      json_object_set_new (reason, "release", json_string (rp_rows_text (rows, i, 2)));
      json_object_set_new (reason, "component", json_string (rp_rows_text (rows, i, 1)));
      if (!add_root (txn, roots, rp_rows_text (rows, i, 0), whole, reason, error))
        return FALSE;
    }
  return TRUE;
}

/* ---- windows ---- */

static gboolean
add_entry (RpTxn *txn, GPtrArray *roots, const char *app, const char *environment,
           const RpWindowEntry *entry, gboolean is_current, GError **error)
{
  g_autoptr (json_t) about = json_object ();
  g_autofree char *text
      = g_strdup_printf ("the window of %s/%s, revision %" G_GINT64_FORMAT "%s", app, environment,
                         entry->revision, is_current ? " (the current one)" : "");

  json_object_set_new (about, "kind", json_string ("window"));
  json_object_set_new (about, "environment", json_string (environment));
  json_object_set_new (about, "revision", json_integer (entry->revision));
  return add_release (txn, roots, app, entry->release, text, about, error);
}

static gboolean
add_window (RpTxn *txn, GPtrArray *roots, const char *app, const char *environment, gint64 now_us,
            GError **error)
{
  g_autoptr (RpEnvironment) found = rp_environment_load (txn, app, environment, error);
  g_auto (RpKnownGood) known = { 0 };

  if (found == NULL || !rp_environment_load_window (txn, found, now_us, &known, error))
    return FALSE;
  for (guint i = 0; i < known.window->len; i++)
    if (!add_entry (txn, roots, app, environment, &g_array_index (known.window, RpWindowEntry, i),
                    i == 0, error))
      return FALSE;
  return TRUE;
}

/* Also of environments that are no longer declared: a line that was lost from a file must not cost what
 * production runs. */
static gboolean
add_windows (RpTxn *txn, GPtrArray *roots, gint64 now_us, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT app, name FROM environment ORDER BY app, ordinal", "");

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    if (!add_window (txn, roots, rp_rows_text (rows, i, 0), rp_rows_text (rows, i, 1), now_us,
                     error))
      return FALSE;
  return TRUE;
}

/* ---- what runs ---- */

static gboolean
add_running (RpTxn *txn, GPtrArray *roots, const RpRows *rows, gsize i, GError **error)
{
  const char *app = rp_rows_text (rows, i, 0), *environment = rp_rows_text (rows, i, 1);
  const char *digest = rp_rows_text (rows, i, 3);
  g_autoptr (json_t) about = json_object ();
  g_autofree char *text
      = g_strdup_printf ("what runs on %s/%s/%s", app, environment, rp_rows_text (rows, i, 2));

  json_object_set_new (about, "kind", json_string ("running"));
  json_object_set_new (about, "app", json_string (app));
  json_object_set_new (about, "environment", json_string (environment));
  json_object_set_new (about, "target", json_string (rp_rows_text (rows, i, 2)));
  if (digest != NULL && !add_root (txn, roots, digest, text, json_deep_copy (about), error))
    return FALSE;
  return rp_rows_is_null (rows, i, 4)
         || add_release (txn, roots, app, rp_rows_int (rows, i, 4), text, about, error);
}

/* By the agents' word, whatever its age. */
static gboolean
add_all_running (RpTxn *txn, GPtrArray *roots, GError **error)
{
  static const char sql[]
      = "SELECT t.app, t.environment, t.name, t.observed_digest, r.release FROM target t"
        " LEFT JOIN revision r ON r.app = t.app AND r.environment = t.environment"
        " AND r.number = t.revision WHERE t.observed_digest IS NOT NULL OR r.release IS NOT NULL"
        " ORDER BY t.app, t.environment, t.name";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "");

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    if (!add_running (txn, roots, rows, i, error))
      return FALSE;
  return TRUE;
}

/* ---- holds by hand ---- */

static gboolean
add_hold (RpTxn *txn, GPtrArray *roots, const RpRows *rows, gsize i, GError **error)
{
  const char *digest = rp_rows_text (rows, i, 1);
  gint64 until_us = rp_rows_int (rows, i, 6);
  g_autoptr (json_t) about = json_object ();
  g_autofree char *until = until_us > 0 ? rp_clock_format (until_us) : NULL;
  g_autofree char *text = g_strdup_printf (
      "hold %" G_GINT64_FORMAT " of %s (%s)%s%s", rp_rows_int (rows, i, 0), rp_rows_text (rows, i, 5),
      rp_rows_text (rows, i, 4), until != NULL ? " until " : "", until != NULL ? until : "");

  json_object_set_new (about, "kind", json_string ("hold"));
  json_object_set_new (about, "id", json_integer (rp_rows_int (rows, i, 0)));
  json_object_set_new (about, "because", json_string (rp_rows_text (rows, i, 4)));
  json_object_set_new (about, "until", until != NULL ? json_string (until) : json_null ());
  if (digest != NULL)
    return add_root (txn, roots, digest, text, json_deep_copy (about), error);
  return add_release (txn, roots, rp_rows_text (rows, i, 2), rp_rows_int (rows, i, 3), text, about,
                      error);
}

static gboolean
add_holds (RpTxn *txn, GPtrArray *roots, gint64 now_us, GError **error)
{
  static const char sql[]
      = "SELECT id, digest, app, release, because, actor, until_us FROM retention_hold"
        " WHERE ended_seq = 0 AND (until_us = 0 OR until_us > $1) ORDER BY id";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "i", now_us);

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    if (!add_hold (txn, roots, rows, i, error))
      return FALSE;
  return TRUE;
}

GPtrArray *
rp_roots_load (RpTxn *txn, GError **error)
{
  g_autoptr (GPtrArray) roots = g_ptr_array_new_with_free_func (rp_root_free);
  gint64 now_us = rp_clock_now_us ();

  if (!add_windows (txn, roots, now_us, error) || !add_all_running (txn, roots, error)
      || !add_holds (txn, roots, now_us, error))
    return NULL;
  return g_steal_pointer (&roots);
}

/* ---- referrers ---- */

static void
add_referrer (GPtrArray *all, const char *repository, const char *digest, char *subject)
{
  RpReferrer *referrer = g_new0 (RpReferrer, 1);

  referrer->repository = g_strdup (repository);
  referrer->digest = g_strdup (digest);
  referrer->subject = subject;
  g_ptr_array_add (all, referrer);
}

GPtrArray *
rp_referrers_load (RpTxn *txn, GError **error)
{
  static const char by_subject[]
      = "SELECT repository, digest, subject FROM manifest WHERE subject IS NOT NULL";
  static const char by_tag[] = "SELECT repository, digest, name FROM tag WHERE "
                               RP_SIGNATURE_TAGS_SQL ("name");
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (referrer_free);
  g_autoptr (RpRows) subjects = rp_txn_query (txn, error, by_subject, "");
  g_autoptr (RpRows) tags = subjects != NULL ? rp_txn_query (txn, error, by_tag, "") : NULL;

  if (tags == NULL)
    return NULL;
  for (gsize i = 0; i < rp_rows_count (subjects); i++)
    add_referrer (all, rp_rows_text (subjects, i, 0), rp_rows_text (subjects, i, 1),
                  g_strdup (rp_rows_text (subjects, i, 2)));
  for (gsize i = 0; i < rp_rows_count (tags); i++)
    {
      char *subject = rp_signature_subject (rp_rows_text (tags, i, 2));
      if (subject != NULL)
        add_referrer (all, rp_rows_text (tags, i, 0), rp_rows_text (tags, i, 1), subject);
    }
  return g_steal_pointer (&all);
}

RpRoot *
rp_root_of_referrer (const RpReferrer *referrer, const RpRoot *subject)
{
  RpRoot *root = g_new0 (RpRoot, 1);

  root->repository = g_strdup (referrer->repository);
  root->digest = g_strdup (referrer->digest);
  root->text = g_str_has_suffix (subject->text, REFERS)
                   ? g_strdup (subject->text)
                   : g_strconcat (subject->text, REFERS, NULL);
  root->reason = json_deep_copy (subject->reason);
  return root;
}
