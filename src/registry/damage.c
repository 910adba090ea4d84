/* What becomes of a blob whose bytes are wrong, or gone although something needs them. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "registry/heal.h"
#include "registry/internal.h"

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
  return rp_registry_note_looked_at (txn, job->digest, rp_clock_now_us (), FALSE, error)
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
  if (ok && *out_found)
    rp_registry_note_hurt (registry, digest);
  return ok;
}

/* ---- gone without a word ---- */

typedef struct {
  DamageJob damage;
  gboolean damaged;
} LossJob;

/* A manifest that is in a repository, or what one names and a repository has. */
static gboolean
is_missed (RpTxn *txn, const RpDigest *digest, gboolean *out, GError **error)
{
  static const char sql[]
      = "SELECT 1 WHERE EXISTS (SELECT 1 FROM manifest WHERE digest = $1) "
        "OR (EXISTS (SELECT 1 FROM edge WHERE digest = $1) "
        "    AND EXISTS (SELECT 1 FROM repo_blob WHERE digest = $1))";
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "s", rp_digest_format (digest, text));
  gboolean condemned = FALSE;

  if (!rows || !rp_registry_is_condemned (txn, digest, &condemned, error))
    return FALSE;
  *out = rp_rows_count (rows) > 0 && !condemned;
  return TRUE;
}

static gboolean
record_loss (RpTxn *txn, gpointer user_data, GError **error)
{
  LossJob *job = user_data;
  gboolean missed = FALSE, known = FALSE;

  if (!is_missed (txn, job->damage.digest, &missed, error)
      || !rp_registry_is_damaged (txn, job->damage.digest, &known, error))
    return FALSE;
  job->damaged = missed;
  return !missed || known || record_damage (txn, &job->damage, error);
}

static gboolean
look_for_loss (LossJob *job, GError **error)
{
  RpRegistry *registry = job->damage.registry;
  g_autoptr (GError) local = NULL;
  RpBlobInfo info;

  if (rp_store_stat (registry->store, job->damage.digest, &info, &local))
    return TRUE;
  if (g_error_matches (local, RP_ERROR, RP_ERROR_BLOB_UNKNOWN))
    return rp_db_write (registry->db, record_loss, job, error);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

gboolean
rp_registry_suspect (RpRegistry *registry, const RpDigest *digest, gboolean *out_damaged,
                     GError **error)
{
  LossJob job = { .damage = { registry, digest, "missing" } };
  g_autofree char *found = NULL;
  gboolean ok;

  rp_bytes_change (&registry->bytes, digest);
  ok = condemn_locked (registry, digest, &found, error)
       && (found || look_for_loss (&job, error));
  rp_bytes_changed (&registry->bytes, digest);
  if (ok)
    *out_damaged = found || job.damaged;
  return ok;
}
