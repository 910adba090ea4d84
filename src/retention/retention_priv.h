/* What the files of this room share. */
#pragma once

#include "retention/held.h"
#include "retention/lifecycle.h"
#include "retention/retention.h"

struct RpRetention {
  RpEngine *engine;
  RpRegistry *registry;
  RpLedger *ledger;
  RpDb *db;
  RpHeld *held;
  GMutex run_lock; /* one run at a time */
  gint gone;       /* atomic: artifacts of releases may have gone, and the guard does not know yet */
  GMutex pulls_lock;
  GHashTable *pulls; /* under pulls_lock: `repository@digest` → gint64 * */
};

/* The policy that counts for `repository`; *out_pattern NULL: none does. Both are the caller's. */
gboolean rp_attachment_find (RpTxn *txn, const char *repository, char **out_pattern,
                             RpLifecycle **out_policy, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* RpImage of a repository, with the child digests of its indexes, where it was deployed to, when it
 * was pulled; not whether it is held.  *out_seq: of the newest push or tag among them. */
GPtrArray *rp_images_load (RpRetention *retention, const char *repository, gint64 *out_seq,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_time_or_null (gint64 us); /* 0: null */
