#include "server/janitor.h"

#include "base/clock.h"
#include "base/log.h"

enum { LOOKS_PER_EXPIRY = 4 };
#define LOOK_MIN_US G_USEC_PER_SEC
#define LOOK_MAX_US (3600 * (gint64) G_USEC_PER_SEC)

void
rp_janitor_tick (RpJanitor *janitor, RpStore *store, gint64 upload_expiry_ms)
{
  gint64 now_us = rp_clock_monotonic_us ();
  gint64 expiry_us = upload_expiry_ms * 1000;
  g_autoptr (GError) error = NULL;
  guint removed = 0;

  if (now_us < janitor->next_us)
    return;
  janitor->next_us = now_us + CLAMP (expiry_us / LOOKS_PER_EXPIRY, LOOK_MIN_US, LOOK_MAX_US);
  if (!rp_store_upload_expire (store, rp_clock_now_us () - expiry_us, &removed, &error))
    {
      rp_log_error ("janitor", "abandoned uploads could not be deleted: %s", error->message);
      return;
    }
  if (removed == 0)
    return;
  g_autofree char *age = rp_clock_format_age (expiry_us);
  rp_log_info ("janitor", "deleted %u upload%s to which nothing was added for %s", removed,
               removed == 1 ? "" : "s", age);
}
