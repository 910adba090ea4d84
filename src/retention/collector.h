/* A collection: the steps of registry/collect.h in their order, and a thread that runs them on a schedule.
 * Pushes go on meanwhile.  All functions are thread-safe and block; of two runs at once the second
 * waits.
 */
#pragma once

#include "registry/registry.h"

#define RP_COLLECT_EVERY_MS_DEFAULT (3600 * G_GINT64_CONSTANT (1000))
#define RP_COLLECT_GRACE_MS_DEFAULT (24 * 3600 * G_GINT64_CONSTANT (1000))
#define RP_COLLECT_KEEP_MS_DEFAULT (7 * 24 * 3600 * G_GINT64_CONSTANT (1000))

typedef struct {
  gint64 every_ms; /* between two runs of the thread */
  gint64 grace_ms; /* what was pushed or asked for within is never condemned */
  gint64 keep_ms;  /* condemned bytes can be restored for so long */
} RpCollectorTimes;

typedef struct RpCollector RpCollector;
/* Borrows `registry`, whose guard must be set. No thread yet. */
RpCollector *rp_collector_new (RpRegistry *registry, const RpCollectorTimes *times);
/* The first run comes after `every_ms`. */
void rp_collector_start (RpCollector *collector);
/* From now on. */
void rp_collector_set_times (RpCollector *collector, const RpCollectorTimes *times);
/* Ends the thread, and any run with RP_ERROR_BUSY, after the batch that it is at. NULL is fine. */
void rp_collector_stop (RpCollector *collector);
void rp_collector_free (RpCollector *collector);

/* `dry`: says what would happen and changes nothing.  `until_free_bytes` not 0: first what was condemned
 * longest ago is unlinked, whatever keep_ms says, then what is loose, until so much of the disk is free:
 * what anything needs stays.
 * {"dry", "condemned": {"blobs", "bytes"}, "unlinked", "in_use", "held", "found", "rescued", "waiting",
 * "free_bytes"}. RP_ERROR_BUSY while the server stops. */
json_t *rp_collector_run (RpCollector *collector, gboolean dry, guint64 until_free_bytes,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Counters for Prometheus, as text. */
gboolean rp_collector_print (RpCollector *collector, GString *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
