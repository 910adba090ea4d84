#include "base/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

static void
send_text (const char *place, const char *text)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  gsize length = strlen (place);
  rp_autofd int fd = -1;

  if ((place[0] != '/' && place[0] != '@') || length >= sizeof address.sun_path)
    {
      rp_log_warning ("notify", "NOTIFY_SOCKET: \"%.200s\" is no place that can be told anything",
                      place);
      return;
    }
  memcpy (address.sun_path, place, length);
  if (place[0] == '@')
    address.sun_path[0] = '\0';
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0
      || sendto (fd, text, strlen (text), MSG_NOSIGNAL, (struct sockaddr *) &address,
                 (socklen_t) (offsetof (struct sockaddr_un, sun_path) + length))
             < 0)
    rp_log_debug ("notify", "%s: %s", place, g_strerror (errno));
}

void
rp_notify (const char *format, ...)
{
  const char *place = g_getenv ("NOTIFY_SOCKET");
  g_autofree char *text = NULL;
  va_list arguments;

  if (place == NULL || *place == '\0')
    return;
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  send_text (place, text);
}

void
rp_notify_reloading (void)
{
  rp_notify ("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, rp_clock_monotonic_us ());
}

gint64
rp_notify_watchdog_us (void)
{
  const char *period = g_getenv ("WATCHDOG_USEC"), *pid = g_getenv ("WATCHDOG_PID");
  guint64 us, number;

  if (period == NULL || !g_ascii_string_to_unsigned (period, 10, 1, G_MAXINT64, &us, NULL))
    return 0;
  if (pid != NULL
      && (!g_ascii_string_to_unsigned (pid, 10, 1, G_MAXINT, &number, NULL)
          || number != (guint64) getpid ()))
    return 0;
  return MAX ((gint64) us / 2, 1);
}
