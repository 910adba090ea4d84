/* Uploads over any implementation: names, scopes, hashing, and one handle at a time. */
#include "store/store_ops.h"

#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/file.h"

/* An upload that comes in many requests is closed between them.  Its hash state is kept for the
 * next one, so that a push of n pieces does not read everything n times.  Bounded: the state of an
 * abandoned upload may be dropped at any time, it is only an optimisation. */
enum { KEPT_LIMIT = 1024 };

/* Less than this is hashed sooner than handed over. */
enum { BESIDE_BYTES = 128 * 1024 };

typedef struct {
  RpHasher *hasher;
  guint64 size;
} KeptHash;

struct RpUpload {
  RpStore *store;
  char *id;
  char *name; /* id and scope, as the implementation sees it */
  RpStaging *staging;
  RpHasher *hasher; /* sha256 of what is there */
  guint64 size;
  gboolean ended; /* committed or cancelled */
};

static void
kept_hash_free (gpointer data)
{
  KeptHash *kept = data;
  rp_hasher_free (kept->hasher);
  g_free (kept);
}

void
rp_uploads_init (RpStore *store)
{
  pthread_mutex_init (&store->lock, NULL);
  store->open_uploads = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  store->kept_hashes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, kept_hash_free);
  store->hashing = rp_hashing_new ();
}

void
rp_uploads_clear (RpStore *store)
{
  g_assert (g_hash_table_size (store->open_uploads) == 0);
  rp_hashing_free (store->hashing);
  g_hash_table_unref (store->open_uploads);
  g_hash_table_unref (store->kept_hashes);
  pthread_mutex_destroy (&store->lock);
}

gboolean
rp_uploads_claim (RpStore *store, const char *name)
{
  pthread_mutex_lock (&store->lock);
  gboolean free = !g_hash_table_contains (store->open_uploads, name);
  if (free)
    g_hash_table_add (store->open_uploads, g_strdup (name));
  pthread_mutex_unlock (&store->lock);
  return free;
}

void
rp_uploads_release (RpStore *store, const char *name)
{
  pthread_mutex_lock (&store->lock);
  g_hash_table_remove (store->open_uploads, name);
  pthread_mutex_unlock (&store->lock);
}

static void
keep_hash (RpUpload *upload)
{
  KeptHash *kept = g_new (KeptHash, 1);
  kept->hasher = g_steal_pointer (&upload->hasher);
  kept->size = upload->size;
  RpStore *store = upload->store;
  pthread_mutex_lock (&store->lock);
  if (g_hash_table_size (store->kept_hashes) >= KEPT_LIMIT)
    g_hash_table_remove_all (store->kept_hashes);
  g_hash_table_replace (store->kept_hashes, g_strdup (upload->name), kept);
  pthread_mutex_unlock (&store->lock);
}

/* The kept state, if it is of exactly what lies in the store. */
static RpHasher *
take_hash (RpStore *store, const char *name, guint64 size)
{
  pthread_mutex_lock (&store->lock);
  g_autofree char *key = NULL;
  KeptHash *kept = NULL;
  g_hash_table_steal_extended (store->kept_hashes, name, (gpointer *)&key, (gpointer *)&kept);
  pthread_mutex_unlock (&store->lock);
  if (kept == NULL)
    return NULL;
  RpHasher *hasher = kept->size == size ? g_steal_pointer (&kept->hasher) : NULL;
  kept_hash_free (kept);
  return hasher;
}

/* The scope goes into the name as a hash: a repository name has slashes and any length. */
static char *
staging_name (const char *id, const char *scope)
{
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, scope, strlen (scope));
  char text[RP_DIGEST_STRING_SIZE];
  rp_digest_format (&digest, text);
  return g_strdup_printf ("%s-%.16s", id, strchr (text, ':') + 1);
}

static gboolean
unknown (const char *id, GError **error)
{
  g_autofree char *shown = g_utf8_make_valid (id, (gssize)strnlen (id, 80));
  g_set_error (error, RP_ERROR, RP_ERROR_UPLOAD_UNKNOWN,
               "there is no upload \"%s\" here: it was completed, cancelled or has expired; start "
               "a new one",
               shown);
  return FALSE;
}

static gboolean
is_lower_uuid (const char *id)
{
  return g_uuid_string_is_valid (id) && strpbrk (id, "ABCDEF") == NULL;
}

static gboolean
rehash (RpUpload *upload, GError **error)
{
  upload->hasher = take_hash (upload->store, upload->name, upload->size);
  if (upload->hasher != NULL)
    return TRUE;
  upload->hasher = rp_hasher_new (RP_DIGEST_SHA256);
  if (upload->size == 0)
    return TRUE;
  rp_autofd int fd = upload->store->ops->staging_fd (upload->store, upload->staging, error);
  return fd >= 0 && rp_hasher_update_from_fd (upload->hasher, fd, &upload->size, error);
}

static RpUpload *
take_up (RpStore *store, const char *scope, const char *id, gboolean create, GError **error)
{
  g_autofree char *name = staging_name (id, scope);
  if (!rp_uploads_claim (store, name))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_BUSY,
                   "the upload %s is in use by another request: wait for it, then go on", id);
      return NULL;
    }
  guint64 size = 0;
  RpStaging *staging = store->ops->staging_open (store, name, create, &size, error);
  if (staging == NULL)
    {
      rp_uploads_release (store, name);
      return NULL;
    }
  g_autoptr (RpUpload) upload = g_new0 (RpUpload, 1);
  upload->store = store;
  upload->id = g_strdup (id);
  upload->name = g_steal_pointer (&name);
  upload->staging = staging;
  upload->size = size;
  if (rehash (upload, error))
    return g_steal_pointer (&upload);
  g_clear_pointer (&upload->hasher, rp_hasher_free); /* of a part only: not to be kept */
  return NULL;
}

/* Asked at each piece: one large push may otherwise take all that is left. */
static gboolean
check_floor (RpStore *store, GError **error)
{
  gint64 floor_bytes = __atomic_load_n (&store->floor_bytes, __ATOMIC_RELAXED);
  guint64 available, total;

  if (floor_bytes == 0)
    return TRUE;
  if (!rp_store_space (store, &available, &total, error))
    return FALSE;
  if (available >= (guint64) floor_bytes)
    return TRUE;
  g_autofree char *has = rp_size_format ((gint64) available);
  g_autofree char *floor = rp_size_format (floor_bytes);
  g_set_error (error, RP_ERROR, RP_ERROR_NO_SPACE,
               "no space is left for pushes: %s are free, and the last %s are kept for what runs; "
               "`repoint retention collect --until-free SIZE` makes room, or give the server more disk",
               has, floor);
  return FALSE;
}

RpUpload *
rp_upload_new (RpStore *store, const char *scope, GError **error)
{
  if (!check_floor (store, error))
    return NULL;
  g_autofree char *id = g_uuid_string_random ();
  return take_up (store, scope, id, TRUE, error);
}

RpUpload *
rp_upload_open (RpStore *store, const char *scope, const char *id, GError **error)
{
  if (is_lower_uuid (id))
    return take_up (store, scope, id, FALSE, error);
  (void)unknown (id, error);
  return NULL;
}

const char *
rp_upload_id (const RpUpload *upload)
{
  return upload->id;
}

guint64
rp_upload_size (const RpUpload *upload)
{
  return upload->size;
}

int
rp_upload_reader (RpUpload *upload, GError **error)
{
  return upload->store->ops->staging_fd (upload->store, upload->staging, error);
}

/* Writes while another thread hashes. A failed write must not leave its bytes in the hash. */
static gboolean
write_and_hash (RpUpload *upload, const void *data, gsize size, GError **error)
{
  RpStore *store = upload->store;
  g_autoptr (RpHasher) next = rp_hasher_copy (upload->hasher);
  RpHashJob job = { .hasher = next, .data = data, .size = size };
  gboolean beside = size >= BESIDE_BYTES && rp_hashing_start (store->hashing, &job);
  gboolean ok = store->ops->staging_append (store, upload->staging, upload->size, data, size,
                                            error);
  if (beside)
    rp_hashing_wait (store->hashing, &job);
  else if (ok)
    rp_hasher_update (next, data, size);
  if (!ok)
    return FALSE;
  rp_hasher_free (upload->hasher);
  upload->hasher = g_steal_pointer (&next);
  return TRUE;
}

gboolean
rp_upload_append (RpUpload *upload, const void *data, gsize size, GError **error)
{
  if (upload->ended)
    return unknown (upload->id, error);
  if (size > 0
      && (!check_floor (upload->store, error) || !write_and_hash (upload, data, size, error)))
    return FALSE;
  upload->size += size;
  return TRUE;
}

/* sha256 is known from streaming; what nearly nobody asks for is read back. */
static gboolean
hash (RpUpload *upload, RpDigestAlgorithm algorithm, RpDigest *out, GError **error)
{
  if (algorithm == RP_DIGEST_SHA256)
    {
      *out = rp_hasher_peek (upload->hasher);
      return TRUE;
    }
  rp_autofd int fd = upload->store->ops->staging_fd (upload->store, upload->staging, error);
  return fd >= 0 && rp_digest_of_fd (algorithm, fd, out, NULL, error);
}

static gboolean
mismatch (const RpUpload *upload, const RpDigest *expected, const RpDigest *actual, GError **error)
{
  char expected_text[RP_DIGEST_STRING_SIZE], actual_text[RP_DIGEST_STRING_SIZE];
  g_set_error (error, RP_ERROR, RP_ERROR_DIGEST_MISMATCH,
               "the %" G_GUINT64_FORMAT " bytes that came are %s and not %s as announced: they "
               "were cut short or damaged on the way; send them again",
               upload->size, rp_digest_format (actual, actual_text),
               rp_digest_format (expected, expected_text));
  return FALSE;
}

gboolean
rp_upload_commit (RpUpload *upload, const RpDigest *expected, GError **error)
{
  RpDigest actual;
  if (upload->ended)
    return unknown (upload->id, error);
  if (!hash (upload, expected->algorithm, &actual, error))
    return FALSE;
  if (!rp_digest_equal (&actual, expected))
    return mismatch (upload, expected, &actual, error);
  RpStore *store = upload->store;
  if (!store->ops->staging_publish (store, upload->staging, upload->size, expected, error))
    return FALSE;
  upload->ended = TRUE;
  return TRUE;
}

gboolean
rp_upload_cancel (RpUpload *upload, GError **error)
{
  if (upload->ended)
    return unknown (upload->id, error);
  if (!upload->store->ops->staging_drop (upload->store, upload->staging, error))
    return FALSE;
  upload->ended = TRUE;
  return TRUE;
}

void
rp_upload_close (RpUpload *upload)
{
  if (upload == NULL)
    return;
  RpStore *store = upload->store;
  store->ops->staging_close (store, upload->staging);
  if (!upload->ended && upload->hasher != NULL && upload->size > 0)
    keep_hash (upload);
  rp_uploads_release (store, upload->name); /* last: the next one finds all in order */
  rp_hasher_free (upload->hasher);
  g_free (upload->id);
  g_free (upload->name);
  g_free (upload);
}
