#include "server/crowd.h"

#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "server/peer.h"

struct RpGuest {
  RpCrowdWord word;
  char *address; /* or NULL: not counted by it */
};

struct RpCrowd {
  GMutex lock;
  GHashTable *addresses; /* under lock: text → number of connections */
  guint told;            /* under lock: refused ones that are open */
  gint on;               /* atomic, as the others */
  atomic_llong most, most_by_address;
  atomic_llong here;
  atomic_ullong refused, refused_by_address;
};

RpCrowd *
rp_crowd_new (void)
{
  RpCrowd *crowd = g_new0 (RpCrowd, 1);

  g_mutex_init (&crowd->lock);
  crowd->addresses = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return crowd;
}

void
rp_crowd_free (RpCrowd *crowd)
{
  if (crowd == NULL)
    return;
  g_hash_table_unref (crowd->addresses);
  g_mutex_clear (&crowd->lock);
  g_free (crowd);
}

void
rp_crowd_set (RpCrowd *crowd, gint64 most, gint64 most_by_address)
{
  atomic_store (&crowd->most, most);
  atomic_store (&crowd->most_by_address, most_by_address);
  g_atomic_int_set (&crowd->on, most > 0 || most_by_address > 0);
}

gboolean
rp_crowd_is_on (const RpCrowd *crowd)
{
  return g_atomic_int_get (&((RpCrowd *) crowd)->on);
}

static guint
count_of (RpCrowd *crowd, const char *address)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (crowd->addresses, address));
}

static void
count_address (RpCrowd *crowd, const char *address, gboolean comes)
{
  guint count = count_of (crowd, address) + (comes ? 1U : -1U);

  if (count == 0)
    g_hash_table_remove (crowd->addresses, address);
  else
    g_hash_table_replace (crowd->addresses, g_strdup (address), GUINT_TO_POINTER (count));
}

static RpCrowdWord
weigh (RpCrowd *crowd, gint64 here, const char *address)
{
  gint64 most = atomic_load (&crowd->most), most_by_address = atomic_load (&crowd->most_by_address);
  RpCrowdWord word = RP_CROWD_WELCOME;

  if (address != NULL && most_by_address > 0 && count_of (crowd, address) >= most_by_address)
    word = RP_CROWD_ADDRESS;
  else if (most > 0 && here - crowd->told > most)
    word = RP_CROWD_FULL;
  if (word == RP_CROWD_WELCOME)
    return word;
  atomic_fetch_add (word == RP_CROWD_FULL ? &crowd->refused : &crowd->refused_by_address, 1);
  return crowd->told >= RP_CROWD_TOLD_MAX ? RP_CROWD_SHUT : word;
}

RpCrowdWord
rp_crowd_enter (RpCrowd *crowd, const struct sockaddr *address, RpGuest **out_guest)
{
  gint64 here = atomic_fetch_add_explicit (&crowd->here, 1, memory_order_relaxed) + 1;
  gboolean by_address = atomic_load_explicit (&crowd->most_by_address, memory_order_relaxed) > 0;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = NULL;
  RpGuest *guest;

  *out_guest = NULL;
  if (!rp_crowd_is_on (crowd))
    return RP_CROWD_WELCOME;
  guest = g_new0 (RpGuest, 1);
  if (by_address && address != NULL && address->sa_family != AF_UNIX)
    guest->address = rp_peer_name (address, TRUE);
  locker = g_mutex_locker_new (&crowd->lock);
  guest->word = weigh (crowd, here, guest->address);
  if (guest->word != RP_CROWD_WELCOME)
    {
      g_clear_pointer (&guest->address, g_free);
      crowd->told++;
    }
  else if (guest->address != NULL)
    count_address (crowd, guest->address, TRUE);
  *out_guest = guest;
  return guest->word;
}

void
rp_crowd_leave (RpCrowd *crowd, RpGuest *guest)
{
  atomic_fetch_sub_explicit (&crowd->here, 1, memory_order_relaxed);
  if (guest == NULL)
    return;
  g_mutex_lock (&crowd->lock);
  if (guest->word != RP_CROWD_WELCOME)
    crowd->told--;
  else if (guest->address != NULL)
    count_address (crowd, guest->address, FALSE);
  g_mutex_unlock (&crowd->lock);
  g_free (guest->address);
  g_free (guest);
}

gboolean
rp_crowd_admits (RpCrowd *crowd, const RpGuest *guest, GError **error)
{
  if (guest == NULL || guest->word == RP_CROWD_WELCOME)
    return TRUE;
  if (guest->word == RP_CROWD_ADDRESS)
    g_set_error (error, RP_ERROR, RP_ERROR_TOO_MANY,
                 "there are %lld connections from this address already, which is the limit here: "
                 "end one, or come again later; who runs the server can raise "
                 "limit_connections_address",
                 atomic_load (&crowd->most_by_address));
  else
    g_set_error (error, RP_ERROR, RP_ERROR_BUSY,
                 "there are %lld connections already, which is the limit here: come again later; "
                 "who runs the server can raise limit_connections",
                 atomic_load (&crowd->most));
  return FALSE;
}

void
rp_crowd_print (RpCrowd *crowd, GString *out)
{
  g_string_append_printf (
      out,
      "# HELP repoint_http_connections Connections that are open.\n"
      "# TYPE repoint_http_connections gauge\n"
      "repoint_http_connections %lld\n"
      "# HELP repoint_connections_refused_total Connections that were too many, by the limit's name.\n"
      "# TYPE repoint_connections_refused_total counter\n"
      "repoint_connections_refused_total{limit=\"limit_connections\"} %llu\n"
      "repoint_connections_refused_total{limit=\"limit_connections_address\"} %llu\n",
      atomic_load (&crowd->here), atomic_load (&crowd->refused),
      atomic_load (&crowd->refused_by_address));
}
