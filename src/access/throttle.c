#include "access/throttle.h"

#define ORIGINS_MAX 10000 /* then all is forgotten: memory is bounded, not memories */

typedef struct {
  gint64 since_us;
  guint taken;
} Origin;

struct RpThrottle {
  GMutex lock;
  GHashTable *origins; /* under lock: text → Origin */
};

RpThrottle *
rp_throttle_new (void)
{
  RpThrottle *throttle = g_new0 (RpThrottle, 1);

  g_mutex_init (&throttle->lock);
  throttle->origins = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return throttle;
}

void
rp_throttle_free (RpThrottle *throttle)
{
  if (throttle == NULL)
    return;
  g_hash_table_unref (throttle->origins);
  g_mutex_clear (&throttle->lock);
  g_free (throttle);
}

static Origin *
find_origin (RpThrottle *throttle, const char *name, gint64 now_us)
{
  Origin *origin = g_hash_table_lookup (throttle->origins, name);

  if (origin == NULL)
    {
      if (g_hash_table_size (throttle->origins) >= ORIGINS_MAX)
        g_hash_table_remove_all (throttle->origins);
      origin = g_new0 (Origin, 1);
      origin->since_us = now_us;
      g_hash_table_insert (throttle->origins, g_strdup (name), origin);
    }
  if (now_us - origin->since_us >= RP_THROTTLE_WINDOW_US)
    *origin = (Origin){ .since_us = now_us };
  return origin;
}

gboolean
rp_throttle_take (RpThrottle *throttle, const char *name, gint64 now_us, gint64 *out_wait_s)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&throttle->lock);
  Origin *origin = find_origin (throttle, name, now_us);

  if (origin->taken < RP_THROTTLE_ATTEMPTS)
    {
      origin->taken++;
      return TRUE;
    }
  *out_wait_s
      = (origin->since_us + RP_THROTTLE_WINDOW_US - now_us + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC;
  return FALSE;
}

void
rp_throttle_give_back (RpThrottle *throttle, const char *name)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&throttle->lock);
  Origin *origin = g_hash_table_lookup (throttle->origins, name);

  if (origin != NULL && origin->taken > 0)
    origin->taken--;
}
