/* Taking a manifest in.  In this order:
 *
 *  1. what can be said from the bytes alone: name, digest, form;
 *  2. all that it names is recorded in the repository and lies in the store with the size it says;
 *  3. the bytes are made durable in the store;
 *  4. in one transaction: 2 and the tag are looked at again, then the events are appended.
 *
 * The bytes of all that is named are in use from 2 to 4, so that nothing goes out of sight in
 * between; what was condemned is rescued, and all is looked at again.
 */
#include "registry/registry.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "oci/reference.h"
#include "registry/internal.h"
#include "registry/policy.h"
#include "registry/use.h"

#define MISSING_SHOWN 20 /* digests in one message */

typedef struct {
  RpRegistry *registry;
  const char *repository;
  const char *actor;
  const char *const *tags; /* NULL-ended */
  const void *data;
  gsize size;
  RpDigest digest;
  RpManifest *manifest;
  gboolean kept;   /* another registry has it whole: something may be missing here */
  gboolean sparse; /* ... or the policy allows that */
} Put;

/* ---- the bytes alone ---- */

static gboolean
check_digest (Put *put, const RpDigest *wanted, GError **error)
{
  char wanted_text[RP_DIGEST_STRING_SIZE], found_text[RP_DIGEST_STRING_SIZE];

  put->digest = rp_digest_of (wanted->algorithm, put->data, put->size);
  if (rp_digest_equal (&put->digest, wanted))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DIGEST_MISMATCH,
               "the manifest was sent as %s but its bytes are %s: they were changed on the way, or "
               "the wrong file was sent",
               rp_digest_format (wanted, wanted_text), rp_digest_format (&put->digest, found_text));
  return FALSE;
}

static gboolean
check_tags (const Put *put, GError **error)
{
  for (guint i = 0; put->tags[i] != NULL; i++)
    if (!rp_tag_check (put->tags[i], error))
      return FALSE;
  return TRUE;
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
refuse_tag (const Put *put, const char *tag, const RpRows *rows, GError **error)
{
  g_autofree char *at = rp_clock_format (rp_rows_int (rows, 0, 1));
  char pushed[RP_DIGEST_STRING_SIZE];

  g_set_error (error, RP_ERROR, RP_ERROR_TAG_IMMUTABLE,
               "tag \"%s\" of %s already names %s (pushed %s by %s) and tags are write-once, so it "
               "cannot name %s: push under a new tag, or deploy by digest",
               tag, put->repository, rp_rows_text (rows, 0, 0), at, rp_rows_text (rows, 0, 2),
               rp_digest_format (&put->digest, pushed));
  return FALSE;
}

/* A name that was deleted, where the policy burns those. */
static gboolean
check_burnt (RpTxn *txn, const Put *put, const char *tag, GError **error)
{
  static const char sql[] = "SELECT digest FROM former_tag WHERE repository = $1 AND name = $2";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "ss", put->repository, tag);
  char pushed[RP_DIGEST_STRING_SIZE];

  if (!rows)
    return FALSE;
  rp_digest_format (&put->digest, pushed);
  if (rp_rows_count (rows) == 0 || strcmp (rp_rows_text (rows, 0, 0), pushed) == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_TAG_IMMUTABLE,
               "tag \"%s\" of %s named %s before it was deleted, and deleted tags are burnt in this "
               "repository, so it cannot name %s: push under a new tag",
               tag, put->repository, rp_rows_text (rows, 0, 0), pushed);
  return FALSE;
}

typedef enum { TAG_SAME, TAG_NEW, TAG_MOVES } TagChange;

/* *out_from is what the tag names until now, where it moves: g_free(). */
static gboolean
check_tag (RpTxn *txn, const Put *put, const RpPolicy *policy, const char *tag, TagChange *out,
           char **out_from, GError **error)
{
  static const char sql[]
      = "SELECT digest, at_us, actor FROM tag WHERE repository = $1 AND name = $2";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "ss", put->repository, tag);
  char text[RP_DIGEST_STRING_SIZE];

  if (!rows)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    {
      *out = TAG_NEW;
      return !policy->burnt_tags || rp_tag_is_signature (tag)
             || check_burnt (txn, put, tag, error);
    }
  *out = TAG_SAME;
  if (strcmp (rp_rows_text (rows, 0, 0), rp_digest_format (&put->digest, text)) == 0)
    return TRUE;
  if (!rp_policy_tag_may_move (policy, tag))
    return refuse_tag (put, tag, rows, error);
  *out = TAG_MOVES;
  *out_from = g_strdup (rp_rows_text (rows, 0, 0));
  return TRUE;
}

static gboolean
check_all_tags (RpTxn *txn, const Put *put, const RpPolicy *policy, GError **error)
{
  for (guint i = 0; put->tags[i] != NULL; i++)
    {
      g_autofree char *from = NULL;
      TagChange change;

      if (!check_tag (txn, put, policy, put->tags[i], &change, &from, error))
        return FALSE;
    }
  return TRUE;
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
  json_object_set_new (body, "references", rp_registry_references (manifest));
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
append_tag (RpTxn *txn, const Put *put, const char *tag, const char *from, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  char text[RP_DIGEST_STRING_SIZE];

  json_object_set_new (body, "repository", json_string (put->repository));
  json_object_set_new (body, "tag", json_string (tag));
  json_object_set_new (body, "digest", json_string (rp_digest_format (&put->digest, text)));
  if (from)
    json_object_set_new (body, "from", json_string (from));
  return rp_ledger_append (put->registry->ledger, txn, put->actor,
                           from ? "tag.moved" : "tag.created", body, NULL, error);
}

/* Each is looked at again right before: the list may name one twice. */
static gboolean
append_tags (RpTxn *txn, const Put *put, const RpPolicy *policy, GError **error)
{
  for (guint i = 0; put->tags[i] != NULL; i++)
    {
      g_autofree char *from = NULL;
      TagChange change;

      if (!check_tag (txn, put, policy, put->tags[i], &change, &from, error)
          || (change != TAG_SAME && !append_tag (txn, put, put->tags[i], from, error)))
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_all (RpTxn *txn, const Put *put, const RpPolicy *policy, gboolean *out_new_manifest,
           GError **error)
{
  g_autoptr (GPtrArray) missing = g_ptr_array_new ();

  if (!check_all_tags (txn, put, policy, error)
      || !check_media_type (txn, put, out_new_manifest, error)
      || !rp_use_check (txn, put->repository, &put->digest, put->size, error)
      || !check_recorded (txn, put, missing, error))
    return FALSE;
  return missing->len == 0 || put->kept || policy->allow_sparse || refuse_missing (put, missing, error);
}

static gboolean
record (RpTxn *txn, gpointer user_data, GError **error)
{
  const Put *put = user_data;
  g_auto (RpPolicy) policy = { 0 };
  gboolean damaged = FALSE, new_manifest = FALSE;

  if (!rp_policy_find (txn, put->repository, &policy, error)
      || !check_all (txn, put, &policy, &new_manifest, error)
      || !rp_registry_is_damaged (txn, &put->digest, &damaged, error)
      || !rp_registry_note_verified (txn, &put->digest, rp_clock_now_us (), error))
    return FALSE;
  if ((new_manifest || damaged) && !append_manifest (txn, put, error))
    return FALSE;
  return append_tags (txn, put, &policy, error);
}

static gboolean
check_before (RpTxn *txn, gpointer user_data, GError **error)
{
  Put *put = user_data;
  g_auto (RpPolicy) policy = { 0 };
  gboolean new_manifest;

  if (!rp_policy_find (txn, put->repository, &policy, error)
      || !check_all (txn, put, &policy, &new_manifest, error))
    return FALSE;
  put->sparse = put->kept || policy.allow_sparse;
  return TRUE;
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

/* What was condemned comes back, so that who was told that it is there finds it. */
static gboolean
rescue_named (const Put *put, gboolean *out_any, GError **error)
{
  for (guint i = 0; i < put->manifest->descriptors->len; i++)
    {
      const RpDescriptor *descriptor = g_ptr_array_index (put->manifest->descriptors, i);
      gboolean rescued = FALSE;

      if (!rp_registry_rescue (put->registry, &descriptor->digest, put->actor, &rescued, error))
        return FALSE;
      *out_any = *out_any || rescued;
    }
  return TRUE;
}

static void
name_bytes (const Put *put, RpByteSet *bytes)
{
  rp_byte_set_add (bytes, &put->digest);
  for (guint i = 0; i < put->manifest->descriptors->len; i++)
    {
      const RpDescriptor *descriptor = g_ptr_array_index (put->manifest->descriptors, i);

      rp_byte_set_add (bytes, &descriptor->digest);
    }
}

static gboolean
put_locked (Put *put, GError **error)
{
  return rp_db_read (put->registry->db, check_before, put, error)
         && (put->sparse || check_stored (put, error))
         && rp_store_put (put->registry->store, &put->digest, put->data, put->size, error)
         && rp_db_write (put->registry->db, record, put, error);
}

static gboolean
put_in_use (Put *put, GError **error)
{
  RpByteSet bytes = { 0 };
  gboolean ok;

  name_bytes (put, &bytes);
  rp_byte_set_use (&put->registry->bytes, &bytes);
  ok = put_locked (put, error);
  rp_byte_set_unuse (&put->registry->bytes, &bytes);
  return ok;
}

static gboolean
put_or_rescue (Put *put, GError **error)
{
  g_autoptr (GError) local = NULL;
  gboolean any = FALSE;

  if (put_in_use (put, &local))
    return TRUE;
  if (g_error_matches (local, RP_ERROR, RP_ERROR_MANIFEST_BLOB_UNKNOWN)
      && !rescue_named (put, &any, error))
    return FALSE;
  if (any)
    return put_in_use (put, error);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static gboolean
check_size_limit (gsize size, GError **error)
{
  if (size <= RP_MANIFEST_LIMIT)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
               "the manifest has %" G_GSIZE_FORMAT " bytes and may have %d at most: put large "
               "content into layers",
               size, RP_MANIFEST_LIMIT);
  return FALSE;
}

static gboolean
put_checked (Put *put, const RpDigest *digest, const char *media_type, RpManifestInfo *out,
             GError **error)
{
  g_autoptr (RpManifest) manifest = NULL;

  if (!check_size_limit (put->size, error) || !rp_repository_check (put->repository, error)
      || !check_tags (put, error) || !check_digest (put, digest, error))
    return FALSE;
  manifest = put->manifest = rp_manifest_parse (put->data, put->size, media_type, error);
  if (!manifest || !put_or_rescue (put, error))
    return FALSE;
  *out = (RpManifestInfo){ .digest = put->digest, .media_type = g_strdup (manifest->media_type),
                           .size_bytes = put->size, .has_subject = manifest->has_subject,
                           .subject = manifest->subject };
  return TRUE;
}

gboolean
rp_registry_manifest_put_tags (RpRegistry *registry, const char *repository,
                               const RpDigest *digest, const char *const *tags,
                               const char *media_type, const void *data, gsize size,
                               const char *actor, RpManifestInfo *out, GError **error)
{
  Put put = { .registry = registry, .repository = repository, .actor = actor, .tags = tags,
              .data = data, .size = size };

  return put_checked (&put, digest, media_type, out, error);
}

gboolean
rp_registry_manifest_keep (RpRegistry *registry, const char *repository, const RpDigest *digest,
                           const char *tag, const char *media_type, const void *data, gsize size,
                           const char *actor, GError **error)
{
  const char *const tags[] = { tag, NULL };
  Put put = { .registry = registry, .repository = repository, .actor = actor, .tags = tags,
              .data = data, .size = size, .kept = TRUE };
  g_auto (RpManifestInfo) info = { 0 };

  return put_checked (&put, digest, media_type, &info, error);
}

gboolean
rp_registry_manifest_put (RpRegistry *registry, const char *repository, const char *reference,
                          const char *media_type, const void *data, gsize size, const char *actor,
                          RpManifestInfo *out, GError **error)
{
  gboolean by_tag = strchr (reference, ':') == NULL;
  const char *const tags[] = { by_tag ? reference : NULL, NULL };
  RpDigest digest;

  if (!check_size_limit (size, error))
    return FALSE;
  if (by_tag)
    digest = rp_digest_of (RP_DIGEST_SHA256, data, size);
  else if (!rp_digest_parse (reference, &digest, error))
    return FALSE;
  return rp_registry_manifest_put_tags (registry, repository, &digest, tags, media_type, data, size,
                                        actor, out, error);
}

void
rp_manifest_info_clear (RpManifestInfo *info)
{
  g_clear_pointer (&info->media_type, g_free);
}
