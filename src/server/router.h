/* The route table, compiled: which route a method and path mean, and what else the path would
 * allow. Built once, read by all threads.
 */
#pragma once

#include "server/route.h"

typedef struct RpRouter RpRouter;

#define RP_ROUTE_PARAMS_MAX 6

typedef struct {
  const RpRoute *route; /* NULL: see `allow` */
  guint index;          /* of the route among all, for counters */
  guint n_params;
  const char *names[RP_ROUTE_PARAMS_MAX]; /* borrowed from the router */
  char *values[RP_ROUTE_PARAMS_MAX];
  char *allow; /* `GET, HEAD, PUT` if the path exists but not with this method; else NULL */
} RpRouteMatch;

void rp_route_match_clear (RpRouteMatch *match);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpRouteMatch, rp_route_match_clear)

/* `tables`: NULL-ended list of tables that end with a NULL method; borrowed for the
 * router's life. */
RpRouter *rp_router_new (const RpRoute *const *tables);
void rp_router_free (RpRouter *router);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpRouter, rp_router_free)

/* `path`: as it came, percent-encoded, without the query. A param that decodes to something with a
 * NUL or to bad UTF-8 matches nothing. */
void rp_router_match (const RpRouter *router, const char *method, const char *path,
                      RpRouteMatch *out);

guint rp_router_count (const RpRouter *router);
const RpRoute *rp_router_at (const RpRouter *router, guint index);
