/* How bytes go: the steps of a collection, each safe by itself, in any order, again and again, beside
 * pushes, and after a crash at any instruction.  Nobody who pushes or pulls waits for one.
 *
 *   loose ──condemn──▶ condemned, in place ──move──▶ out of sight ──unlink──▶ gone
 *     ▲                      │                           │
 *     └────── rescue ────────┴───────────────────────────┘
 *
 *   blob.condemned {digest, size, rule}    blob.unlinked {digest, size, rule}
 *   blob.rescued {digest}                  blob.found {digest}
 *   manifest.read {digest, references}
 *
 * The guard of the registry is asked what is held in the transactions that condemn and unlink,
 * whatever the tables say.  Any error on the way ends the step: what was done by then stays done, the rest is kept.
 * Functions block; two collections at once do no harm.
 */
#pragma once

#include "registry/registry.h"

typedef struct {
  guint64 blobs;
  guint64 size_bytes;
} RpByteCount;

/* Reads the manifests of which no event says what they name, and records it (manifest.read).  Until
 * all are read nothing is condemned. *out_read may be NULL. */
gboolean rp_collect_read (RpRegistry *registry, guint *out_read, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Goes through a queue in small transactions. { 0 } to begin with. */
typedef struct {
  gint64 after_us;
  char after[RP_DIGEST_STRING_SIZE];
  gboolean done;      /* the queue is at its end */
  RpByteCount taken;  /* of all calls so far */
  RpByteCount in_use; /* somebody touched them lately */
  RpByteCount held;   /* the guard needs them: the tables and it do not agree */
} RpCollectPass;

/* The next few of what is loose, and not touched, since before `before_us`.  `dry`: only counts. */
gboolean rp_collect_condemn (RpRegistry *registry, RpCollectPass *pass, gint64 before_us,
                             gboolean dry, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Moves what is condemned out of sight; what was touched after `before_us` is rescued instead. */
gboolean rp_collect_move (RpRegistry *registry, gint64 before_us, guint64 *out_rescued,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The next few of what was condemned before `before_us` are recorded as gone.  `rule`: why now. */
gboolean rp_collect_unlink (RpRegistry *registry, RpCollectPass *pass, gint64 before_us,
                            const char *rule, gboolean dry, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Unlinks the bytes of what is recorded as gone; brings back what should never have been moved. */
gboolean rp_collect_sweep (RpRegistry *registry, RpByteCount *out_unlinked, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Walks the whole store for bytes that no record knows (a push that was cut off) and that are older
 * than `before_us`: they become loose (blob.found). */
gboolean rp_collect_find (RpRegistry *registry, gint64 before_us, RpByteCount *out_found,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What there is to collect, for people and metrics. */
typedef struct {
  RpByteCount loose; /* size unknown: 0 */
  RpByteCount condemned;
} RpCollectState;
gboolean rp_collect_state (RpRegistry *registry, RpCollectState *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
