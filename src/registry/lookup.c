/* From what a person has in hand (a few hex digits, a digest) to what there is. */
#include "registry/registry.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "registry/internal.h"

#define PREFIX_MIN       4 /* hex digits */
#define CANDIDATES_SHOWN 10

/* ---- a digest by its beginning ---- */

typedef struct {
  const char *prefix; /* as the person wrote it */
  char *low[2];       /* whole prefixes, with their algorithm; low[1] may be NULL */
  RpDigest found;
} Find;

static void
find_clear (Find *find)
{
  g_free (find->low[0]);
  g_free (find->low[1]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Find, find_clear)

static gboolean
set_prefix (Find *find, const char *prefix, GError **error)
{
  const char *colon = strchr (prefix, ':');
  g_autofree char *hex = g_ascii_strdown (colon ? colon + 1 : prefix, -1);
  g_autofree char *algorithm = colon ? g_strndup (prefix, (gsize) (colon - prefix)) : NULL;
  gsize size = strlen (hex);

  find->prefix = prefix;
  if (size < PREFIX_MIN || size > 128 || strspn (hex, "0123456789abcdef") != size
      || (algorithm && strcmp (algorithm, "sha256") != 0 && strcmp (algorithm, "sha512") != 0))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "\"%s\" is not the beginning of a digest: give at least %d hex digits, with or "
                   "without sha256: before them",
                   prefix, PREFIX_MIN);
      return FALSE;
    }
  find->low[0] = g_strconcat (algorithm ? algorithm : "sha256", ":", hex, NULL);
  find->low[1] = algorithm ? NULL : g_strconcat ("sha512:", hex, NULL);
  return TRUE;
}

static gboolean
ambiguous (const Find *find, const RpRows *rows, GError **error)
{
  g_autoptr (GString) list = g_string_new (NULL);
  gsize count = rp_rows_count (rows);

  for (gsize row = 0; row < MIN (count, CANDIDATES_SHOWN); row++)
    g_string_append_printf (list, "%s%s (%s)", row == 0 ? "" : ", ",
                            rp_rows_text (rows, row, 0), rp_rows_text (rows, row, 1));
  if (count > CANDIDATES_SHOWN)
    g_string_append (list, " and more");
  g_set_error (error, RP_ERROR, RP_ERROR_AMBIGUOUS,
               "\"%s\" is the beginning of more than one digest: %s; give more digits",
               find->prefix, list->str);
  return FALSE;
}

/* `g` comes right after the last hex digit, so that [prefix, prefix g) is all that begins with
 * it. */
static gboolean
find_candidates (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[]
      = "SELECT digest, group_concat(repository, ', ') FROM manifest "
        "WHERE (digest >= $1 AND digest < $1 || 'g') OR (digest >= $2 AND digest < $2 || 'g') "
        "GROUP BY digest ORDER BY digest LIMIT $3";
  Find *find = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "ssi", find->low[0], find->low[1],
                                          (gint64) CANDIDATES_SHOWN + 1);

  if (!rows)
    return FALSE;
  if (rp_rows_count (rows) > 1)
    return ambiguous (find, rows, error);
  if (rp_rows_count (rows) == 1)
    return rp_digest_parse (rp_rows_text (rows, 0, 0), &find->found, error);
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "no manifest in any repository has a digest that begins with \"%s\"",
               find->prefix);
  return FALSE;
}

gboolean
rp_registry_find_digest (RpRegistry *registry, const char *prefix, RpDigest *out, GError **error)
{
  g_auto (Find) find = { 0 };

  if (!set_prefix (&find, prefix, error)
      || !rp_db_read (registry->db, find_candidates, &find, error))
    return FALSE;
  *out = find.found;
  return TRUE;
}

/* ---- where a digest is ---- */

typedef struct {
  const RpDigest *digest;
  json_t *places;
} Where;

static gboolean
add_tags (RpTxn *txn, json_t *place, const char *repository, const char *digest, GError **error)
{
  static const char sql[]
      = "SELECT name FROM tag WHERE repository = $1 AND digest = $2 ORDER BY seq";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "ss", repository, digest);
  json_t *tags = json_array ();

  json_object_set_new (place, "tags", tags);
  if (!rows)
    return FALSE;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    json_array_append_new (tags, json_string (rp_rows_text (rows, row, 0)));
  return TRUE;
}

static gboolean
find_places (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[]
      = "SELECT repository, media_type, size, at_us FROM manifest WHERE digest = $1 "
        "UNION ALL SELECT repository, NULL, size, at_us FROM repo_blob WHERE digest = $1 "
        "ORDER BY 1, 2 DESC";
  Where *where = user_data;
  char digest[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "s", rp_digest_format (where->digest, digest));

  if (!rows)
    return FALSE;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    {
      g_autofree char *at = rp_clock_format (rp_rows_int (rows, row, 3));
      const char *media_type = rp_rows_text (rows, row, 1);
      json_t *place = json_object ();

      json_array_append_new (where->places, place);
      json_object_set_new (place, "repository", json_string (rp_rows_text (rows, row, 0)));
      json_object_set_new (place, "media_type",
                           media_type ? json_string (media_type) : json_null ());
      json_object_set_new (place, "size", json_integer (rp_rows_int (rows, row, 2)));
      json_object_set_new (place, "at", json_string (at));
      if (!add_tags (txn, place, rp_rows_text (rows, row, 0), digest, error))
        return FALSE;
    }
  return TRUE;
}

json_t *
rp_registry_where (RpRegistry *registry, const RpDigest *digest, GError **error)
{
  Where where = { digest, json_array () };

  if (rp_db_read (registry->db, find_places, &where, error))
    return where.places;
  json_decref (where.places);
  return NULL;
}
