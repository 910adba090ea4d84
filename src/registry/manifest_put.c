/* Taking a manifest in.  In this order:
 *
 *  1. what can be said from the bytes alone: name, digest, form;
 *  2. all that it names is recorded in the repository and lies in the store with the size it says;
 *  3. the bytes are made durable in the store;
 *  4. in one transaction: 2 and the tag are looked at again, then the events are appended.
 *
 * `bytes_lock` is held for reading from 2 to 4, so that nothing is quarantined in between.
 */
#include "registry/registry.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "oci/reference.h"
#include "registry/internal.h"

#define MISSING_SHOWN 20 /* digests in one message */

typedef struct {
  RpRegistry *registry;
  const char *repository;
  const char *actor;
  const char *tag; /* or NULL */
  const void *data;
  gsize size;
  RpDigest digest;
  RpManifest *manifest;
} Put;

/* ---- the bytes alone ---- */

static gboolean
check_digest (Put *put, const char *reference, GError **error)
{
  RpDigest wanted;
  char wanted_text[RP_DIGEST_STRING_SIZE], found_text[RP_DIGEST_STRING_SIZE];

  if (!rp_digest_parse (reference, &wanted, error))
    return FALSE;
  put->digest = rp_digest_of (wanted.algorithm, put->data, put->size);
  if (rp_digest_equal (&put->digest, &wanted))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DIGEST_MISMATCH,
               "the manifest was sent as %s but its bytes are %s: they were changed on the way, or "
               "the wrong file was sent",
               rp_digest_format (&wanted, wanted_text),
               rp_digest_format (&put->digest, found_text));
  return FALSE;
}

static gboolean
check_reference (Put *put, const char *reference, GError **error)
{
  if (!rp_repository_check (put->repository, error))
    return FALSE;
  if (strchr (reference, ':'))
    return check_digest (put, reference, error);
  put->tag = reference;
  put->digest = rp_digest_of (RP_DIGEST_SHA256, put->data, put->size);
  return rp_tag_check (reference, error);
}

/* ---- what it names ---- */

static const char *
role_name (const RpDescriptor *descriptor)
{
  static const char *const names[] = { [RP_DESCRIPTOR_MANIFEST] = "manifest",
                                       [RP_DESCRIPTOR_CONFIG] = "config",
                                       [RP_DESCRIPTOR_LAYER] = "layer" };

  return names[descriptor->role];
}

static gboolean
check_size (const RpDescriptor *descriptor, guint64 size, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];

  if (descriptor->size_bytes == size)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_SIZE_INVALID,
               "the manifest says that %s %s has %" G_GUINT64_FORMAT
               " bytes, but it has %" G_GUINT64_FORMAT,
               role_name (descriptor), rp_digest_format (&descriptor->digest, text),
               descriptor->size_bytes, size);
  return FALSE;
}

/* Adds what is not recorded to `missing` (RpDescriptor, borrowed). */
static gboolean
check_recorded (RpTxn *txn, const Put *put, GPtrArray *missing, GError **error)
{
  for (guint i = 0; i < put->manifest->descriptors->len; i++)
    {
      RpDescriptor *descriptor = g_ptr_array_index (put->manifest->descriptors, i);
      gboolean known = FALSE, ok;
      guint64 size = 0;

      if (descriptor->role == RP_DESCRIPTOR_MANIFEST)
        ok = rp_registry_find_manifest (txn, put->repository, &descriptor->digest, &known, &size,
                                        error);
      else
        ok = rp_registry_find_blob (txn, put->repository, &descriptor->digest, &known, &size,
                                    error);
      if (!ok || (known && !check_size (descriptor, size, error)))
        return FALSE;
      if (!known && !descriptor->foreign)
        g_ptr_array_add (missing, descriptor);
    }
  return TRUE;
}

static gboolean
refuse_missing (const Put *put, GPtrArray *missing, GError **error)
{
  g_autoptr (GString) list = g_string_new (NULL);
  char text[RP_DIGEST_STRING_SIZE];

  for (guint i = 0; i < missing->len && i < MISSING_SHOWN; i++)
    {
      const RpDescriptor *descriptor = g_ptr_array_index (missing, i);

      g_string_append_printf (list, "%s%s %s", i > 0 ? ", " : "", role_name (descriptor),
                              rp_digest_format (&descriptor->digest, text));
    }
  if (missing->len > MISSING_SHOWN)
    g_string_append_printf (list, " and %u more", missing->len - MISSING_SHOWN);
  g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_BLOB_UNKNOWN,
               "the manifest names what repository %s does not have: %s; push %s first",
               put->repository, list->str, missing->len == 1 ? "it" : "them");
  return FALSE;
}

/* ---- the tag ---- */

static gboolean
refuse_tag (const Put *put, const RpRows *rows, GError **error)
{
  g_autofree char *at = rp_clock_format (rp_rows_int (rows, 0, 1));
  char pushed[RP_DIGEST_STRING_SIZE];

  g_set_error (error, RP_ERROR, RP_ERROR_TAG_IMMUTABLE,
               "tag \"%s\" of %s already names %s (pushed %s by %s) and tags are write-once, so it "
               "cannot name %s: push under a new tag, or deploy by digest",
               put->tag, put->repository, rp_rows_text (rows, 0, 0), at,
               rp_rows_text (rows, 0, 2), rp_digest_format (&put->digest, pushed));
  return FALSE;
}

/* *out_new: the tag is free. */
static gboolean
check_tag (RpTxn *txn, const Put *put, gboolean *out_new, GError **error)
{
  static const char sql[]
      = "SELECT digest, at_us, actor FROM tag WHERE repository = $1 AND name = $2";
  g_autoptr (RpRows) rows = NULL;
  char text[RP_DIGEST_STRING_SIZE];

  *out_new = FALSE;
  if (!put->tag)
    return TRUE;
  rows = rp_txn_query (txn, error, sql, "ss", put->repository, put->tag);
  if (!rows)
    return FALSE;
  *out_new = rp_rows_count (rows) == 0;
  if (*out_new || strcmp (rp_rows_text (rows, 0, 0), rp_digest_format (&put->digest, text)) == 0)
    return TRUE;
  return refuse_tag (put, rows, error);
}

/* ---- recording ---- */

/* The same bytes may be pushed again, but not as something else: they would be served as both. */
static gboolean
check_media_type (RpTxn *txn, const Put *put, gboolean *out_new, GError **error)
{
  static const char sql[]
      = "SELECT media_type FROM manifest WHERE repository = $1 AND digest = $2";
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "ss", put->repository,
                                          rp_digest_format (&put->digest, text));

  if (!rows)
    return FALSE;
  *out_new = rp_rows_count (rows) == 0;
  if (*out_new || strcmp (rp_rows_text (rows, 0, 0), put->manifest->media_type) == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_INVALID,
               "manifest %s is recorded as %s and cannot be %s as well: push it with the first "
               "type, or put a mediaType into it",
               text, rp_rows_text (rows, 0, 0), put->manifest->media_type);
  return FALSE;
}

/* Annotations are recorded for referrers alone, whose lists show them. */
static json_t *
describe (const Put *put)
{
  const RpManifest *manifest = put->manifest;
  json_t *body = json_object ();
  char text[RP_DIGEST_STRING_SIZE];

  json_object_set_new (body, "repository", json_string (put->repository));
  json_object_set_new (body, "digest", json_string (rp_digest_format (&put->digest, text)));
  json_object_set_new (body, "size", json_integer ((json_int_t) put->size));
  json_object_set_new (body, "media_type", json_string (manifest->media_type));
  if (manifest->artifact_type)
    json_object_set_new (body, "artifact_type", json_string (manifest->artifact_type));
  if (!manifest->has_subject)
    return body;
  json_object_set_new (body, "subject",
                       json_string (rp_digest_format (&manifest->subject, text)));
  json_object_set_new (body, "annotations", json_loads (manifest->annotations_json, 0, NULL));
  return body;
}

static gboolean
append_manifest (RpTxn *txn, const Put *put, GError **error)
{
  g_autoptr (json_t) body = describe (put);

  return rp_ledger_append (put->registry->ledger, txn, put->actor, "manifest.added", body, NULL,
                           error);
}

static gboolean
append_tag (RpTxn *txn, const Put *put, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  char text[RP_DIGEST_STRING_SIZE];

  json_object_set_new (body, "repository", json_string (put->repository));
  json_object_set_new (body, "tag", json_string (put->tag));
  json_object_set_new (body, "digest", json_string (rp_digest_format (&put->digest, text)));
  return rp_ledger_append (put->registry->ledger, txn, put->actor, "tag.created", body, NULL,
                           error);
}

typedef struct {
  gboolean new_manifest;
  gboolean new_tag;
} Findings;

static gboolean
check_all (RpTxn *txn, const Put *put, Findings *out, GError **error)
{
  g_autoptr (GPtrArray) missing = g_ptr_array_new ();

  if (!check_tag (txn, put, &out->new_tag, error)
      || !check_media_type (txn, put, &out->new_manifest, error)
      || !check_recorded (txn, put, missing, error))
    return FALSE;
  return missing->len == 0 || refuse_missing (put, missing, error);
}

static gboolean
record (RpTxn *txn, gpointer user_data, GError **error)
{
  const Put *put = user_data;
  gboolean damaged = FALSE;
  Findings findings;

  if (!check_all (txn, put, &findings, error)
      || !rp_registry_is_damaged (txn, &put->digest, &damaged, error)
      || !rp_registry_note_verified (txn, &put->digest, rp_clock_now_us (), error))
    return FALSE;
  if ((findings.new_manifest || damaged) && !append_manifest (txn, put, error))
    return FALSE;
  return !findings.new_tag || append_tag (txn, put, error);
}

static gboolean
check_before (RpTxn *txn, gpointer user_data, GError **error)
{
  Findings findings;

  return check_all (txn, user_data, &findings, error);
}

/* Recorded is not enough: what was lost or quarantined since must be pushed again. */
static gboolean
check_stored (const Put *put, GError **error)
{
  g_autoptr (GPtrArray) missing = g_ptr_array_new ();

  for (guint i = 0; i < put->manifest->descriptors->len; i++)
    {
      RpDescriptor *descriptor = g_ptr_array_index (put->manifest->descriptors, i);
      g_autoptr (GError) local = NULL;
      RpBlobInfo info;

      if (descriptor->foreign)
        continue;
      if (rp_store_stat (put->registry->store, &descriptor->digest, &info, &local))
        {
          if (info.size_bytes != descriptor->size_bytes)
            g_ptr_array_add (missing, descriptor);
        }
      else if (g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
        g_ptr_array_add (missing, descriptor);
      else
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
    }
  return missing->len == 0 || refuse_missing (put, missing, error);
}

static gboolean
put_locked (Put *put, GError **error)
{
  return rp_db_read (put->registry->db, check_before, put, error) && check_stored (put, error)
         && rp_store_put (put->registry->store, &put->digest, put->data, put->size, error)
         && rp_db_write (put->registry->db, record, put, error);
}

gboolean
rp_registry_manifest_put (RpRegistry *registry, const char *repository, const char *reference,
                          const char *media_type, const void *data, gsize size, const char *actor,
                          RpManifestInfo *out, GError **error)
{
  Put put = { .registry = registry, .repository = repository, .actor = actor, .data = data,
              .size = size };
  g_autoptr (RpManifest) manifest = NULL;
  gboolean ok;

  if (size > RP_MANIFEST_LIMIT)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "the manifest has %" G_GSIZE_FORMAT " bytes and may have %d at most: put large "
                   "content into layers",
                   size, RP_MANIFEST_LIMIT);
      return FALSE;
    }
  if (!check_reference (&put, reference, error))
    return FALSE;
  manifest = put.manifest = rp_manifest_parse (data, size, media_type, error);
  if (!manifest)
    return FALSE;
  g_rw_lock_reader_lock (&registry->bytes_lock);
  ok = put_locked (&put, error);
  g_rw_lock_reader_unlock (&registry->bytes_lock);
  if (!ok)
    return FALSE;
  *out = (RpManifestInfo){ .digest = put.digest, .media_type = g_strdup (manifest->media_type),
                           .size_bytes = size, .has_subject = manifest->has_subject,
                           .subject = manifest->subject };
  return TRUE;
}

void
rp_manifest_info_clear (RpManifestInfo *info)
{
  g_clear_pointer (&info->media_type, g_free);
}
