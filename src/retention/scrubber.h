/* Reads every blob again on a schedule, the one first that was verified longest ago, so that rot is found
 * before a rollback needs the bytes.  What is damaged, or gone although something needs it, is out of
 * sight and recorded (blob.damaged) at once: whoever needs it is not ready from then on. Healers are asked then, and
 * again from time to time; a push of the true bytes heals it too.  Where a pass stands is what the oldest
 * verification says, so a restart goes on there.
 */
#pragma once

#include "registry/registry.h"
#include "release/engine.h"

#define RP_SCRUB_EVERY_MS_DEFAULT (7 * 24 * 3600 * G_GINT64_CONSTANT (1000))
#define RP_SCRUB_RATE_DEFAULT     (G_GINT64_CONSTANT (64) * 1000 * 1000)

typedef struct {
  gint64 every_ms;         /* each blob is read again after so long */
  gint64 bytes_per_second; /* at most; 0: as fast as the disk gives them */
} RpScrubPace;

typedef struct {
  guint64 blobs;
  guint64 size_bytes;
  guint64 damaged;
  guint64 healed;
  guint64 failed; /* could not be looked at */
} RpScrubCount;

typedef struct RpScrubber RpScrubber;
/* Borrows both. No thread yet. */
RpScrubber *rp_scrubber_new (RpRegistry *registry, RpEngine *engine, const RpScrubPace *pace);
/* Counts at once, also in a pass that is under way. */
void rp_scrubber_set_pace (RpScrubber *scrubber, const RpScrubPace *pace);
void rp_scrubber_start (RpScrubber *scrubber);
/* Ends the thread in the middle of a blob, which is read again the next time; whoever waits for
 * rp_scrubber_run() or rp_scrubber_now() gets RP_ERROR_BUSY. NULL is fine. */
void rp_scrubber_stop (RpScrubber *scrubber);
void rp_scrubber_free (RpScrubber *scrubber); /* stops first */

/* Reads all that was last verified before `before_us`, at the pace that is set. */
gboolean rp_scrubber_run (RpScrubber *scrubber, gint64 before_us, RpScrubCount *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Reads at once, as fast as the disk gives it, what `what` names, with all that it names in turn: a digest, a
 * repository, or the window of `APP/ENV`; `repo:` and `env:` in front say which of the last two. {"what",
 * "blobs", "bytes", "failed", "damaged": [digest…], "healed": [digest…]}. RP_ERROR_NOT_FOUND, RP_ERROR_AMBIGUOUS. */
json_t *rp_scrubber_now (RpScrubber *scrubber, const char *what, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* {"every_s", "bytes_per_second", "blobs", "due", "oldest_verified_at", "damaged": [{"digest", "found", "at"}…],
 * "damaged_total"}: the first 1000 of what waits for its true bytes. */
json_t *rp_scrubber_status (RpScrubber *scrubber, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* For Prometheus, as text. */
gboolean rp_scrubber_print (RpScrubber *scrubber, GString *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
