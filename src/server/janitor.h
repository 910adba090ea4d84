/* Deletes uploads that were begun and never ended, so that a disk does not fill with the halves of pushes
 * that broke off.  An upload that somebody has open, or to which anything was added lately, stays.
 */
#pragma once

#include "store/store.h"

#define RP_UPLOAD_EXPIRY_MS_DEFAULT (24 * 3600 * G_GINT64_CONSTANT (1000))

/* By value; { 0 } before the first tick. */
typedef struct {
  gint64 next_us; /* monotonic: when to look again */
} RpJanitor;

/* Looks if it is time to, at most once an hour.  To be called every second or so, by one thread.
 * Blocks for as long as the directory of uploads takes to read; failures go to the log. */
void rp_janitor_tick (RpJanitor *janitor, RpStore *store, gint64 upload_expiry_ms);
