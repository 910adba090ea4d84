/* Bytes a second, for one who reads or writes on the side.  Time comes in from outside, and nothing here
 * waits.  What was not used is not made up for: after a pause one piece goes
 * through at once, and no burst.  Belongs to one thread.
 */
#pragma once

#include <glib.h>

typedef struct {
  gint64 bytes_per_second; /* at most; 0: as fast as one likes. May be changed at any time */
  gint64 free_us;          /* monotonic: until then the way is taken; 0 to begin with */
} RpFlow;

/* So many bytes (from 0) went through just now: the monotonic time before which no more should. */
gint64 rp_flow_take (RpFlow *flow, guint64 bytes, gint64 now_us);
