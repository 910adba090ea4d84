#include "store/fault.h"

#include <string.h>

#include "store/store_ops.h"

typedef struct {
  RpStore base;
  RpStore *inner;
  pthread_mutex_t lock; /* of what follows */
  guint until_failure;  /* 0: none to come */
  RpErrorCode code;
  gboolean fired;
} FaultStore;

static RpStore *
fault_open (const char *rest, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (rest, ":", 3);
  guint64 n = 0;
  if (g_strv_length (parts) != 3
      || !g_ascii_string_to_unsigned (parts[0], 10, 0, G_MAXINT, &n, NULL))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "expected N:CODE:URL, found \"%s\"", rest);
      return NULL;
    }
  RpStore *inner = rp_store_open (parts[2], error);
  if (inner == NULL)
    return NULL;
  FaultStore *fault = g_new0 (FaultStore, 1);
  fault->inner = inner;
  fault->until_failure = (guint)n;
  fault->code = rp_error_from_name (parts[1]);
  pthread_mutex_init (&fault->lock, NULL);
  return &fault->base;
}

static void
fault_close (RpStore *store)
{
  FaultStore *fault = (FaultStore *)store;
  rp_store_close (fault->inner);
  pthread_mutex_destroy (&fault->lock);
  g_free (fault);
}

void
rp_store_fault_arm (RpStore *store, guint n, RpErrorCode code)
{
  g_assert (store->ops == &rp_store_fault_ops);
  FaultStore *fault = (FaultStore *)store;
  pthread_mutex_lock (&fault->lock);
  fault->until_failure = n;
  fault->code = code;
  fault->fired = FALSE;
  pthread_mutex_unlock (&fault->lock);
}

gboolean
rp_store_fault_fired (RpStore *store)
{
  g_assert (store->ops == &rp_store_fault_ops);
  FaultStore *fault = (FaultStore *)store;
  pthread_mutex_lock (&fault->lock);
  gboolean fired = fault->fired;
  pthread_mutex_unlock (&fault->lock);
  return fired;
}

/* The inner store if this operation may go on; NULL with error set if it is the one to fail. */
static RpStore *
pass (RpStore *store, const char *operation, GError **error)
{
  FaultStore *fault = (FaultStore *)store;
  pthread_mutex_lock (&fault->lock);
  gboolean fails = fault->until_failure > 0 && --fault->until_failure == 0;
  fault->fired = fault->fired || fails;
  RpErrorCode code = fault->code;
  pthread_mutex_unlock (&fault->lock);
  if (!fails)
    return fault->inner;
  g_set_error (error, RP_ERROR, (int)code, "%s fails because the test wants it", operation);
  return NULL;
}

static gboolean
fault_stat (RpStore *store, const RpDigest *digest, RpBlobInfo *out, GError **error)
{
  RpStore *inner = pass (store, "stat", error);
  return inner != NULL && inner->ops->stat (inner, digest, out, error);
}

static int
fault_open_blob (RpStore *store, const RpDigest *digest, guint64 *out_size, GError **error)
{
  RpStore *inner = pass (store, "open_blob", error);
  return inner != NULL ? inner->ops->open_blob (inner, digest, out_size, error) : -1;
}

static gboolean
fault_quarantine (RpStore *store, const RpDigest *digest, GError **error)
{
  RpStore *inner = pass (store, "quarantine", error);
  return inner != NULL && inner->ops->quarantine (inner, digest, error);
}

static gboolean
fault_each (RpStore *store, RpStoreVisit visit, gpointer user_data, GError **error)
{
  RpStore *inner = pass (store, "each", error);
  return inner != NULL && inner->ops->each (inner, visit, user_data, error);
}

static gboolean
fault_touch (RpStore *store, const RpDigest *digest, gint64 at_us, GError **error)
{
  RpStore *inner = pass (store, "touch", error);
  return inner != NULL && inner->ops->touch (inner, digest, at_us, error);
}

static gboolean
fault_condemn (RpStore *store, const RpDigest *digest, GError **error)
{
  RpStore *inner = pass (store, "condemn", error);
  return inner != NULL && inner->ops->condemn (inner, digest, error);
}

static gboolean
fault_recall (RpStore *store, const RpDigest *digest, gboolean *out_found, GError **error)
{
  RpStore *inner = pass (store, "recall", error);
  return inner != NULL && inner->ops->recall (inner, digest, out_found, error);
}

static gboolean
fault_discard (RpStore *store, const RpDigest *digest, GError **error)
{
  RpStore *inner = pass (store, "discard", error);
  return inner != NULL && inner->ops->discard (inner, digest, error);
}

static gboolean
fault_each_condemned (RpStore *store, RpStoreVisit visit, gpointer user_data, GError **error)
{
  RpStore *inner = pass (store, "each_condemned", error);
  return inner != NULL && inner->ops->each_condemned (inner, visit, user_data, error);
}

static gboolean
fault_space (RpStore *store, guint64 *out_free, guint64 *out_total, GError **error)
{
  RpStore *inner = pass (store, "space", error);
  return inner != NULL && inner->ops->space (inner, out_free, out_total, error);
}

static RpStaging *
fault_staging_open (RpStore *store, const char *name, gboolean create, guint64 *out_size,
                    GError **error)
{
  RpStore *inner = pass (store, "staging_open", error);
  return inner != NULL ? inner->ops->staging_open (inner, name, create, out_size, error) : NULL;
}

static gboolean
fault_staging_append (RpStore *store, RpStaging *staging, guint64 offset, const void *data,
                      gsize size, GError **error)
{
  RpStore *inner = pass (store, "staging_append", error);
  return inner != NULL && inner->ops->staging_append (inner, staging, offset, data, size, error);
}

static int
fault_staging_fd (RpStore *store, RpStaging *staging, GError **error)
{
  RpStore *inner = pass (store, "staging_fd", error);
  return inner != NULL ? inner->ops->staging_fd (inner, staging, error) : -1;
}

static gboolean
fault_staging_publish (RpStore *store, RpStaging *staging, guint64 size, const RpDigest *digest,
                       GError **error)
{
  RpStore *inner = pass (store, "staging_publish", error);
  return inner != NULL && inner->ops->staging_publish (inner, staging, size, digest, error);
}

static gboolean
fault_staging_drop (RpStore *store, RpStaging *staging, GError **error)
{
  RpStore *inner = pass (store, "staging_drop", error);
  return inner != NULL && inner->ops->staging_drop (inner, staging, error);
}

static void
fault_staging_close (RpStore *store, RpStaging *staging)
{
  RpStore *inner = ((FaultStore *)store)->inner;
  inner->ops->staging_close (inner, staging);
}

static gboolean
fault_staging_each (RpStore *store, RpStagingVisit visit, gpointer user_data, GError **error)
{
  RpStore *inner = pass (store, "staging_each", error);
  return inner != NULL && inner->ops->staging_each (inner, visit, user_data, error);
}

const RpStoreOps rp_store_fault_ops = {
  .scheme = "fault",
  .open = fault_open,
  .close = fault_close,
  .stat = fault_stat,
  .open_blob = fault_open_blob,
  .quarantine = fault_quarantine,
  .each = fault_each,
  .touch = fault_touch,
  .condemn = fault_condemn,
  .recall = fault_recall,
  .discard = fault_discard,
  .each_condemned = fault_each_condemned,
  .space = fault_space,
  .staging_open = fault_staging_open,
  .staging_append = fault_staging_append,
  .staging_fd = fault_staging_fd,
  .staging_publish = fault_staging_publish,
  .staging_drop = fault_staging_drop,
  .staging_close = fault_staging_close,
  .staging_each = fault_staging_each,
};
