/* What keeps a server working whose disk is full: a file of real blocks beside the data, given up step by
 * step when nothing else is left, so that the ledger (moves, reports, undo) can still be written, and made
 * again when there is room.  Pushes stop earlier, at the floor (rp_store_set_floor()).  Belongs to one thread.
 */
#pragma once

#include "store/store.h"

#define RP_FLOOR_DEFAULT (G_GINT64_CONSTANT (64) * 1000 * 1000)

/* From what is set (bytes, or -1 to -50: percent; 0: none) and how large the disk is. Bytes count for no more
 * than a tenth of it, so that a small disk is not all floor. */
guint64 rp_floor_of (gint64 setting, guint64 total_bytes);

/* By value; { 0 } to begin with. */
typedef struct {
  guint64 free_bytes; /* as of the last tick, as the next */
  guint64 floor_bytes;
  guint64 spare_bytes;
  gint low; /* atomic: pushes are refused */
} RpSpare;

/* Sets the floor of the store, gives up or makes again, and says on the log what changes. Every second or so.
 * `data_dir` is where `reserve` lies. Never an error: a full disk is the very case. */
void rp_spare_tick (RpSpare *spare, RpStore *store, const char *data_dir, gint64 setting);
