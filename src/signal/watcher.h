/* The thread that takes measurements of the revisions that are watched, and has what follows from them written down and done
 * (release/signal_watch.h).  It keeps nothing: what it goes by is in the ledger.
 */
#pragma once

#include "release/signal_watch.h"

typedef struct RpWatcher RpWatcher;
/* Borrows the engine. `ca_file`: authorities that are trusted too where signals are asked; or NULL. */
RpWatcher *rp_watcher_start (RpEngine *engine, const char *ca_file);
/* Aborts what is being asked. NULL is fine. */
void rp_watcher_stop (RpWatcher *watcher);
