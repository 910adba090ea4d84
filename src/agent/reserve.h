/* A file of a few MiB in the state directory that is given up when the disk is full, so that the
 * journal of an undo or of going back can still be written (R20).  Blocking; thread-safe.
 */
#pragma once

#include <glib.h>

#define RP_RESERVE_BYTES (2 * 1024 * 1024)

/* Makes it (with real bytes, not a hole) if it is not there and there is space for it and as much again.
 * TRUE if it is there now. Never an error: a full disk is the very case. */
gboolean rp_reserve_fill (const char *state_dir);

/* Gives it up. TRUE if there was something to give. */
gboolean rp_reserve_release (const char *state_dir);

/* Gives it up if less than RP_RESERVE_BYTES are free; TRUE if it did. */
gboolean rp_reserve_release_if_full (const char *state_dir);
