/* A target in memory, behind the driver interface, that does as it is told: fails, hangs, lies unhealthy.
 * One world a process; thread-safe.  It outlives the loops that open it, as a real target does.
 */
#pragma once

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "driver/driver.h"

typedef struct {
  GMutex lock;
  gboolean running;
  RpDigest digest;
  GHashTable *prepared;  /* RpDigest set: lies ready */
  GHashTable *damaged;   /* RpDigest set: verify fails */
  GHashTable *unhealthy; /* RpDigest set: probe fails */
  gboolean unreachable;  /* prepare fails, as without a server */
  gboolean bad_bytes;    /* prepare fails with a wrong digest */
  gboolean hang_prepare; /* until cancelled */
  guint prepares, points, prunes;
  guint fail_points; /* the next n fail */
  /* The n-th call from now (1: the next) of prepare, point or probe never returns to the agent as far as it can
   * tell: it hangs until the agent is stopped. Before or after its effect. */
  guint cut_at;
  gboolean cut_after_effect;
  gboolean is_cut;
} FakeWorld;

static FakeWorld fake;

typedef struct {
  const gint *cancelled;
} FakeTarget;

static void
fake_reset (void)
{
  g_clear_pointer (&fake.prepared, g_hash_table_unref);
  g_clear_pointer (&fake.damaged, g_hash_table_unref);
  g_clear_pointer (&fake.unhealthy, g_hash_table_unref);
  memset (&fake, 0, sizeof fake);
  fake.prepared = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, NULL);
  fake.damaged = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, NULL);
  fake.unhealthy = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, NULL);
}

static void
fake_set (GHashTable *set, const RpDigest *digest, gboolean in)
{
  g_mutex_lock (&fake.lock);
  if (in)
    g_hash_table_add (set, rp_digest_copy (digest));
  else
    g_hash_table_remove (set, digest);
  g_mutex_unlock (&fake.lock);
}

static gboolean
fake_has (GHashTable *set, const RpDigest *digest)
{
  gboolean has;

  g_mutex_lock (&fake.lock);
  has = g_hash_table_contains (set, digest);
  g_mutex_unlock (&fake.lock);
  return has;
}

static guint
fake_prepares (void)
{
  guint prepares;

  g_mutex_lock (&fake.lock);
  prepares = fake.prepares;
  g_mutex_unlock (&fake.lock);
  return prepares;
}

static gboolean
fake_runs (const RpDigest *digest)
{
  gboolean runs;

  g_mutex_lock (&fake.lock);
  runs = fake.running && rp_digest_equal (&fake.digest, digest);
  g_mutex_unlock (&fake.lock);
  return runs;
}

/* TRUE when this call is the one to cut at this moment; it has then hung until the agent was stopped. */
static gboolean
fake_cut (const FakeTarget *target, gboolean after_effect)
{
  gboolean cut;

  g_mutex_lock (&fake.lock);
  cut = fake.cut_at == 1 && fake.cut_after_effect == after_effect;
  if (fake.cut_at > 0 && (cut || after_effect))
    fake.cut_at = cut ? 0 : fake.cut_at - 1;
  fake.is_cut = fake.is_cut || cut;
  g_mutex_unlock (&fake.lock);
  while (cut && !g_atomic_int_get (target->cancelled))
    g_usleep (500);
  return cut;
}

static gboolean
fake_fail (GError **error, RpErrorCode code, const char *text)
{
  g_set_error_literal (error, RP_ERROR, (gint) code, text);
  return FALSE;
}

static gpointer
fake_open (const RpDriverContext *context, const RpYamlNode *options, GError **error)
{
  FakeTarget *target = g_new0 (FakeTarget, 1);

  target->cancelled = context->cancelled;
  return target;
}

static gboolean
fake_observe (gpointer self, RpObservation *out, GError **error)
{
  memset (out, 0, sizeof *out);
  g_mutex_lock (&fake.lock);
  out->running = out->has_digest = out->intact = fake.running;
  out->digest = fake.digest;
  g_mutex_unlock (&fake.lock);
  return TRUE;
}

static gboolean
fake_prepare (gpointer self, const RpArtifact *artifact, RpProgress progress, gpointer user_data,
              GError **error)
{
  const FakeTarget *target = self;

  if (fake_cut (target, FALSE))
    return fake_fail (error, RP_ERROR_FAILED, "cut");
  g_mutex_lock (&fake.lock);
  fake.prepares++;
  g_mutex_unlock (&fake.lock);
  while (fake.hang_prepare && !g_atomic_int_get (target->cancelled))
    g_usleep (500);
  if (fake.hang_prepare)
    return fake_fail (error, RP_ERROR_FAILED, "cancelled");
  if (fake.unreachable && !fake_has (fake.prepared, &artifact->digest))
    return fake_fail (error, RP_ERROR_UNREACHABLE, "the registry does not answer");
  if (fake.bad_bytes)
    return fake_fail (error, RP_ERROR_DIGEST_MISMATCH, "a layer is not what its digest says");
  fake_set (fake.prepared, &artifact->digest, TRUE);
  return fake_cut (target, TRUE) ? fake_fail (error, RP_ERROR_FAILED, "cut") : TRUE;
}

static gboolean
fake_verify (gpointer self, const RpArtifact *artifact, GError **error)
{
  if (!fake_has (fake.prepared, &artifact->digest))
    return fake_fail (error, RP_ERROR_BLOB_UNKNOWN, "not there");
  if (fake_has (fake.damaged, &artifact->digest))
    return fake_fail (error, RP_ERROR_CORRUPT, "a blob is not what its digest says");
  return TRUE;
}

static gboolean
fake_point (gpointer self, const RpArtifact *artifact, GError **error)
{
  const FakeTarget *target = self;
  gboolean fail;

  if (fake_cut (target, FALSE))
    return fake_fail (error, RP_ERROR_FAILED, "cut");
  if (!fake_has (fake.prepared, &artifact->digest))
    return fake_fail (error, RP_ERROR_FAILED, "pointed to what was never prepared");
  g_mutex_lock (&fake.lock);
  fake.points++;
  fail = fake.fail_points > 0;
  fake.fail_points -= fail ? 1 : 0;
  if (!fail)
    {
      fake.running = TRUE;
      fake.digest = artifact->digest;
    }
  g_mutex_unlock (&fake.lock);
  if (fail)
    return fake_fail (error, RP_ERROR_FAILED, "cannot switch just now");
  return fake_cut (target, TRUE) ? fake_fail (error, RP_ERROR_FAILED, "cut") : TRUE;
}

static gboolean
fake_probe (gpointer self, GError **error)
{
  const FakeTarget *target = self;
  RpDigest digest;
  gboolean running;

  if (fake_cut (target, FALSE))
    return fake_fail (error, RP_ERROR_FAILED, "cut");
  g_mutex_lock (&fake.lock);
  digest = fake.digest;
  running = fake.running;
  g_mutex_unlock (&fake.lock);
  if (fake_cut (target, TRUE))
    return fake_fail (error, RP_ERROR_FAILED, "cut");
  if (!running || fake_has (fake.unhealthy, &digest))
    return fake_fail (error, RP_ERROR_UNHEALTHY, "HTTP 500");
  return TRUE;
}

static gboolean
fake_prune (gpointer self, const RpArtifact *keep, gsize n_keep, GError **error)
{
  GHashTableIter iter;
  gpointer digest;

  g_mutex_lock (&fake.lock);
  fake.prunes++;
  g_hash_table_iter_init (&iter, fake.prepared);
  while (g_hash_table_iter_next (&iter, &digest, NULL))
    {
      gboolean kept = fake.running && rp_digest_equal (digest, &fake.digest);

      for (gsize i = 0; i < n_keep; i++)
        kept = kept || rp_digest_equal (digest, &keep[i].digest);
      if (!kept)
        g_hash_table_iter_remove (&iter);
    }
  g_mutex_unlock (&fake.lock);
  return TRUE;
}

static const RpDriverOps fake_ops = { .name = "fake",
                                      .summary = "a target in memory",
                                      .open = fake_open,
                                      .close = g_free,
                                      .observe = fake_observe,
                                      .prepare = fake_prepare,
                                      .verify = fake_verify,
                                      .point = fake_point,
                                      .probe = fake_probe,
                                      .prune = fake_prune };
