/* One repository, looked at with the policy that counts for it: what would go and what was saved. */
#pragma once

#include "retention/retention_priv.h"

typedef struct {
  char *repository;
  char *pattern;       /* of the policy; NULL: none counts, and all stays */
  RpLifecycle *policy; /* or NULL */
  GPtrArray *images;   /* RpImage; NULL without a policy */
  GArray *fates;       /* RpFate, as many */
  gint64 seq;          /* of the newest push or tag that was looked at */
} RpSweep;
void rp_sweep_free (RpSweep *sweep);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpSweep, rp_sweep_free)

/* rp_held_prepare() has to come before. */
RpSweep *rp_sweep_look (RpRetention *retention, const char *repository, gint64 now_us,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Indexes of images that go, so that what lists or is referred to comes before what it needs. */
GArray *rp_sweep_order (const RpSweep *sweep);
/* {"pattern", "priority", "text", "description", "subject"}: what the ledger says of one that goes. */
json_t *rp_sweep_rule (const RpSweep *sweep, guint index);
/* {"digest", "tags", "pushed_at", "rule"}. */
json_t *rp_sweep_image (const RpSweep *sweep, guint index);
/* {"fate", "by"…} of one that a rule asks for and that stays. */
json_t *rp_sweep_saved (RpRetention *retention, const RpSweep *sweep, guint index);
/* [text]: where a window asks for more than the policy would keep. */
json_t *rp_sweep_warnings (RpRetention *retention, const RpSweep *sweep);
/* Of bytes that nothing else in any repository needs, as far as is recorded. */
gboolean rp_sweep_weigh (RpRetention *retention, const RpSweep *sweep, guint64 *out_bytes,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
