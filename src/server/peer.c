#include "server/peer.h"

#include <arpa/inet.h>
#include <string.h>

char *
rp_peer_name (const struct sockaddr *address, gboolean network)
{
  char text[INET6_ADDRSTRLEN] = "unknown";

  if (address == NULL)
    return g_strdup (text);
  if (address->sa_family == AF_INET)
    inet_ntop (AF_INET, &((const struct sockaddr_in *) (const void *) address)->sin_addr, text,
               sizeof text);
  else if (address->sa_family == AF_INET6)
    {
      struct in6_addr v6 = ((const struct sockaddr_in6 *) (const void *) address)->sin6_addr;
      if (network && !IN6_IS_ADDR_V4MAPPED (&v6))
        memset (v6.s6_addr + 8, 0, 8);
      inet_ntop (AF_INET6, &v6, text, sizeof text);
    }
  return g_strdup (text);
}
