#include "registry/registry.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
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
  return registry;
}

void
rp_registry_free (RpRegistry *registry)
{
  if (!registry)
    return;
  rp_byte_locks_clear (&registry->bytes);
  g_array_unref (registry->healers);
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

static gboolean
note (RpTxn *txn, const RpDigest *digest, gint64 at_us, gboolean ok, GError **error)
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
  return note (txn, digest, at_us, TRUE, error);
}

static gboolean
note_now (RpTxn *txn, gpointer user_data, GError **error)
{
  return note (txn, user_data, rp_clock_now_us (), TRUE, error);
}

gboolean
rp_registry_seen_right (RpRegistry *registry, const RpDigest *digest, GError **error)
{
  RpDigest copy = *digest;

  return rp_db_write (registry->db, note_now, &copy, error);
}

/* ---- damage ---- */

typedef struct {
  RpRegistry *registry;
  const RpDigest *digest;
  const char *found;
} DamageJob;

static gboolean
record_damage (RpTxn *txn, gpointer user_data, GError **error)
{
  DamageJob *job = user_data;
  g_autoptr (json_t) body = json_object ();
  char text[RP_DIGEST_STRING_SIZE];

  json_object_set_new (body, "digest", json_string (rp_digest_format (job->digest, text)));
  json_object_set_new (body, "found", json_string (job->found));
  return note (txn, job->digest, rp_clock_now_us (), FALSE, error)
         && rp_ledger_append (job->registry->ledger, txn, RP_REGISTRY_ACTOR, "blob.damaged", body,
                              NULL, error);
}

/* The digest that the bytes in the store have, or that they cannot be read; NULL if they are what
 * they should be or there are none. */
static gboolean
look_again (RpRegistry *registry, const RpDigest *digest, char **out_found, GError **error)
{
  g_autoptr (GError) local = NULL;
  guint64 size = 0;
  rp_autofd int fd = rp_store_open_blob (registry->store, digest, &size, &local);
  RpDigest found;

  *out_found = NULL;
  if (fd < 0 && g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    return TRUE;
  if (fd < 0)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (!rp_digest_of_fd (digest->algorithm, fd, &found, NULL, NULL))
    *out_found = g_strdup ("unreadable");
  else if (!rp_digest_equal (&found, digest))
    *out_found = rp_digest_to_string (&found);
  return TRUE;
}

/* Out of sight first, then recorded: whatever happens between, it is not served. */
static gboolean
condemn_locked (RpRegistry *registry, const RpDigest *digest, char **out_found, GError **error)
{
  g_autofree char *found = NULL;
  DamageJob job = { registry, digest, NULL };

  if (!look_again (registry, digest, &found, error))
    return FALSE;
  job.found = found;
  if (found
      && (!rp_store_quarantine (registry->store, digest, error)
          || !rp_db_write (registry->db, record_damage, &job, error)))
    return FALSE;
  *out_found = g_steal_pointer (&found);
  return TRUE;
}

gboolean
rp_registry_condemn (RpRegistry *registry, const RpDigest *digest, char **out_found,
                     GError **error)
{
  gboolean ok;

  rp_bytes_change (&registry->bytes, digest);
  ok = condemn_locked (registry, digest, out_found, error);
  rp_bytes_changed (&registry->bytes, digest);
  return ok;
}
