/* Hashing beside the caller, who writes the same bytes to the disk meanwhile: one push alone is bound by
 * SHA-256 on one core, and need not be bound by the sum of both.  Thread-safe.
 */
#pragma once

#include "base/digest.h"

typedef struct RpHashing RpHashing;

/* All borrowed until rp_hashing_wait() has returned. */
typedef struct {
  RpHasher *hasher;
  const void *data;
  gsize size;
  gboolean done; /* under the lock of the RpHashing, as is: */
  GCond finished;
} RpHashJob;

/* Threads are started when they are needed, at most one for each processor. */
RpHashing *rp_hashing_new (void);
/* No job is under way any more. */
void rp_hashing_free (RpHashing *hashing);

/* FALSE if every thread has something to do: then the caller's own is as good as any. Does not block. */
gboolean rp_hashing_start (RpHashing *hashing, RpHashJob *job) G_GNUC_WARN_UNUSED_RESULT;
/* Until it is done: a job that no thread has come to yet the caller does itself. Once for each that was started. */
void rp_hashing_wait (RpHashing *hashing, RpHashJob *job);
