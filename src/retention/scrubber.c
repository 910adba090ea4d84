#include "retention/scrubber.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "registry/heal.h"
#include "retention/scrubber_priv.h"

#define LOOK_EVERY_US (60 * (gint64) G_USEC_PER_SEC)
/* Looking for what was never read goes through all memberships; asking healers goes through the network. */
#define ADOPT_EVERY_US (3600 * (gint64) G_USEC_PER_SEC)

static void
on_hurt (gpointer data)
{
  RpScrubber *scrubber = data;

  g_mutex_lock (&scrubber->lock);
  scrubber->hurt = TRUE;
  g_cond_broadcast (&scrubber->cond);
  g_mutex_unlock (&scrubber->lock);
}

RpScrubber *
rp_scrubber_new (RpRegistry *registry, RpEngine *engine, const RpScrubPace *pace)
{
  RpScrubber *scrubber = g_new0 (RpScrubber, 1);

  scrubber->registry = registry;
  scrubber->engine = engine;
  scrubber->pace = *pace;
  g_mutex_init (&scrubber->lock);
  g_cond_init (&scrubber->cond);
  rp_registry_on_hurt (registry, on_hurt, scrubber);
  return scrubber;
}

void
rp_scrubber_set_pace (RpScrubber *scrubber, const RpScrubPace *pace)
{
  g_mutex_lock (&scrubber->lock);
  scrubber->pace = *pace;
  g_cond_broadcast (&scrubber->cond);
  g_mutex_unlock (&scrubber->lock);
}

/* ---- what others came across ---- */

static gboolean
heal_one (RpScrubber *scrubber, const RpDigest *digest, GError **error)
{
  gboolean damaged = FALSE;
  const char *by = NULL;

  if (!rp_registry_suspect (scrubber->registry, digest, &damaged, error)
      || (damaged && !rp_registry_heal (scrubber->registry, digest, &by, error)))
    return FALSE;
  g_mutex_lock (&scrubber->lock);
  scrubber->total.healed += by != NULL;
  g_mutex_unlock (&scrubber->lock);
  return TRUE;
}

static gboolean
heal_hurt (RpScrubber *scrubber, GError **error)
{
  g_autoptr (GArray) hurt = rp_registry_take_hurt (scrubber->registry);

  g_mutex_lock (&scrubber->lock);
  scrubber->hurt = FALSE;
  g_mutex_unlock (&scrubber->lock);
  for (guint i = 0; i < hurt->len; i++)
    if (!heal_one (scrubber, &g_array_index (hurt, RpDigest, i), error))
      return FALSE;
  return TRUE;
}

/* ---- a pass ---- */

/* A pass may take days, and who pulls in vain waits for it. */
static gboolean
scrub_page (RpRows *rows, gpointer data, GError **error)
{
  RpScrub *scrub = data;

  return heal_hurt (scrub->scrubber, error) && rp_scrub_rows (rows, scrub, error);
}

gboolean
rp_scrubber_run (RpScrubber *scrubber, gint64 before_us, RpScrubCount *out, GError **error)
{
  static const char oldest[] = "SELECT digest, at_us FROM verified "
                               "WHERE at_us < $1 AND (at_us, digest) > ($2, $3) AND ok = 1 "
                               "ORDER BY at_us, digest LIMIT $4";
  const RpScrubPages pages = { .sql = oldest, .by_time = TRUE, .before_us = before_us };
  g_auto (RpScrub) scrub = { 0 };

  rp_scrub_init (&scrub, scrubber, TRUE);
  if (!rp_scrub_each_page (scrubber, &pages, scrub_page, &scrub, error))
    return FALSE;
  *out = scrub.count;
  return TRUE;
}

/* ---- what no pass would come across ---- */

static gboolean
adopt (RpTxn *txn, gpointer user_data, GError **error)
{
  const RpRows *rows = user_data;

  for (gsize row = 0; row < rp_rows_count (rows); row++)
    if (!rp_txn_exec (txn, error, NULL,
                      "INSERT INTO verified (digest, at_us, ok) VALUES ($1, 0, 1) "
                      "ON CONFLICT (digest) DO NOTHING",
                      "s", rp_rows_text (rows, row, 0)))
      return FALSE;
  return TRUE;
}

static gboolean
adopt_rows (RpRows *rows, gpointer user_data, GError **error)
{
  const RpScrubber *scrubber = user_data;

  return rp_db_write (rp_registry_db (scrubber->registry), adopt, rows, error);
}

static gboolean
heal_rows (RpRows *rows, gpointer user_data, GError **error)
{
  RpScrubber *scrubber = user_data;

  for (gsize row = 0; row < rp_rows_count (rows); row++)
    {
      const char *by = NULL;
      RpDigest digest;

      if (!rp_digest_parse (rp_rows_text (rows, row, 0), &digest, error)
          || !rp_registry_heal (scrubber->registry, &digest, &by, error))
        return FALSE;
      g_mutex_lock (&scrubber->lock);
      scrubber->total.healed += by != NULL;
      g_mutex_unlock (&scrubber->lock);
    }
  return TRUE;
}

static gboolean
for_names (RpScrubber *scrubber, const char *sql, RpScrubPageFunc func, GError **error)
{
  const RpScrubPages pages = { .sql = sql };

  return rp_scrub_each_page (scrubber, &pages, func, scrubber, error);
}

static gboolean
look_for_others (RpScrubber *scrubber, GError **error)
{
  static const char unseen_blobs[]
      = "SELECT DISTINCT digest FROM repo_blob AS b WHERE digest > $1 AND NOT EXISTS "
        "(SELECT 1 FROM verified AS v WHERE v.digest = b.digest) ORDER BY digest LIMIT $2";
  static const char unseen_manifests[]
      = "SELECT DISTINCT digest FROM manifest AS m WHERE digest > $1 AND NOT EXISTS "
        "(SELECT 1 FROM verified AS v WHERE v.digest = m.digest) ORDER BY digest LIMIT $2";
  static const char damaged[]
      = "SELECT digest FROM damaged WHERE digest > $1 ORDER BY digest LIMIT $2";
  gint64 now_us = rp_clock_monotonic_us ();

  if (scrubber->adopted_at_us > 0 && now_us - scrubber->adopted_at_us < ADOPT_EVERY_US)
    return TRUE;
  if (!for_names (scrubber, unseen_blobs, adopt_rows, error)
      || !for_names (scrubber, unseen_manifests, adopt_rows, error)
      || !for_names (scrubber, damaged, heal_rows, error))
    return FALSE;
  scrubber->adopted_at_us = now_us;
  return TRUE;
}

/* ---- the thread ---- */

static gboolean
pause_until (RpScrubber *scrubber, gint64 until_us)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&scrubber->lock);

  while (!scrubber->stop && !scrubber->hurt && rp_clock_monotonic_us () < until_us)
    g_cond_wait_until (&scrubber->cond, &scrubber->lock, until_us);
  return !scrubber->stop;
}

static gint64
every_us (RpScrubber *scrubber)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&scrubber->lock);

  return scrubber->pace.every_ms * 1000;
}

static gpointer
scrubber_thread (gpointer data)
{
  RpScrubber *scrubber = data;

  while (pause_until (scrubber, rp_clock_monotonic_us () + MIN (LOOK_EVERY_US, every_us (scrubber))))
    {
      g_autoptr (GError) error = NULL;
      RpScrubCount count;

      if ((!heal_hurt (scrubber, &error) || !look_for_others (scrubber, &error)
           || !rp_scrubber_run (scrubber, rp_clock_now_us () - every_us (scrubber), &count, &error))
          && pause_until (scrubber, 0))
        rp_log_error ("scrubber", "blobs could not be read again: %s", error->message);
    }
  return NULL;
}

void
rp_scrubber_start (RpScrubber *scrubber)
{
  scrubber->thread = g_thread_new ("scrubber", scrubber_thread, scrubber);
}

void
rp_scrubber_stop (RpScrubber *scrubber)
{
  if (!scrubber)
    return;
  g_mutex_lock (&scrubber->lock);
  scrubber->stop = TRUE;
  g_cond_broadcast (&scrubber->cond);
  g_mutex_unlock (&scrubber->lock);
  if (scrubber->thread)
    g_thread_join (g_steal_pointer (&scrubber->thread));
}

void
rp_scrubber_free (RpScrubber *scrubber)
{
  if (!scrubber)
    return;
  rp_scrubber_stop (scrubber);
  rp_registry_on_hurt (scrubber->registry, NULL, NULL);
  g_mutex_clear (&scrubber->lock);
  g_cond_clear (&scrubber->cond);
  g_free (scrubber);
}
