/* What proxy.c and proxy_fetch.c share. */
#pragma once

#include <stdatomic.h>

#include "oci/upstream.h"
#include "server/proxy.h"
#include "server/workers.h"

/* One rule and the registry that it is about. */
typedef struct {
  RpProxy *proxy;
  const RpProxyRule *rule;
  RpUpstream *upstream;
  /* under the proxy's lock: it could not be asked lately */
  char *trouble;           /* what was wrong, or NULL */
  gint64 silent_until_us;  /* monotonic: is not asked before, for what is here */
  guint troubles;          /* in a row */
} RpProxyPlace;

struct RpProxy {
  RpServer *server;
  RpProxyRules *rules;
  GPtrArray *places;  /* RpProxyPlace */
  RpWorkers *fetchers;
  gint cancelled;     /* atomic */
  GMutex lock;
  /* under lock */
  GHashTable *flights; /* key → RpFlight */
  GHashTable *fresh;   /* "repository\ntag" → what upstream said of it, and when; proxy.c */
  /* atomic */
  atomic_ullong served[RP_FLIGHT_FAILED + 2]; /* requests by outcome; the last: from here, nobody was asked */
  atomic_ullong asked, failed, fetched_bytes;
};

typedef struct {
  RpFlightOutcome outcome;
  char *warning;
  GError *error;
  gboolean fresh;   /* what the tag means is known as of now */
} RpProxyResult;

/* Blocks. In proxy_fetch.c. */
void rp_proxy_fly (RpFlight *flight, RpProxyResult *result);
