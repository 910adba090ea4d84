/* The ledger of a data directory without its server. */
#pragma once

#include "base/file.h"
#include "ledger/ledger.h"

typedef struct {
  RpLock *lock;
  RpDb *db;
  RpLedger *ledger;
} RpOffline;

typedef enum {
  RP_OFFLINE_READ,  /* a server may run beside it */
  RP_OFFLINE_WRITE, /* takes the lock that a running server keeps */
  RP_OFFLINE_MAKE   /* as write, and makes what is missing */
} RpOfflineUse;

/* `*offline` must be empty; clear it also after a failure. RP_ERROR_NOT_FOUND: no data directory;
 * RP_ERROR_BUSY: a server runs. */
gboolean rp_offline_open (RpOffline *offline, const char *data_dir, RpOfflineUse use,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_offline_clear (RpOffline *offline);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpOffline, rp_offline_clear)
