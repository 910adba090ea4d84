/* Requests, responses and the route table.  A handler gets a matched, checked request, makes one
 * domain call and renders; the permission, the body limit and the error envelope are the server's
 * (server.c, http.c).
 */
#pragma once

#include <jansson.h>

#include "access/access.h"
#include "base/digest.h"
#include "ledger/tlog.h"
#include "registry/registry.h"
#include "release/engine.h"
#include "retention/collector.h"
#include "retention/retention.h"
#include "retention/scrubber.h"
#include "server/wishes.h"

typedef struct RpServer RpServer;
typedef struct RpRequest RpRequest;

/* What handlers work on. */
typedef struct {
  RpStore *store;
  RpLedger *ledger;
  RpTlog *tlog; /* NULL: it could not be opened */
  RpRegistry *registry;
  RpEngine *engine;
  RpAccess *access;
  RpRetention *retention;
  RpCollector *collector;
  RpScrubber *scrubber;
  RpWishes *wishes;
} RpServices;

const RpServices *rp_request_services (const RpRequest *request);
/* A `{name}` of the path template, percent-decoded; NULL if the template has none. */
const char *rp_request_param (const RpRequest *request, const char *name);
/* First value of a query argument, percent-decoded (`+` stays); NULL if absent. */
const char *rp_request_query (const RpRequest *request, const char *name);
gboolean rp_request_query_int (const RpRequest *request, const char *name, gint64 fallback,
                               gint64 *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
const char *rp_request_header (const RpRequest *request, const char *name);
/* The whole body (routes without RP_ROUTE_STREAM); never NULL. */
GBytes *rp_request_body (const RpRequest *request);
/* The body as a JSON object; RP_ERROR_INVALID with line and column. The caller's. */
json_t *rp_request_json (const RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same, with no other field than the NULL-ended list names: what was misspelt must not be taken for left out. */
json_t *rp_request_fields (const RpRequest *request, const char *const *keys, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Who asks, for the ledger: the account, with what the header X-Repoint-Actor says in parentheses
 * behind it.  Where nobody is asked who they are, that header if it is sane, else
 * `anonymous@<peer address>`. */
const char *rp_request_actor (const RpRequest *request);
/* Who asks, borrowed; NULL where nobody is asked. */
const RpIdentity *rp_request_identity (const RpRequest *request);
/* Beyond what the route needs: may they? TRUE where nobody is asked. `subject` NULL: all there are. */
gboolean rp_request_may (const RpRequest *request, RpAction action, const char *subject);

/* Exactly one of these per request. Strings are copied, `json` is taken over, `fd` too. */
void rp_respond_json (RpRequest *request, int status, json_t *json);
void rp_respond_bytes (RpRequest *request, int status, const char *content_type, GBytes *bytes);
void rp_respond_empty (RpRequest *request, int status);
void rp_respond_fd (RpRequest *request, int status, const char *content_type, int fd,
                    guint64 offset, guint64 size);
void rp_respond_header (RpRequest *request, const char *name, const char *value);

/* Long poll: a handler that has nothing to say yet returns rp_request_wait() before responding; it
 * is called again from the start after the next ledger commit or at the deadline
 * (rp_request_expired() is TRUE then and it must answer). Always returns TRUE. Costs no thread
 * while it waits. */
gboolean rp_request_wait (RpRequest *request, gint64 wait_ms);
gboolean rp_request_expired (const RpRequest *request);
/* Has it waited already? Then what it says is as old as that. */
gboolean rp_request_waited (const RpRequest *request);

typedef enum {
  RP_ROUTE_READ = 0,
  RP_ROUTE_WRITE = 1 << 0,    /* changes something: runs on a worker, never on an event loop */
  RP_ROUTE_SLOW = 1 << 1,     /* may hash or wait: runs on a worker thread too */
  RP_ROUTE_STREAM = 1 << 2,   /* takes its body piece by piece (registry uploads) */
  RP_ROUTE_REGISTRY = 1 << 3, /* errors in the distribution-spec envelope */
} RpRouteFlags;

/* What one must be allowed to do; the template's params say to what. */
typedef enum {
  RP_NEED_UNSAID = 0, /* a defect: every route says */
  RP_NEED_NOTHING,
  RP_NEED_ACCOUNT, /* any */
  RP_NEED_PULL,    /* {name}, or all repositories if the template has none; and so on */
  RP_NEED_PUSH,
  RP_NEED_UPLOAD, /* as RP_NEED_PUSH, and a ticket that expired since the upload began still counts */
  RP_NEED_DELETE,
  RP_NEED_READ,    /* {app} */
  RP_NEED_RELEASE, /* {app} */
  RP_NEED_DEPLOY,  /* {app}/{environment} */
  RP_NEED_APPROVE, /* {app}/{environment} */
  RP_NEED_AGENT,   /* {app}/{environment}/{target} */
  RP_NEED_ADMINISTER,
} RpNeed;

typedef struct {
  const char *method;   /* "GET" routes answer HEAD as well */
  const char *template; /* "/api/v1/apps/{app}"; in /v2/ `{name}` may hold slashes */
  RpRouteFlags flags;
  RpNeed need;
  /* FALSE with error set: the server renders it by the error table. */
  gboolean (*handle) (RpRequest *request, GError **error);
  const char *summary; /* for the API description; a test compares them */
  /* RP_ROUTE_STREAM only, may be NULL: called on a worker before the body is read, to check what
   * can be checked without it and to say where it goes (rp_request_set_sink). The body is drained
   * if it fails. */
  gboolean (*begin) (RpRequest *request, GError **error);
} RpRoute;

extern const RpRoute rp_api_routes[];      /* api.c: /api/v1, ends with a NULL method */
extern const RpRoute rp_registry_routes[]; /* v2.c */
extern const RpRoute rp_system_routes[];   /* system.c: health, metrics, front page */
