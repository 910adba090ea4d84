/* What an agent has on its host, with or without a running process: the configuration, the lock on the state
 * directory, the journal, the store, and the targets.  agent.c, offline undo and tests open it.
 */
#pragma once

#include "agent/agent.h"
#include "agent/config.h"
#include "agent/target_loop.h"
#include "base/file.h"

typedef struct {
  RpAgentConfig *config;
  const RpDriverOps *const *drivers;
  RpLock *lock;
  RpJournal *journal;
  RpStore *store;
  RpStock *stock;
  RpOciClient *client; /* NULL: offline */
  GPtrArray *loops;    /* RpTargetLoop, in the configuration's order */
} RpHost;

/* Takes the lock (RP_ERROR_BUSY) and opens the journal and the store. */
RpHost *rp_host_open (const char *config_path, const RpDriverOps *const *drivers, gboolean online,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_host_close (RpHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpHost, rp_host_close)

/* The driver of a target by name; RP_ERROR_INVALID with file:line:column lists those there are. */
const RpDriverOps *rp_host_driver (const RpDriverOps *const *drivers, const RpTargetConfig *target,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Opens one target, which the host then owns. Borrowed. */
RpTargetLoop *rp_host_add (RpHost *host, const RpTargetConfig *target,
                           void (*reported) (gpointer user_data), gpointer user_data,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
