/* The parts that a server is made of.  Made and unmade in server.c, in the order of this list. */
#pragma once

#include "base/file.h"
#include "server/access_log.h"
#include "server/crowd.h"
#include "server/http.h"
#include "server/janitor.h"
#include "server/limits.h"
#include "server/manifest_cache.h"
#include "server/metrics.h"
#include "server/proxy.h"
#include "server/publisher.h"
#include "server/read_check.h"
#include "server/router.h"
#include "server/seclusion.h"
#include "server/sentry.h"
#include "server/server.h"
#include "server/spare.h"
#include "server/sweeper.h"
#include "server/tls.h"
#include "server/waiters.h"
#include "server/workers.h"
#include "signal/watcher.h"

struct RpServer {
  RpSeclusion seclusion;
  RpLock *lock;
  RpDb *db;
  RpServices services;
  RpRouter *router;
  RpMetrics *metrics;
  RpAccessLog *access_log;
  RpLimits *limits;
  RpCrowd *crowd;
  RpManifestCache *manifests;
  RpReadCheck *read_check;
  RpWorkers *writers; /* what writes: short, and better together (group commit) */
  RpWorkers *slow;    /* what hashes or waits: must not keep writers waiting */
  RpWaiters *waiters;
  RpProxy *proxy;
  RpHttp *http;
  RpTls *tls; /* or NULL: plain HTTP */

  gint64 ledger_seq; /* atomic: highest durable sequence */
  gint stopping;     /* atomic: answers now say `Connection: close` and long polls end */

  RpPublisher *publisher;
  RpSweeper *sweeper;
  RpSentry *sentry;
  RpWatcher *watcher;
  GThread *ticker;
  RpSpare spare; /* the same; `low` is atomic */
  char *data_dir;
  gint64 reserve; /* under tick_lock: what is set */
  RpJanitor janitor; /* the ticker's own */
  GMutex tick_lock;
  GCond tick_cond;
  gint64 upload_expiry_ms; /* under tick_lock */
  gboolean tick_stop; /* under tick_lock */

  guint16 port;
  char *url;
};

static inline gint64
rp_server_ledger_seq (const RpServer *server)
{
  return __atomic_load_n (&server->ledger_seq, __ATOMIC_ACQUIRE);
}
