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
  gboolean hurt; /* somebody who read came across damage */
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

/* RpScrubPageFunc, of a RpScrub: reads each digest and writes down what was found, every few seconds and
 * at the end. */
gboolean rp_scrub_rows (RpRows *rows, gpointer scrub, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- pages ---- */
#define RP_SCRUB_PAGE 64

/* Digests in an order, each page after the last row of the one before.  The SQL has them in its first column and takes
 *   digest > $1 … LIMIT $2                                 in the order of digests
 *   … $1 … digest > $2 … LIMIT $3                          the same, of `subject`
 *   at_us < $1 … (at_us, digest) > ($2, $3) … LIMIT $4     the oldest first; the second column is at_us */
typedef struct {
  const char *sql;
  const char *subject; /* or NULL */
  gboolean by_time;
  gint64 before_us; /* if by_time */
  RpRows *rows;        /* NULL to begin with */
} RpScrubPages;

typedef gboolean (*RpScrubPageFunc) (RpRows *rows, gpointer user_data, GError **error);
/* Calls `func` with each page that has rows. */
gboolean rp_scrub_each_page (RpScrubber *scrubber, const RpScrubPages *which, RpScrubPageFunc func,
                             gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
