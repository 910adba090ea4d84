/* How often a password may be guessed: attempts are counted by where they come from, and those that
 * were right are given back.  Time comes in from outside.  Thread-safe. */
#pragma once

#include <glib.h>

#define RP_THROTTLE_ATTEMPTS 10 /* wrong ones in a window */
#define RP_THROTTLE_WINDOW_US (60 * G_USEC_PER_SEC)

typedef struct RpThrottle RpThrottle;

RpThrottle *rp_throttle_new (void);
void rp_throttle_free (RpThrottle *throttle);

/* FALSE if `origin` has used up its attempts: *out_wait_s is when to come again. Else one is taken. */
gboolean rp_throttle_take (RpThrottle *throttle, const char *origin, gint64 now_us,
                           gint64 *out_wait_s);
/* The attempt was a good one. */
void rp_throttle_give_back (RpThrottle *throttle, const char *origin);
