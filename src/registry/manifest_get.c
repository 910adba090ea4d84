#include "registry/registry.h"

#include <string.h>

#include "base/error.h"
#include "oci/reference.h"
#include "registry/internal.h"

#define TAGS_SHOWN 5

typedef struct {
  const char *repository;
  const char *reference;
  gboolean by_tag;
  RpManifestInfo info;
  gboolean known;
} Get;

static gboolean
fill_info (const RpRows *rows, RpManifestInfo *out, GError **error)
{
  const char *subject = rp_rows_text (rows, 0, 3);

  if (!rp_digest_parse (rp_rows_text (rows, 0, 0), &out->digest, error)
      || (subject && !rp_digest_parse (subject, &out->subject, error)))
    return FALSE;
  out->media_type = g_strdup (rp_rows_text (rows, 0, 1));
  out->size_bytes = (guint64) rp_rows_int (rows, 0, 2);
  out->has_subject = subject != NULL;
  return TRUE;
}

static gboolean
look_up (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char by_digest[] = "SELECT digest, media_type, size, subject FROM manifest "
                                  "WHERE repository = $1 AND digest = $2";
  static const char by_tag[]
      = "SELECT m.digest, m.media_type, m.size, m.subject FROM tag t "
        "JOIN manifest m ON m.repository = t.repository AND m.digest = t.digest "
        "WHERE t.repository = $1 AND t.name = $2";
  Get *get = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, get->by_tag ? by_tag : by_digest, "ss",
                                          get->repository, get->reference);

  if (!rows)
    return FALSE;
  get->known = rp_rows_count (rows) > 0;
  return !get->known || fill_info (rows, &get->info, error);
}

/* ---- saying what there is instead ---- */

/* Fills the GString with the newest tags of the repository. */
typedef struct {
  const char *repository;
  GString *text;
} Hint;

static gboolean
describe_tags (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[]
      = "SELECT name FROM tag WHERE repository = $1 ORDER BY seq DESC LIMIT $2";
  Hint *hint = user_data;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "si", hint->repository, (gint64) TAGS_SHOWN);

  if (!rows)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    g_string_append (hint->text, "it has no tags");
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    g_string_append_printf (hint->text, "%s%s", row == 0 ? "its newest tags are " : ", ",
                            rp_rows_text (rows, row, 0));
  return TRUE;
}

static gboolean
unknown (RpRegistry *registry, const Get *get, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  Hint hint = { get->repository, text };

  if (!rp_db_read (registry->db, describe_tags, &hint, error))
    return FALSE;
  g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN, "repository %s has no %s %s; %s",
               get->repository, get->by_tag ? "tag" : "manifest", get->reference, text->str);
  return FALSE;
}

static gboolean
lost (RpRegistry *registry, const Get *get, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];

  rp_registry_note_hurt (registry, &get->info.digest);
  g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN,
               "the bytes of manifest %s of %s are missing from the store or were damaged: push it "
               "again",
               rp_digest_format (&get->info.digest, text), get->repository);
  return FALSE;
}

/* ---- the bytes ---- */

/* What the store says of one blob becomes what a client should know of one manifest. */
static gboolean
explain (RpRegistry *registry, const Get *get, GError *cause, GError **error)
{
  g_autofree char *found = NULL;

  if (g_error_matches (cause, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    {
      g_error_free (cause);
      return lost (registry, get, error);
    }
  /* Larger than any manifest is damage as well. */
  if ((g_error_matches (cause, RP_ERROR, RP_ERROR_CORRUPT)
       || g_error_matches (cause, RP_ERROR, RP_ERROR_TOO_LARGE))
      && !rp_registry_condemn (registry, &get->info.digest, &found, NULL))
    g_prefix_error (&cause, "the damaged bytes could not be quarantined: ");
  g_propagate_error (error, cause);
  return FALSE;
}

static gboolean
check_there (RpRegistry *registry, const Get *get, GError **error)
{
  GError *local = NULL;
  RpBlobInfo info;
  g_autofree char *found = NULL;

  if (!rp_store_stat (registry->store, &get->info.digest, &info, &local))
    return explain (registry, get, local, error);
  if (info.size_bytes == get->info.size_bytes)
    return TRUE;
  return rp_registry_condemn (registry, &get->info.digest, &found, error) && lost (registry, get, error);
}

static gboolean
read_bytes (RpRegistry *registry, const Get *get, GBytes **out, GError **error)
{
  GError *local = NULL;
  GBytes *bytes
      = rp_store_read (registry->store, &get->info.digest, RP_MANIFEST_LIMIT, &local);

  if (!bytes)
    return explain (registry, get, local, error);
  *out = bytes;
  return TRUE;
}

gboolean
rp_registry_manifest_get (RpRegistry *registry, const char *repository, const char *reference,
                          RpManifestInfo *out, GBytes **out_bytes, GError **error)
{
  Get get = { .repository = repository, .reference = reference,
              .by_tag = strchr (reference, ':') == NULL };
  RpDigest digest;
  gboolean ok;

  if (!rp_repository_check (repository, error))
    return FALSE;
  if (get.by_tag ? !rp_tag_check (reference, error) : !rp_digest_parse (reference, &digest, error))
    return FALSE;
  if (!rp_db_read (registry->db, look_up, &get, error))
    return FALSE;
  if (!get.known)
    return unknown (registry, &get, error);
  ok = out_bytes ? read_bytes (registry, &get, out_bytes, error)
                 : check_there (registry, &get, error);
  if (!ok)
    {
      rp_manifest_info_clear (&get.info);
      return FALSE;
    }
  *out = get.info;
  return TRUE;
}
