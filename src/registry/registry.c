#include "registry/registry.h"

#include "base/clock.h"
#include "registry/heal.h"
#include "registry/internal.h"

RpRegistry *
rp_registry_new (RpStore *store, RpLedger *ledger)
{
  RpRegistry *registry = g_new0 (RpRegistry, 1);

  registry->store = store;
  registry->ledger = ledger;
  registry->db = rp_ledger_db (ledger);
  rp_byte_locks_init (&registry->bytes);
  registry->healers = g_array_new (FALSE, FALSE, sizeof (RpHealer));
  rp_hurt_init (&registry->hurt);
  return registry;
}

void
rp_registry_free (RpRegistry *registry)
{
  if (!registry)
    return;
  rp_byte_locks_clear (&registry->bytes);
  g_array_unref (registry->healers);
  rp_hurt_clear (&registry->hurt);
  g_free (registry);
}

RpStore *
rp_registry_store (RpRegistry *registry)
{
  return registry->store;
}

RpDb *
rp_registry_db (RpRegistry *registry)
{
  return registry->db;
}

RpLedger *
rp_registry_ledger (RpRegistry *registry)
{
  return registry->ledger;
}

void
rp_registry_set_guard (RpRegistry *registry, const RpRegistryGuard *guard)
{
  registry->guard = *guard;
}

/* ---- what is recorded ---- */

static gboolean
find_size (RpTxn *txn, const char *sql, const char *repository, const RpDigest *digest,
           gboolean *out_known, guint64 *out_size, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "ss", repository, rp_digest_format (digest, text));

  if (!rows)
    return FALSE;
  *out_known = rp_rows_count (rows) > 0;
  if (*out_known)
    *out_size = (guint64) rp_rows_int (rows, 0, 0);
  return TRUE;
}

gboolean
rp_registry_find_blob (RpTxn *txn, const char *repository, const RpDigest *digest,
                       gboolean *out_known, guint64 *out_size, GError **error)
{
  static const char sql[] = "SELECT size FROM repo_blob WHERE repository = $1 AND digest = $2";

  return find_size (txn, sql, repository, digest, out_known, out_size, error);
}

gboolean
rp_registry_find_manifest (RpTxn *txn, const char *repository, const RpDigest *digest,
                           gboolean *out_known, guint64 *out_size, GError **error)
{
  static const char sql[] = "SELECT size FROM manifest WHERE repository = $1 AND digest = $2";

  return find_size (txn, sql, repository, digest, out_known, out_size, error);
}

gboolean
rp_registry_is_damaged (RpTxn *txn, const RpDigest *digest, gboolean *out_damaged, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, "SELECT 1 FROM damaged WHERE digest = $1",
                                          "s", rp_digest_format (digest, text));

  if (!rows)
    return FALSE;
  *out_damaged = rp_rows_count (rows) > 0;
  return TRUE;
}

/* ---- what was observed ---- */

gboolean
rp_registry_note_looked_at (RpTxn *txn, const RpDigest *digest, gint64 at_us, gboolean ok,
                            GError **error)
{
  static const char sql[] = "INSERT INTO verified (digest, at_us, ok) VALUES ($1, $2, $3) "
                            "ON CONFLICT (digest) DO UPDATE SET at_us = $2, ok = $3";
  char text[RP_DIGEST_STRING_SIZE];

  return rp_txn_exec (txn, error, NULL, sql, "sii", rp_digest_format (digest, text), at_us,
                      (gint64) ok);
}

gboolean
rp_registry_note_verified (RpTxn *txn, const RpDigest *digest, gint64 at_us, GError **error)
{
  return rp_registry_note_looked_at (txn, digest, at_us, TRUE, error);
}

static gboolean
note_now (RpTxn *txn, gpointer user_data, GError **error)
{
  return rp_registry_note_verified (txn, user_data, rp_clock_now_us (), error);
}

gboolean
rp_registry_seen_right (RpRegistry *registry, const RpDigest *digest, GError **error)
{
  RpDigest copy = *digest;

  return rp_db_write (registry->db, note_now, &copy, error);
}
