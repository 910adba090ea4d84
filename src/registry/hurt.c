#include "base/clock.h"
#include "registry/heal.h"
#include "registry/internal.h"

#define AGAIN_US (10 * 60 * (gint64) G_USEC_PER_SEC) /* whoever pulls in vain pulls again and again */
#define NOTED_MAX 10000

void
rp_hurt_init (RpHurt *hurt)
{
  g_mutex_init (&hurt->lock);
  hurt->noted = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, g_free);
  hurt->waiting = g_array_new (FALSE, FALSE, sizeof (RpDigest));
}

void
rp_hurt_clear (RpHurt *hurt)
{
  g_mutex_clear (&hurt->lock);
  g_hash_table_unref (hurt->noted);
  g_array_unref (hurt->waiting);
}

static gboolean
note_locked (RpHurt *hurt, const RpDigest *digest, gint64 now_us)
{
  const gint64 *before_us = g_hash_table_lookup (hurt->noted, digest);
  gint64 *noted_us;

  if (before_us != NULL && now_us - *before_us < AGAIN_US)
    return FALSE;
  if (g_hash_table_size (hurt->noted) >= NOTED_MAX)
    g_hash_table_remove_all (hurt->noted);
  if (hurt->waiting->len >= NOTED_MAX)
    return FALSE;
  noted_us = g_new (gint64, 1);
  *noted_us = now_us;
  g_hash_table_replace (hurt->noted, rp_digest_copy (digest), noted_us);
  g_array_append_val (hurt->waiting, *digest);
  return TRUE;
}

void
rp_registry_note_hurt (RpRegistry *registry, const RpDigest *digest)
{
  RpHurt *hurt = &registry->hurt;
  gboolean fresh;

  g_mutex_lock (&hurt->lock);
  fresh = note_locked (hurt, digest, rp_clock_monotonic_us ());
  g_mutex_unlock (&hurt->lock);
  if (fresh && hurt->listener != NULL)
    hurt->listener (hurt->user_data);
}

GArray *
rp_registry_take_hurt (RpRegistry *registry)
{
  RpHurt *hurt = &registry->hurt;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&hurt->lock);
  GArray *taken = hurt->waiting;

  hurt->waiting = g_array_new (FALSE, FALSE, sizeof (RpDigest));
  return taken;
}

void
rp_registry_on_hurt (RpRegistry *registry, void (*listener) (gpointer user_data),
                     gpointer user_data)
{
  registry->hurt.listener = listener;
  registry->hurt.user_data = user_data;
}
