/* What an RpAccess is made of.  Private to this room. */
#pragma once

#include "access/access.h"
#include "access/directory.h"
#include "access/throttle.h"
#include "access/ticket.h"

struct RpAccess {
  RpLedger *ledger;
  gboolean anonymous_pull;
  guint8 key[RP_TICKET_KEY_SIZE];
  RpThrottle *throttle;
  GMutex changing; /* one change at a time, so that directories follow each other in order */
  GMutex lock;
  RpDirectory *directory; /* under lock; it itself never changes */
  gint accounts;          /* atomic: how many */
};

/* The one of now. The caller's reference. */
RpDirectory *rp_access_directory (RpAccess *access);
/* Takes the reference over. */
void rp_access_set_directory (RpAccess *access, RpDirectory *directory);
