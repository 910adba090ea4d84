/* A pool of threads that runs what must not run on an event loop. */
#pragma once

#include <glib.h>

typedef struct RpWorkers RpWorkers;

/* `run` is called with each item (not NULL), on a thread of the pool; `name` is the threads'. */
RpWorkers *rp_workers_new (const char *name, guint threads, void (*run) (gpointer item));
/* FALSE if the pool has been stopped: the item stays the caller's. */
gboolean rp_workers_push (RpWorkers *workers, gpointer item) G_GNUC_WARN_UNUSED_RESULT;
/* Runs what is queued, then takes nothing any more. Blocking. */
void rp_workers_stop (RpWorkers *workers);
void rp_workers_free (RpWorkers *workers);
