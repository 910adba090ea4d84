#include "base/flow.h"

gint64
rp_flow_take (RpFlow *flow, guint64 bytes, gint64 now_us)
{
  gdouble exact_us;
  gint64 takes_us;

  if (flow->bytes_per_second <= 0)
    return now_us;
  exact_us = (gdouble) bytes * G_USEC_PER_SEC / (gdouble) flow->bytes_per_second;
  takes_us = (gint64) MIN (exact_us, (gdouble) G_MAXINT32 * 1000);
  /* These bytes took their time on the way here; longer ago than their due counts for nothing. */
  flow->free_us = MAX (flow->free_us, now_us - takes_us) + takes_us;
  return MAX (flow->free_us, now_us);
}
