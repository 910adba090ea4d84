#include "cli/offline.h"

#include "access/access.h"
#include "cli/cli.h"
#include "registry/registry.h"
#include "release/engine.h"
#include "retention/retention.h"

#define DATA_MODE 0700

static const RpProjector *const projectors[]
    = { &rp_registry_projector, &rp_access_projector, &rp_release_projector,
        &rp_retention_projector, NULL };

void
rp_offline_clear (RpOffline *offline)
{
  rp_ledger_close (offline->ledger);
  rp_db_close (offline->db);
  rp_lock_release (offline->lock);
}

static gboolean
need_database (const char *data_dir, const char *db_path, GError **error)
{
  if (g_file_test (db_path, G_FILE_TEST_IS_REGULAR))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "%s is no data directory: there is no repoint.db in it", data_dir);
  return FALSE;
}

static gboolean
take_lock (RpOffline *offline, const char *data_dir, GError **error)
{
  g_autofree char *path = g_build_filename (data_dir, "lock", NULL);

  offline->lock = rp_lock_take (path, error);
  if (offline->lock == NULL)
    rp_cli_hint (error, "stop the server first, or leave out --data to have it do the work");
  return offline->lock != NULL;
}

gboolean
rp_offline_open (RpOffline *offline, const char *data_dir, RpOfflineUse use, GError **error)
{
  g_autofree char *db_path = g_build_filename (data_dir, "repoint.db", NULL);

  if (use == RP_OFFLINE_MAKE ? !rp_dir_make (data_dir, DATA_MODE, error)
                             : !need_database (data_dir, db_path, error))
    return FALSE;
  if (use != RP_OFFLINE_READ && !take_lock (offline, data_dir, error))
    return FALSE;
  offline->db = rp_db_open (db_path, error);
  if (offline->db == NULL)
    return FALSE;
  offline->ledger = rp_ledger_open (offline->db, projectors, error);
  return offline->ledger != NULL;
}
