#include "base/log.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/clock.h"

static gint lowest_level = RP_LOG_INFO;

static const char *const level_names[] = {
  [RP_LOG_DEBUG] = "debug",
  [RP_LOG_INFO] = "info",
  [RP_LOG_WARNING] = "warning",
  [RP_LOG_ERROR] = "error",
};

void
rp_log_set_level (RpLogLevel level)
{
  g_atomic_int_set (&lowest_level, (gint)level);
}

/* A message may quote what a client sent; it must not forge a second line or drive a terminal. */
static void
blank_controls (char *text)
{
  for (; *text != '\0'; text++)
    if (g_ascii_iscntrl (*text))
      *text = ' ';
}

void
rp_log (RpLogLevel level, const char *area, const char *format, ...)
{
  if ((gint)level < g_atomic_int_get (&lowest_level))
    return;
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  blank_controls (text);
  g_autofree char *now = rp_clock_format (rp_clock_now_us ());
  g_autoptr (GString) line = g_string_new (NULL);
  g_string_printf (line, "%s %s %s: %s\n", now, level_names[level], area, text);
  /* One write a line keeps lines of several threads and processes apart. */
  for (gsize done = 0; done < line->len;)
    {
      ssize_t wrote = write (STDERR_FILENO, line->str + done, line->len - done);
      if (wrote <= 0)
        return; /* nowhere left to complain to */
      done += (gsize)wrote;
    }
}
