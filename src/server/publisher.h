/* The thread that publishes the ledger: it keeps DATA/tlog behind the last durable event by a second at
 * most while there are events, and asks for nothing while there are none. */
#pragma once

#include "ledger/tlog.h"

typedef struct RpPublisher RpPublisher;

/* `tlog` is borrowed. Begins with what is not published yet. */
RpPublisher *rp_publisher_start (RpTlog *tlog);
/* There are new events. Quick; any thread; NULL is fine. */
void rp_publisher_notify (RpPublisher *publisher);
/* Publishes what there is, and ends the thread. */
void rp_publisher_stop (RpPublisher *publisher);
