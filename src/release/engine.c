#include "release/engine_priv.h"

static void
seen_free (gpointer data)
{
  RpSeen *seen = data;
  g_free (seen->agent);
  g_free (seen->driver);
  g_free (seen->platform);
  g_free (seen->pull);
  g_free (seen->token);
  g_free (seen);
}

RpEngine *
rp_engine_new (RpRegistry *registry, RpLedger *ledger)
{
  RpEngine *engine = g_new0 (RpEngine, 1);
  engine->registry = registry;
  engine->ledger = ledger;
  engine->db = rp_ledger_db (ledger);
  g_mutex_init (&engine->lock);
  engine->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, seen_free);
  engine->protection = rp_protection_new ();
  return engine;
}

void
rp_engine_set_access (RpEngine *engine, RpAccess *access)
{
  engine->access = access;
}

void
rp_engine_trust (RpEngine *engine, const char *ca_file)
{
  g_free (engine->ca_file);
  engine->ca_file = g_strdup (ca_file);
}

void
rp_engine_free (RpEngine *engine)
{
  if (engine == NULL)
    return;
  rp_protection_free (engine->protection);
  g_hash_table_unref (engine->seen);
  g_mutex_clear (&engine->lock);
  g_free (engine->ca_file);
  g_free (engine);
}
