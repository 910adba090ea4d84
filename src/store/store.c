#include "store/store_ops.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

static const RpStoreOps *const implementations[] = {
  &rp_store_fs_ops,
  &rp_store_mem_ops,
  &rp_store_fault_ops,
};

static const RpStoreOps *
implementation_of (const char *url, const char **rest)
{
  for (gsize i = 0; i < G_N_ELEMENTS (implementations); i++)
    {
      gsize length = strlen (implementations[i]->scheme);
      if (strncmp (url, implementations[i]->scheme, length) == 0 && url[length] == ':')
        {
          *rest = url + length + 1;
          return implementations[i];
        }
    }
  *rest = url;
  /* `s3://…` must not silently become a directory of that name. */
  return strstr (url, "://") == NULL ? &rp_store_fs_ops : NULL;
}

RpStore *
rp_store_open (const char *url, GError **error)
{
  const char *rest;
  const RpStoreOps *ops = implementation_of (url, &rest);
  if (ops == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "\"%s\" is no store: expected a directory, or fs: and a directory", url);
      return NULL;
    }
  RpStore *store = ops->open (rest, error);
  if (store == NULL)
    {
      g_prefix_error (error, "opening the store %s: ", url);
      return NULL;
    }
  store->ops = ops;
  rp_uploads_init (store);
  return store;
}

void
rp_store_close (RpStore *store)
{
  if (store == NULL)
    return;
  rp_uploads_clear (store);
  store->ops->close (store);
}

gboolean
rp_store_unknown (const RpDigest *digest, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_set_error (error, RP_ERROR, RP_ERROR_BLOB_UNKNOWN,
               "the store has no blob %s: it was never pushed here, or it was removed",
               rp_digest_format (digest, text));
  return FALSE;
}

gboolean
rp_store_stat (RpStore *store, const RpDigest *digest, RpBlobInfo *out, GError **error)
{
  return store->ops->stat (store, digest, out, error);
}

int
rp_store_open_blob (RpStore *store, const RpDigest *digest, guint64 *out_size, GError **error)
{
  guint64 size;
  int fd = store->ops->open_blob (store, digest, &size, error);
  if (fd >= 0 && out_size != NULL)
    *out_size = size;
  return fd;
}

/* ---- hashing what lies in the store ---- */

static gboolean
corrupt (const RpDigest *expected, const RpDigest *actual, GError **error)
{
  char expected_text[RP_DIGEST_STRING_SIZE], actual_text[RP_DIGEST_STRING_SIZE];
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the stored blob %s is damaged: its bytes hash to %s; push a good copy again",
               rp_digest_format (expected, expected_text),
               rp_digest_format (actual, actual_text));
  return FALSE;
}

/* Bytes that the disk does not give back are as bad as wrong ones. */
static gboolean
unreadable (const RpDigest *expected, const char *why, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the stored blob %s cannot be read back (%s): check the disk and push a good copy "
               "again",
               rp_digest_format (expected, text), why);
  return FALSE;
}

gboolean
rp_store_verify (RpStore *store, const RpDigest *digest, GError **error)
{
  rp_autofd int fd = rp_store_open_blob (store, digest, NULL, error);
  if (fd < 0)
    return FALSE;
  RpDigest actual;
  g_autoptr (GError) failure = NULL;
  if (!rp_digest_of_fd (digest->algorithm, fd, &actual, NULL, &failure))
    return unreadable (digest, failure->message, error);
  return rp_digest_equal (&actual, digest) || corrupt (digest, &actual, error);
}

static gboolean
read_exactly (int fd, guint8 *out, gsize size, const RpDigest *digest, GError **error)
{
  gsize done = 0;
  while (done < size)
    {
      ssize_t got = pread (fd, out + done, size - done, (off_t)done);
      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return unreadable (digest, got < 0 ? g_strerror (errno) : "it ends early", error);
      done += (gsize)got;
    }
  return TRUE;
}

GBytes *
rp_store_read (RpStore *store, const RpDigest *digest, gsize limit_bytes, GError **error)
{
  guint64 size;
  rp_autofd int fd = rp_store_open_blob (store, digest, &size, error);
  if (fd < 0)
    return NULL;
  if (size > limit_bytes)
    {
      char text[RP_DIGEST_STRING_SIZE];
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "the blob %s has %" G_GUINT64_FORMAT " bytes, more than the %" G_GSIZE_FORMAT
                   " that are read here",
                   rp_digest_format (digest, text), size, limit_bytes);
      return NULL;
    }
  g_autofree guint8 *data = g_malloc (size + 1);
  if (!read_exactly (fd, data, size, digest, error))
    return NULL;
  RpDigest actual = rp_digest_of (digest->algorithm, data, size);
  if (!rp_digest_equal (&actual, digest))
    {
      (void)corrupt (digest, &actual, error);
      return NULL;
    }
  return g_bytes_new_take (g_steal_pointer (&data), size);
}

gboolean
rp_store_put (RpStore *store, const RpDigest *expected, const void *data, gsize size,
              GError **error)
{
  g_autoptr (RpUpload) upload = rp_upload_new (store, "", error);
  if (upload == NULL)
    return FALSE;
  if (rp_upload_append (upload, data, size, error) && rp_upload_commit (upload, expected, error))
    return TRUE;
  /* Nobody knows its name, so nobody could take it up again. If this fails the janitor has it. */
  gboolean cancelled = rp_upload_cancel (upload, NULL);
  (void)cancelled;
  return FALSE;
}

gboolean
rp_store_quarantine (RpStore *store, const RpDigest *digest, GError **error)
{
  return store->ops->quarantine (store, digest, error);
}

void
rp_store_set_floor (RpStore *store, gint64 bytes)
{
  __atomic_store_n (&store->floor_bytes, bytes, __ATOMIC_RELAXED);
}

gboolean
rp_store_each (RpStore *store, RpStoreVisit visit, gpointer user_data, GError **error)
{
  return store->ops->each (store, visit, user_data, error);
}

/* ---- condemned bytes ---- */

gboolean
rp_store_touch (RpStore *store, const RpDigest *digest, gint64 at_us, GError **error)
{
  return store->ops->touch (store, digest, at_us, error);
}

gboolean
rp_store_condemn (RpStore *store, const RpDigest *digest, GError **error)
{
  return store->ops->condemn (store, digest, error);
}

gboolean
rp_store_recall (RpStore *store, const RpDigest *digest, gboolean *out_found, GError **error)
{
  return store->ops->recall (store, digest, out_found, error);
}

gboolean
rp_store_discard (RpStore *store, const RpDigest *digest, GError **error)
{
  return store->ops->discard (store, digest, error);
}

gboolean
rp_store_each_condemned (RpStore *store, RpStoreVisit visit, gpointer user_data, GError **error)
{
  return store->ops->each_condemned (store, visit, user_data, error);
}

gboolean
rp_store_space (RpStore *store, guint64 *out_free, guint64 *out_total, GError **error)
{
  return store->ops->space (store, out_free, out_total, error);
}

/* ---- abandoned uploads ---- */

typedef struct {
  RpStore *store;
  gint64 before_us;
  guint removed;
} Expiry;

static gboolean
drop_staging (RpStore *store, const char *name, GError **error)
{
  guint64 size;
  RpStaging *staging = store->ops->staging_open (store, name, FALSE, &size, error);
  if (staging == NULL)
    return FALSE;
  gboolean ok = store->ops->staging_drop (store, staging, error);
  store->ops->staging_close (store, staging);
  return ok;
}

static gboolean
expire_one (const char *name, gint64 changed_at_us, gpointer user_data, GError **error)
{
  Expiry *expiry = user_data;
  if (changed_at_us >= expiry->before_us || !rp_uploads_claim (expiry->store, name))
    return TRUE;
  g_autoptr (GError) failure = NULL;
  gboolean ok = drop_staging (expiry->store, name, &failure);
  rp_uploads_release (expiry->store, name);
  expiry->removed += ok;
  /* Its own client may have ended it since we looked. */
  if (ok || g_error_matches (failure, RP_ERROR, RP_ERROR_UPLOAD_UNKNOWN))
    return TRUE;
  g_propagate_prefixed_error (error, g_steal_pointer (&failure), "expiring uploads: ");
  return FALSE;
}

gboolean
rp_store_upload_expire (RpStore *store, gint64 before_us, guint *out_removed, GError **error)
{
  Expiry expiry = { store, before_us, 0 };
  if (!store->ops->staging_each (store, expire_one, &expiry, error))
    return FALSE;
  if (out_removed != NULL)
    *out_removed = expiry.removed;
  return TRUE;
}
