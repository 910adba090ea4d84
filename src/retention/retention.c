#include "retention/retention.h"

#include "base/json.h"
#include "release/protection.h"
#include "retention/retention_priv.h"

RpRetention *
rp_retention_new (RpEngine *engine, RpRegistry *registry)
{
  RpRetention *retention = g_new0 (RpRetention, 1);

  retention->engine = engine;
  retention->registry = registry;
  retention->ledger = rp_registry_ledger (registry);
  retention->db = rp_registry_db (registry);
  retention->held = rp_held_new (registry);
  retention->pulls = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_mutex_init (&retention->run_lock);
  g_mutex_init (&retention->pulls_lock);
  return retention;
}

void
rp_retention_free (RpRetention *retention)
{
  if (retention == NULL)
    return;
  g_hash_table_unref (retention->pulls);
  rp_held_free (retention->held);
  g_mutex_clear (&retention->run_lock);
  g_mutex_clear (&retention->pulls_lock);
  g_free (retention);
}

/* ---- the guard ---- */

static gboolean
guard_prepare (gpointer user_data, GError **error)
{
  RpRetention *retention = user_data;

  return rp_protection_prepare (retention->engine, error)
         && rp_held_prepare (retention->held, error);
}

static gboolean
guard_check_held (RpTxn *txn, const RpDigest *digest, gboolean *out_fresh, json_t **out_holder,
                  gpointer user_data, GError **error)
{
  RpRetention *retention = user_data;

  return rp_held_check (txn, retention->held, digest, out_fresh, out_holder, error);
}

/* What a release names tells more than that a window holds it, so it is asked first. */
static gboolean
guard_check (RpTxn *txn, const RpDigest *digest, gboolean *out_fresh, json_t **out_holder,
             gpointer user_data, GError **error)
{
  RpRetention *retention = user_data;

  return rp_protection_check (txn, digest, out_fresh, out_holder, retention->engine, error)
         && (!*out_fresh || *out_holder != NULL
             || rp_held_check (txn, retention->held, digest, out_fresh, out_holder, error));
}

static void
guard_gone (gpointer user_data)
{
  RpRetention *retention = user_data;

  /* Learning all releases anew is for the end of a run, not for each of its batches; until then more is
   * protected than need be. */
  g_atomic_int_set (&retention->gone, 1);
}

RpRegistryGuard
rp_retention_guard (RpRetention *retention)
{
  return (RpRegistryGuard){ .prepare = guard_prepare, .check = guard_check,
                            .check_held = guard_check_held, .gone = guard_gone,
                            .user_data = retention };
}

/* ---- of releases ---- */

gboolean
rp_retention_prepare (RpRetention *retention, GError **error)
{
  return rp_held_prepare (retention->held, error);
}

json_t *
rp_retention_holders (RpRetention *retention, const RpRelease *release)
{
  json_t *all = json_array ();

  for (guint i = 0; i < release->components->len; i++)
    {
      const RpReleaseComponent *component = release->components->pdata[i];
      char digest[RP_DIGEST_STRING_SIZE];
      g_autoptr (json_t) reasons
          = rp_held_reasons (retention->held, rp_digest_format (&component->digest, digest));
      json_array_extend (all, reasons);
    }
  return all;
}
