#include "registry/byte_locks.h"

void
rp_byte_locks_init (RpByteLocks *locks)
{
  for (guint i = 0; i < RP_BYTE_LOCKS; i++)
    g_rw_lock_init (&locks->locks[i]);
}

void
rp_byte_locks_clear (RpByteLocks *locks)
{
  for (guint i = 0; i < RP_BYTE_LOCKS; i++)
    g_rw_lock_clear (&locks->locks[i]);
}

static GRWLock *
lock_of (RpByteLocks *locks, const RpDigest *digest)
{
  return &locks->locks[digest->bytes[0]];
}

void
rp_bytes_use (RpByteLocks *locks, const RpDigest *digest)
{
  g_rw_lock_reader_lock (lock_of (locks, digest));
}

void
rp_bytes_unuse (RpByteLocks *locks, const RpDigest *digest)
{
  g_rw_lock_reader_unlock (lock_of (locks, digest));
}

void
rp_bytes_change (RpByteLocks *locks, const RpDigest *digest)
{
  g_rw_lock_writer_lock (lock_of (locks, digest));
}

gboolean
rp_bytes_try_change (RpByteLocks *locks, const RpDigest *digest)
{
  return g_rw_lock_writer_trylock (lock_of (locks, digest));
}

void
rp_bytes_changed (RpByteLocks *locks, const RpDigest *digest)
{
  g_rw_lock_writer_unlock (lock_of (locks, digest));
}

void
rp_byte_set_add (RpByteSet *set, const RpDigest *digest)
{
  set->held[digest->bytes[0]] = TRUE;
}

void
rp_byte_set_use (RpByteLocks *locks, const RpByteSet *set)
{
  for (guint i = 0; i < RP_BYTE_LOCKS; i++)
    if (set->held[i])
      g_rw_lock_reader_lock (&locks->locks[i]);
}

void
rp_byte_set_unuse (RpByteLocks *locks, const RpByteSet *set)
{
  for (guint i = 0; i < RP_BYTE_LOCKS; i++)
    if (set->held[i])
      g_rw_lock_reader_unlock (&locks->locks[i]);
}
