/* Locks on bytes, by digest: many digests share one.  Private to this room.
 *
 * Held for use from before bytes are looked at or made durable until what relies on them is
 * recorded, and for change while bytes are moved out of sight or back: so a good copy that was just
 * pushed is never taken for the bad one that it replaced, and nothing goes that somebody has just
 * been told is there.  Who changes one digest keeps nobody waiting who uses another.
 */
#pragma once

#include "base/digest.h"

enum { RP_BYTE_LOCKS = 256 };

typedef struct {
  GRWLock locks[RP_BYTE_LOCKS];
} RpByteLocks;

void rp_byte_locks_init (RpByteLocks *locks);
void rp_byte_locks_clear (RpByteLocks *locks);

/* One digest; not twice by one thread. */
void rp_bytes_use (RpByteLocks *locks, const RpDigest *digest);
void rp_bytes_unuse (RpByteLocks *locks, const RpDigest *digest);
void rp_bytes_change (RpByteLocks *locks, const RpDigest *digest);
/* FALSE, and nothing is held, if that would mean to wait: whoever uses bytes goes first. */
gboolean rp_bytes_try_change (RpByteLocks *locks, const RpDigest *digest);
void rp_bytes_changed (RpByteLocks *locks, const RpDigest *digest);

/* Several: taken in one order, so that nobody waits for ever. */
typedef struct {
  gboolean held[RP_BYTE_LOCKS];
} RpByteSet;
void rp_byte_set_add (RpByteSet *set, const RpDigest *digest);
void rp_byte_set_use (RpByteLocks *locks, const RpByteSet *set);
void rp_byte_set_unuse (RpByteLocks *locks, const RpByteSet *set);
