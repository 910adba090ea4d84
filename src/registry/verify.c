/* Looking at the whole of an artifact.  A walk over manifests (always read and hashed: they are
 * small) collects what must be there; then each blob is looked at.  Whatever is wrong becomes a
 * line in the report and the walk goes on, so that one look tells all there is to push again.
 */
#include "registry/registry.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "oci/platform.h"
#include "registry/internal.h"

#define ITEMS_MAX 100000 /* of one artifact */

void
rp_verify_report_clear (RpVerifyReport *report)
{
  g_clear_pointer (&report->problems, g_ptr_array_unref);
}

typedef struct {
  RpDigest digest;
  guint64 size_bytes;
  gboolean size_known;
  gboolean is_manifest;
  char *media_type;
  gint64 verified_at_us; /* now, by us; 0: not hashed or not right */
} Item;

static void
item_free (gpointer data)
{
  Item *item = data;

  g_free (item->media_type);
  g_free (item);
}

typedef struct {
  RpRegistry *registry;
  const char *repository;
  RpVerifyMode mode;
  GPtrArray *items;  /* Item; those from `next` on have not been looked at */
  GHashTable *known; /* RpDigest → Item; borrowed from items */
  RpVerifyReport report;
} Verify;

G_GNUC_PRINTF (2, 3)
static void
problem (Verify *verify, const char *format, ...)
{
  va_list values;

  va_start (values, format);
  g_ptr_array_add (verify->report.problems, g_strdup_vprintf (format, values));
  va_end (values);
}

static gboolean
add_item (Verify *verify, const RpDigest *digest, const guint64 *size_bytes,
          const char *media_type, gboolean is_manifest, GError **error)
{
  Item *item;

  if (g_hash_table_contains (verify->known, digest))
    return TRUE;
  if (verify->items->len >= ITEMS_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "the artifact names more than %d manifests and blobs", ITEMS_MAX);
      return FALSE;
    }
  item = g_new0 (Item, 1);
  item->digest = *digest;
  item->size_known = size_bytes != NULL;
  item->size_bytes = size_bytes ? *size_bytes : 0;
  item->media_type = g_strdup (media_type);
  item->is_manifest = is_manifest;
  g_ptr_array_add (verify->items, item);
  g_hash_table_insert (verify->known, &item->digest, item);
  return TRUE;
}

/* ---- what can be wrong with one item ---- */

typedef struct {
  Verify *verify;
  const Item *item;
  gboolean known;
  guint64 size_bytes;
} RecordJob;

static gboolean
find_record (RpTxn *txn, gpointer user_data, GError **error)
{
  RecordJob *job = user_data;

  if (job->item->is_manifest)
    return rp_registry_find_manifest (txn, job->verify->repository, &job->item->digest,
                                      &job->known, &job->size_bytes, error);
  return rp_registry_find_blob (txn, job->verify->repository, &job->item->digest, &job->known,
                                &job->size_bytes, error);
}

/* FALSE: the item has its problem and need not be looked at; an error is in *error. */
static gboolean
check_record (Verify *verify, Item *item, gboolean *out_go_on, GError **error)
{
  RecordJob job = { verify, item, FALSE, 0 };
  char text[RP_DIGEST_STRING_SIZE];

  *out_go_on = FALSE;
  if (!rp_db_read (verify->registry->db, find_record, &job, error))
    return FALSE;
  rp_digest_format (&item->digest, text);
  if (!job.known)
    problem (verify, "missing: repository %s does not have %s %s", verify->repository,
             item->is_manifest ? "manifest" : "blob", text);
  else if (item->size_known && job.size_bytes != item->size_bytes)
    problem (verify,
             "wrong: %s has %" G_GUINT64_FORMAT " bytes where the manifest says %" G_GUINT64_FORMAT,
             text, job.size_bytes, item->size_bytes);
  else
    *out_go_on = TRUE;
  item->size_bytes = job.known ? job.size_bytes : item->size_bytes;
  item->size_known = TRUE;
  return TRUE;
}

/* The store says that the bytes are wrong. */
static gboolean
condemn (Verify *verify, const Item *item, GError **error)
{
  g_autofree char *found = NULL;
  char text[RP_DIGEST_STRING_SIZE];

  if (!rp_registry_condemn (verify->registry, &item->digest, &found, error))
    return FALSE;
  rp_digest_format (&item->digest, text);
  if (found)
    problem (verify, "damaged: the bytes of %s are %s; they were quarantined: push it again", text,
             found);
  else
    problem (verify, "damaged: %s was damaged and has changed since: look again", text);
  return TRUE;
}

/* An error of the store is a problem of this one item, not an end of looking. */
static gboolean
explain (Verify *verify, const Item *item, const GError *cause, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];

  rp_digest_format (&item->digest, text);
  if (g_error_matches (cause, RP_ERROR, RP_ERROR_CORRUPT))
    return condemn (verify, item, error);
  if (g_error_matches (cause, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    {
      rp_registry_note_hurt (verify->registry, &item->digest);
      problem (verify, "missing: the bytes of %s are not in the store: push it again", text);
    }
  else
    problem (verify, "unreadable: %s: %s", text, cause->message);
  return TRUE;
}

/* ---- manifests ---- */

static gboolean
add_named (Verify *verify, const RpManifest *manifest, GError **error)
{
  for (guint i = 0; i < manifest->descriptors->len; i++)
    {
      const RpDescriptor *descriptor = g_ptr_array_index (manifest->descriptors, i);

      if (!descriptor->foreign
          && !add_item (verify, &descriptor->digest, &descriptor->size_bytes,
                        descriptor->media_type, descriptor->role == RP_DESCRIPTOR_MANIFEST,
                        error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
look_at_manifest (Verify *verify, Item *item, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (GBytes) bytes = rp_store_read (verify->registry->store, &item->digest,
                                            RP_MANIFEST_LIMIT, &local);
  g_autoptr (RpManifest) manifest = NULL;
  char text[RP_DIGEST_STRING_SIZE];

  if (!bytes)
    return explain (verify, item, local, error);
  item->verified_at_us = rp_clock_now_us ();
  manifest = rp_manifest_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                                item->media_type, &local);
  if (manifest)
    return add_named (verify, manifest, error);
  problem (verify, "wrong: %s: %s", rp_digest_format (&item->digest, text), local->message);
  return TRUE;
}

/* ---- blobs ---- */

static gboolean
look_at_blob (Verify *verify, Item *item, GError **error)
{
  g_autoptr (GError) local = NULL;
  RpBlobInfo info;

  if (!rp_store_stat (verify->registry->store, &item->digest, &info, &local))
    return explain (verify, item, local, error);
  if (info.size_bytes != item->size_bytes)
    return condemn (verify, item, error);
  if (verify->mode == RP_VERIFY_PRESENT)
    return TRUE;
  if (!rp_store_verify (verify->registry->store, &item->digest, &local))
    return explain (verify, item, local, error);
  item->verified_at_us = rp_clock_now_us ();
  return TRUE;
}

static gboolean
look_at (Verify *verify, Item *item, GError **error)
{
  gboolean go_on = FALSE;

  if (!check_record (verify, item, &go_on, error))
    return FALSE;
  verify->report.blobs++;
  verify->report.size_bytes += item->size_bytes;
  if (!go_on)
    return TRUE;
  return item->is_manifest ? look_at_manifest (verify, item, error)
                           : look_at_blob (verify, item, error);
}

/* ---- when ---- */

static gboolean
note_all (RpTxn *txn, gpointer user_data, GError **error)
{
  Verify *verify = user_data;

  for (guint i = 0; i < verify->items->len; i++)
    {
      Item *item = g_ptr_array_index (verify->items, i);

      if (item->verified_at_us
          && !rp_registry_note_verified (txn, &item->digest, item->verified_at_us, error))
        return FALSE;
    }
  return TRUE;
}

/* A manifest was hashed just now in either mode; a blob of which nothing is known counts as
 * never. */
static gboolean
find_oldest (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[] = "SELECT at_us FROM verified WHERE digest = $1 AND ok = 1";
  Verify *verify = user_data;
  gint64 oldest = G_MAXINT64;

  for (guint i = 0; i < verify->items->len; i++)
    {
      const Item *item = g_ptr_array_index (verify->items, i);
      char text[RP_DIGEST_STRING_SIZE];
      g_autoptr (RpRows) rows = NULL;

      if (item->verified_at_us)
        {
          oldest = MIN (oldest, item->verified_at_us);
          continue;
        }
      rows = rp_txn_query (txn, error, sql, "s", rp_digest_format (&item->digest, text));
      if (!rows)
        return FALSE;
      oldest = MIN (oldest, rp_rows_count (rows) > 0 ? rp_rows_int (rows, 0, 0) : 0);
    }
  verify->report.oldest_verified_at_us = oldest == G_MAXINT64 ? 0 : oldest;
  return TRUE;
}

/* ---- the whole ---- */

static gboolean
run (Verify *verify, const RpDigest *root, GError **error)
{
  if (!add_item (verify, root, NULL, NULL, TRUE, error))
    return FALSE;
  for (guint next = 0; next < verify->items->len; next++)
    if (!look_at (verify, g_ptr_array_index (verify->items, next), error))
      return FALSE;
  if (verify->mode == RP_VERIFY_HASH
      && !rp_db_write (verify->registry->db, note_all, verify, error))
    return FALSE;
  return rp_db_read (verify->registry->db, find_oldest, verify, error);
}

gboolean
rp_registry_verify (RpRegistry *registry, const char *repository, const RpDigest *digest,
                    RpVerifyMode mode, RpVerifyReport *out, GError **error)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (item_free);
  g_autoptr (GHashTable) known = g_hash_table_new (rp_digest_hash, rp_digest_equal);
  Verify verify = { .registry = registry, .repository = repository, .mode = mode, .items = items,
                    .known = known };
  gboolean ok;

  verify.report.problems = g_ptr_array_new_with_free_func (g_free);
  ok = run (&verify, digest, error);
  if (ok)
    *out = verify.report;
  else
    rp_verify_report_clear (&verify.report);
  return ok;
}

/* ---- the closure ---- */

typedef struct {
  RpRegistry *registry;
  const char *repository;
} Loader;

static GBytes *
load (const RpDigest *digest, const char *media_type, gpointer user_data, GError **error)
{
  Loader *loader = user_data;
  g_auto (RpManifestInfo) info = { 0 };
  GBytes *bytes = NULL;
  char text[RP_DIGEST_STRING_SIZE];

  if (!rp_registry_manifest_get (loader->registry, loader->repository,
                                 rp_digest_format (digest, text), &info, &bytes, error))
    return NULL;
  return bytes;
}

static GBytes *
load_kept (const RpDigest *digest, const char *media_type, gpointer user_data, GError **error)
{
  Loader *loader = user_data;
  g_autoptr (GError) local = NULL;
  GBytes *bytes = load (digest, media_type, loader, &local);

  if (bytes)
    return bytes;
  if (g_error_matches (local, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN))
    return rp_store_read (loader->registry->store, digest, RP_MANIFEST_LIMIT, error);
  g_propagate_error (error, g_steal_pointer (&local));
  return NULL;
}

static RpClosure *
walk (RpRegistry *registry, const char *repository, const RpDigest *digest, RpManifestLoader loads,
      GError **error)
{
  Loader loader = { registry, repository };
  g_auto (RpManifestInfo) info = { 0 };
  char text[RP_DIGEST_STRING_SIZE];

  if (!rp_registry_manifest_get (registry, repository, rp_digest_format (digest, text), &info,
                                 NULL, error))
    return NULL;
  return rp_closure_walk (digest, info.media_type, loads, &loader, error);
}

RpClosure *
rp_registry_closure (RpRegistry *registry, const char *repository, const RpDigest *digest,
                     GError **error)
{
  return walk (registry, repository, digest, load, error);
}

RpClosure *
rp_registry_kept_closure (RpRegistry *registry, const char *repository, const RpDigest *digest,
                          GError **error)
{
  return walk (registry, repository, digest, load_kept, error);
}

gboolean
rp_registry_pick (RpRegistry *registry, const char *repository, const RpDigest *digest,
                  const char *platform, RpDigest *out, GError **error)
{
  Loader loader = { registry, repository };

  return rp_platform_pick (digest, platform, load, &loader, out, error);
}
