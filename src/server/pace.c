#include "server/pace.h"

#include "base/clock.h"
#include "base/error.h"
#include "server/parts.h"
#include "server/peer.h"

#define TOLD_TIMEOUT_S 5 /* for one too many to say what it wanted */

static const RpLimitClass classes[] = {
  [RP_NEED_PULL] = RP_LIMIT_PULL,     [RP_NEED_PUSH] = RP_LIMIT_PUSH,
  [RP_NEED_UPLOAD] = RP_LIMIT_PUSH,   [RP_NEED_DELETE] = RP_LIMIT_PUSH,
  [RP_NEED_READ] = RP_LIMIT_API,      [RP_NEED_RELEASE] = RP_LIMIT_API,
  [RP_NEED_DEPLOY] = RP_LIMIT_API,    [RP_NEED_AGENT] = RP_LIMIT_API,
  [RP_NEED_ADMINISTER] = RP_LIMIT_API,
};

/* FALSE: it is not limited. */
static gboolean
class_of (const RpRequest *request, RpLimitClass *out)
{
  const RpRoute *route = request->match.route;
  gboolean registry = rp_request_is_registry (request);

  if (route != NULL && route->need == RP_NEED_NOTHING && !registry)
    return FALSE;
  if (route == NULL || route->need < RP_NEED_PULL || route->need >= G_N_ELEMENTS (classes))
    *out = registry ? RP_LIMIT_PULL : RP_LIMIT_API;
  else
    *out = classes[route->need];
  return TRUE;
}

static gboolean
take (RpRequest *request, RpLimitSubject subject, const char *name)
{
  RpLimitClass kind;
  gint64 wait_s = 0;
  g_autofree char *text = NULL;

  if (!class_of (request, &kind)
      || rp_limits_take (request->server->limits, kind, subject, name, rp_clock_monotonic_us (),
                         &wait_s, &request->refusal))
    return TRUE;
  text = g_strdup_printf ("%" G_GINT64_FORMAT, wait_s);
  rp_respond_header (request, "Retry-After", text);
  return FALSE;
}

static const RpGuest *
guest_of (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *info
      = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

  return info != NULL ? info->socket_context : NULL;
}

static const struct sockaddr *
address_of (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *info
      = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

  return info != NULL ? info->client_addr : NULL;
}

static gboolean
is_local (const struct sockaddr *address)
{
  return address == NULL || address->sa_family == AF_UNIX;
}

gboolean
rp_pace_address (RpRequest *request)
{
  RpServer *server = request->server;
  const struct sockaddr *address;
  g_autofree char *name = NULL;

  if (rp_crowd_is_on (server->crowd)
      && !rp_crowd_admits (server->crowd, guest_of (request->connection), &request->refusal))
    {
      rp_respond_header (request, "Connection", "close");
      return FALSE;
    }
  if (!rp_limits_is_on (server->limits))
    return TRUE;
  address = address_of (request->connection);
  if (is_local (address))
    return TRUE;
  name = rp_peer_name (address, TRUE);
  return take (request, RP_LIMIT_ADDRESS, name);
}

gboolean
rp_pace_account (RpRequest *request)
{
  const RpIdentity *identity = request->identity;

  if (!rp_limits_is_on (request->server->limits) || identity == NULL || identity->account == NULL)
    return TRUE;
  return take (request, RP_LIMIT_ACCOUNT, identity->account);
}

gboolean
rp_pace_ready (RpServer *server, struct MHD_Connection *connection)
{
  const struct sockaddr *address;
  g_autofree char *name = NULL;

  if (rp_crowd_is_on (server->crowd)
      && !rp_crowd_admits (server->crowd, guest_of (connection), NULL))
    return FALSE;
  if (!rp_limits_is_on (server->limits))
    return TRUE;
  address = address_of (connection);
  if (is_local (address))
    return TRUE;
  name = rp_peer_name (address, TRUE);
  return rp_limits_try (server->limits, RP_LIMIT_PULL, RP_LIMIT_ADDRESS, name,
                        rp_clock_monotonic_us ());
}

/* ---- connections ---- */

/* A descriptor that is shut down is an event that the loop does see. */
static void
shut (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *info
      = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);

  if (info != NULL)
    shutdown (info->connect_fd, SHUT_RDWR);
}

void
rp_pace_connection (void *cls, struct MHD_Connection *connection, void **guest,
                    enum MHD_ConnectionNotificationCode code)
{
  RpServer *server = cls;
  RpGuest *entered = NULL;

  if (code == MHD_CONNECTION_NOTIFY_CLOSED)
    {
      rp_crowd_leave (server->crowd, *guest);
      *guest = NULL;
      return;
    }
  switch (rp_crowd_enter (server->crowd, address_of (connection), &entered))
    {
    case RP_CROWD_WELCOME:
      break;
    case RP_CROWD_FULL:
    case RP_CROWD_ADDRESS:
      MHD_set_connection_option (connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned int) TOLD_TIMEOUT_S);
      break;
    case RP_CROWD_SHUT:
      shut (connection);
      break;
    }
  *guest = entered;
}
