/* The thread that applies lifecycle policies from time to time, and writes down what was pulled.  A run takes
 * as long as it takes, so it is not for the once-a-second thread. */
#pragma once

#include "retention/retention.h"

#define RP_RETENTION_EVERY_MS_DEFAULT (3600 * G_GINT64_CONSTANT (1000))

typedef struct RpSweeper RpSweeper;
/* Runs first after `every_ms`, not at once: who just started a server may still want to look. Borrows. */
RpSweeper *rp_sweeper_start (RpRetention *retention, gint64 every_ms);
/* Waits for a run that is under way; writes down what was pulled. NULL is fine. */
void rp_sweeper_stop (RpSweeper *sweeper);
