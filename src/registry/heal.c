#include "registry/heal.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "registry/internal.h"

void
rp_registry_add_healer (RpRegistry *registry, const RpHealer *healer)
{
  g_array_append_val (registry->healers, *healer);
}

typedef struct {
  RpRegistry *registry;
  RpPatient patient;
  gboolean damaged;
  const char *by;
} Heal;

static gboolean
examine (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[] = "SELECT size, 1 FROM manifest WHERE digest = $1 "
                            "UNION ALL SELECT size, 0 FROM repo_blob WHERE digest = $1 LIMIT 1";
  Heal *heal = user_data;
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, sql, "s", rp_digest_format (&heal->patient.digest, text));

  if (!rows || !rp_registry_is_damaged (txn, &heal->patient.digest, &heal->damaged, error))
    return FALSE;
  /* What no repository has any more nobody waits for. */
  heal->damaged = heal->damaged && rp_rows_count (rows) > 0;
  if (heal->damaged)
    {
      heal->patient.size_bytes = (guint64) rp_rows_int (rows, 0, 0);
      heal->patient.is_manifest = rp_rows_int (rows, 0, 1) != 0;
    }
  return TRUE;
}

/* Somebody may have pushed it meanwhile: that was recorded then. */
static gboolean
record (RpTxn *txn, gpointer user_data, GError **error)
{
  Heal *heal = user_data;
  const RpDigest *digest = &heal->patient.digest;

  if (!rp_registry_note_verified (txn, digest, rp_clock_now_us (), error)
      || !rp_registry_is_damaged (txn, digest, &heal->damaged, error))
    return FALSE;
  if (!heal->damaged)
    return TRUE;
  json_t *body = json_object ();
  json_object_set_new (body, "by", json_string (heal->by));
  return rp_registry_append_bytes (heal->registry, txn, RP_REGISTRY_ACTOR, "blob.healed", digest,
                                   body, error);
}

/* What it says that it brought is there, and of the right size. */
static gboolean
take (Heal *heal, GError **error)
{
  RpRegistry *registry = heal->registry;
  const RpPatient *patient = &heal->patient;
  RpBlobInfo info;
  gboolean ok;

  rp_bytes_use (&registry->bytes, &patient->digest);
  ok = rp_store_stat (registry->store, &patient->digest, &info, error);
  if (ok && info.size_bytes != patient->size_bytes)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
                   "it has %" G_GUINT64_FORMAT " bytes where %" G_GUINT64_FORMAT " are recorded",
                   info.size_bytes, patient->size_bytes);
      ok = FALSE;
    }
  ok = ok && rp_db_write (registry->db, record, heal, error);
  rp_bytes_unuse (&registry->bytes, &patient->digest);
  return ok;
}

gboolean
rp_registry_find_patient (RpRegistry *registry, const RpDigest *digest, RpPatient *out,
                          gboolean *out_damaged, GError **error)
{
  Heal heal = { .registry = registry, .patient = { .digest = *digest } };

  if (!rp_db_read (registry->db, examine, &heal, error))
    return FALSE;
  *out_damaged = heal.damaged;
  if (heal.damaged)
    *out = heal.patient;
  return TRUE;
}

gboolean
rp_registry_take_healed (RpRegistry *registry, const RpPatient *patient, const char *by,
                         GError **error)
{
  Heal heal = { .registry = registry, .patient = *patient, .by = by };

  return take (&heal, error);
}

/* A push that was killed before it was recorded, or somebody who put the file back: the true bytes are there. */
static gboolean
lies_right (const Heal *heal)
{
  const RpDigest *digest = &heal->patient.digest;
  rp_autofd int fd = rp_store_open_blob (heal->registry->store, digest, NULL, NULL);
  RpDigest found;

  return fd >= 0 && rp_digest_of_fd (digest->algorithm, fd, &found, NULL, NULL)
         && rp_digest_equal (&found, digest);
}

static void
ask (Heal *heal, const RpHealer *healer)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (GError) error = NULL;
  gboolean brought = FALSE;

  rp_digest_format (&heal->patient.digest, text);
  heal->by = healer->name;
  if (healer->bring (&heal->patient, heal->registry->store, &brought, healer->user_data, &error)
      && (!brought || take (heal, &error)))
    {
      if (brought)
        rp_log_warning ("registry", "%s was damaged and is healed by %s", text, healer->name);
    }
  else
    rp_log_warning ("registry", "%s is damaged and could not be healed by %s: %s", text,
                    healer->name, error->message);
  if (!brought || error)
    heal->by = NULL;
}

gboolean
rp_registry_heal (RpRegistry *registry, const RpDigest *digest, const char **out_by,
                  GError **error)
{
  Heal heal = { .registry = registry, .patient = { .digest = *digest } };

  if (!rp_db_read (registry->db, examine, &heal, error))
    return FALSE;
  if (heal.damaged && lies_right (&heal))
    {
      heal.by = RP_HEALED_IN_PLACE;
      if (!take (&heal, error))
        return FALSE;
    }
  for (guint i = 0; heal.damaged && !heal.by && i < registry->healers->len; i++)
    ask (&heal, &g_array_index (registry->healers, RpHealer, i));
  *out_by = heal.by;
  return TRUE;
}
