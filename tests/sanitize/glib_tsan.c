/* Tells ThreadSanitizer what GLib's locks order.
 *
 * GLib's mutexes are futexes and atomics inside a library that is not instrumented, so the sanitizer would
 * see unlocked access behind every GMutex.  These definitions take the place of GLib's in a
 * program built with -Db_sanitize=thread: they call the real function and declare the order it gives.
 * Linked into no other build.
 */
#include <dlfcn.h>
#include <glib.h>
#include <glib-object.h>
#include <pthread.h>

void __tsan_acquire (void *address);
void __tsan_release (void *address);

#define REAL(name)                                                                                 \
  static __typeof__ (&name) found;                                                                 \
  __typeof__ (&name) real = __atomic_load_n (&found, __ATOMIC_RELAXED);                            \
  if (real == NULL)                                                                                \
    {                                                                                              \
      real = (__typeof__ (&name)) dlsym (RTLD_NEXT, #name);                                        \
      __atomic_store_n (&found, real, __ATOMIC_RELAXED);                                           \
    }

#define LOCK(name, type)                                                                           \
  void name (type *lock)                                                                           \
  {                                                                                                \
    REAL (name)                                                                                    \
    real (lock);                                                                                   \
    __tsan_acquire (lock);                                                                         \
  }
#define TRYLOCK(name, type)                                                                        \
  gboolean name (type *lock)                                                                       \
  {                                                                                                \
    REAL (name)                                                                                    \
    gboolean taken = real (lock);                                                                  \
    if (taken)                                                                                     \
      __tsan_acquire (lock);                                                                       \
    return taken;                                                                                  \
  }
#define UNLOCK(name, type)                                                                         \
  void name (type *lock)                                                                           \
  {                                                                                                \
    REAL (name)                                                                                    \
    __tsan_release (lock);                                                                         \
    real (lock);                                                                                   \
  }

#undef g_mutex_lock
#undef g_mutex_trylock
#undef g_mutex_unlock
LOCK (g_mutex_lock, GMutex)
TRYLOCK (g_mutex_trylock, GMutex)
UNLOCK (g_mutex_unlock, GMutex)
LOCK (g_rec_mutex_lock, GRecMutex)
TRYLOCK (g_rec_mutex_trylock, GRecMutex)
UNLOCK (g_rec_mutex_unlock, GRecMutex)
LOCK (g_rw_lock_writer_lock, GRWLock)
TRYLOCK (g_rw_lock_writer_trylock, GRWLock)
UNLOCK (g_rw_lock_writer_unlock, GRWLock)
LOCK (g_rw_lock_reader_lock, GRWLock)
TRYLOCK (g_rw_lock_reader_trylock, GRWLock)
UNLOCK (g_rw_lock_reader_unlock, GRWLock)

void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  REAL (g_cond_wait)
  __tsan_release (mutex);
  real (cond, mutex);
  __tsan_acquire (mutex);
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end_time)
{
  REAL (g_cond_wait_until)
  __tsan_release (mutex);
  gboolean signalled = real (cond, mutex, end_time);
  __tsan_acquire (mutex);
  return signalled;
}

#undef g_once_init_leave
void
g_once_init_leave (volatile void *location, gsize result)
{
  REAL (g_once_init_leave)
  __tsan_release ((void *) location);
  real (location, result);
}

void
g_async_queue_push (GAsyncQueue *queue, gpointer data)
{
  REAL (g_async_queue_push)
  __tsan_release (queue);
  real (queue, data);
}

gpointer
g_async_queue_pop (GAsyncQueue *queue)
{
  REAL (g_async_queue_pop)
  gpointer data = real (queue);
  __tsan_acquire (queue);
  return data;
}

gpointer
g_async_queue_try_pop (GAsyncQueue *queue)
{
  REAL (g_async_queue_try_pop)
  gpointer data = real (queue);
  __tsan_acquire (queue);
  return data;
}

gpointer
g_async_queue_timeout_pop (GAsyncQueue *queue, guint64 timeout)
{
  REAL (g_async_queue_timeout_pop)
  gpointer data = real (queue, timeout);
  __tsan_acquire (queue);
  return data;
}

/* What was done before a push is seen by the worker that runs it. The closure lives as long as the
 * process: GLib may run a task after g_thread_pool_free() has returned. */
typedef struct {
  GFunc func;
  gpointer user_data;
} PoolClosure;

static char pool_order; /* an address, for all pools */

static void
pool_run (gpointer data, gpointer closure_data)
{
  PoolClosure *closure = closure_data;
  __tsan_acquire (&pool_order);
  closure->func (data, closure->user_data);
  __tsan_release (&pool_order);
}

GThreadPool *
g_thread_pool_new (GFunc func, gpointer user_data, gint max_threads, gboolean exclusive,
                   GError **error)
{
  REAL (g_thread_pool_new)
  static GSList *closures;
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  PoolClosure *closure = g_new (PoolClosure, 1);
  *closure = (PoolClosure){ .func = func, .user_data = user_data };
  pthread_mutex_lock (&lock);
  closures = g_slist_prepend (closures, closure);
  pthread_mutex_unlock (&lock);
  return real (pool_run, closure, max_threads, exclusive, error);
}

gboolean
g_thread_pool_push (GThreadPool *pool, gpointer data, GError **error)
{
  REAL (g_thread_pool_push)
  __tsan_release (&pool_order);
  return real (pool, data, error);
}

void
g_thread_pool_free (GThreadPool *pool, gboolean immediate, gboolean wait)
{
  REAL (g_thread_pool_free)
  real (pool, immediate, wait);
  __tsan_acquire (&pool_order);
}

/* The last reference frees: after all that holders of the others did. */
static pthread_mutex_t reference_lock;
static pthread_once_t reference_once = PTHREAD_ONCE_INIT;

static void
reference_lock_init (void)
{
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init (&attributes);
  pthread_mutexattr_settype (&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init (&reference_lock, &attributes);
}

/* The order is declared under the lock, but what frees runs outside it: a clear function may take
 * other locks. */
static void
reference_dropped (gpointer object)
{
  pthread_once (&reference_once, reference_lock_init);
  pthread_mutex_lock (&reference_lock);
  __tsan_release (object);
  __tsan_acquire (object);
  pthread_mutex_unlock (&reference_lock);
}

#define UNREF(name, type)                                                                          \
  void name (type *object)                                                                         \
  {                                                                                                \
    REAL (name)                                                                                    \
    if (object != NULL)                                                                            \
      reference_dropped (object);                                                                  \
    real (object);                                                                                 \
  }

UNREF (g_bytes_unref, GBytes)
UNREF (g_hash_table_unref, GHashTable)
UNREF (g_ptr_array_unref, GPtrArray)
UNREF (g_main_context_unref, GMainContext)

#undef g_atomic_rc_box_release_full
void
g_atomic_rc_box_release_full (gpointer box, GDestroyNotify clear)
{
  REAL (g_atomic_rc_box_release_full)
  reference_dropped (box);
  real (box, clear);
}

gboolean (g_atomic_ref_count_dec) (gatomicrefcount *count)
{
  REAL (g_atomic_ref_count_dec)
  __tsan_release (count);
  gboolean last = real (count);
  if (last)
    __tsan_acquire (count);
  return last;
}
