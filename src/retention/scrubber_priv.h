/* What the files of the scrubber share.  Private to them. */
#pragma once

#include "base/flow.h"
#include "base/json.h"
#include "retention/scrubber.h"

struct RpScrubber {
  RpRegistry *registry;
  RpEngine *engine;
  GThread *thread;
  gint64 adopted_at_us; /* monotonic, the thread's own; 0: never */

  GMutex lock; /* of what follows */
  GCond cond;
  gboolean stop;
  RpScrubPace pace;
  RpScrubCount total; /* since the start */
};

/* One who reads: a pass, or somebody who wants it now. */
typedef struct {
  RpScrubber *scrubber;
  gboolean paced;
  RpFlow flow;
  guint8 *piece;
  RpScrubCount count;
  json_t *damaged, *healed; /* [digest…], or NULL */
} RpScrub;

void rp_scrub_init (RpScrub *scrub, RpScrubber *scrubber, gboolean paced);
void rp_scrub_clear (RpScrub *scrub);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpScrub, rp_scrub_clear)

/* Reads each digest of the first column and writes down what was found, every few
 * seconds and at the end. */
gboolean rp_scrub_rows (RpScrub *scrub, const RpRows *rows, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
