/* Long polls: suspended requests that wait for the next ledger commit or their deadline, at the
 * cost of a list entry each and one thread for all.
 *
 * No wake-up is lost: who waits says which generation it had looked at, and is woken at once if
 * there has been a commit since.
 */
#pragma once

#include <glib.h>

typedef struct RpWaiters RpWaiters;

/* `wake` is called on the waiters' thread, without a lock held; `expired`: nothing happened until
 * the deadline. */
RpWaiters *rp_waiters_new (void (*wake) (gpointer item, gboolean expired));
guint64 rp_waiters_generation (RpWaiters *waiters);
void rp_waiters_add (RpWaiters *waiters, gpointer item, guint64 generation, gint64 deadline_us);
/* There has been a commit. Quick; from any thread. */
void rp_waiters_notify (RpWaiters *waiters);
guint rp_waiters_count (RpWaiters *waiters);
/* From now on everything expires at once. */
void rp_waiters_expire_all (RpWaiters *waiters);
void rp_waiters_free (RpWaiters *waiters);
