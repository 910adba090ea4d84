#include "server/activation.h"

#include <unistd.h>

#include "base/error.h"

#define FIRST_FD 3
#define SOCKETS_MAX 64

static gboolean
number_of (const char *name, guint64 max, guint64 *out)
{
  const char *text = g_getenv (name);

  return text != NULL && g_ascii_string_to_unsigned (text, 10, 1, max, out, NULL);
}

static gboolean
adopt_all (guint64 count, GArray *listeners, GError **error)
{
  for (int fd = FIRST_FD; fd < FIRST_FD + (int) count; fd++)
    {
      RpListener listener = { .fd = -1 };
      if (!rp_listener_adopt (fd, &listener, error))
        {
          g_prefix_error (error, "socket %d of the service manager: ", fd - FIRST_FD + 1);
          return FALSE;
        }
      g_array_append_val (listeners, listener);
    }
  return TRUE;
}

gboolean
rp_activation_take (GArray *listeners, GError **error)
{
  guint64 pid, count;
  gboolean ours = number_of ("LISTEN_PID", G_MAXINT, &pid) && pid == (guint64) getpid ();
  gboolean any = ours && g_getenv ("LISTEN_FDS") != NULL;

  if (any && !number_of ("LISTEN_FDS", SOCKETS_MAX, &count))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "LISTEN_FDS: expected a number of sockets from 1 to %d, found \"%.20s\"",
                   SOCKETS_MAX, g_getenv ("LISTEN_FDS"));
      return FALSE;
    }
  g_unsetenv ("LISTEN_PID");
  g_unsetenv ("LISTEN_FDS");
  g_unsetenv ("LISTEN_FDNAMES");
  return !any || adopt_all (count, listeners, error);
}
