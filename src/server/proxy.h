/* Repositories that are filled from other registries when somebody asks (proxy_rules.h).  What a client asks for and is not
 * here is fetched, verified, kept and served; what is here is served from here, also while upstream is down or has it
 * no more.  A handler that needs upstream waits without a thread (flight.h); a bounded number of
 * threads asks upstream, never an event loop.  Thread-safe.
 */
#pragma once

#include "registry/heal.h"
#include "server/flight.h"
#include "server/proxy_rules.h"

typedef struct RpProxy RpProxy;

/* RP_ERROR_USAGE. `rules` may be NULL. */
RpProxy *rp_proxy_new (RpServer *server, RpProxyRules *rules, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* What runs ends soon. NULL is fine, as below. */
void rp_proxy_cancel (RpProxy *proxy);
/* What the registry asks where bytes are damaged or gone: the registries that they were copied in from, if the rules
 * say how to speak to them. */
RpHealer rp_proxy_healer (RpProxy *proxy);
/* Ends what runs, and asks nothing any more. Blocks until all flights have landed. NULL is fine. */
void rp_proxy_stop (RpProxy *proxy);
void rp_proxy_free (RpProxy *proxy);

/* containerd asks a mirror for what it knows by another name and says whose that is (`?ns=docker.io`): gives the request the
 * name that the repository has here, before anybody looks whether it may be read. */
void rp_proxy_rename (RpRequest *request);

gboolean rp_proxy_is_proxied (const RpProxy *proxy, const char *repository);
/* RP_ERROR_DENIED says where the repository is filled from. */
gboolean rp_proxy_admits_push (const RpProxy *proxy, const char *repository, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Before a tag is looked up: TRUE if upstream is to be asked first what it means. The handler returns TRUE then, and is called
 * again. */
gboolean rp_proxy_asks_first (RpRequest *request, const char *repository, const char *reference);

typedef enum {
  RP_PROXY_NONE, /* there is none, `error` says why */
  RP_PROXY_AWAY, /* the handler returns TRUE and is called again */
  RP_PROXY_FLOWS /* answer by rp_flight_follow(), of request->flight */
} RpProxyWay;
/* What was asked for is not here, says `cause`, which is taken over. */
RpProxyWay rp_proxy_missed (RpRequest *request, RpFlightKind kind, const char *repository,
                            const char *reference, GError *cause, guint64 *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* It is here, or flows, and is about to be served: counts it, and adds what is to be said with it. */
void rp_proxy_served (RpRequest *request, const char *repository, const char *reference);

/* In the text format of Prometheus. */
void rp_proxy_print (RpProxy *proxy, GString *out);
