#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"

static gint lowest_level = RP_LOG_INFO;
static gint chosen_format = RP_LOG_TEXT; /* atomic */
static atomic_ullong lost;

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

void
rp_log_set_format (RpLogFormat format)
{
  g_atomic_int_set (&chosen_format, (gint)format);
}

guint64
rp_log_dropped (void)
{
  return atomic_load (&lost);
}

static char *
render (RpLogLevel level, const char *area, const char *text, gsize *out_size)
{
  RpLogFormat format = (RpLogFormat) g_atomic_int_get (&chosen_format);
  g_autofree char *now = rp_clock_format (rp_clock_now_us ());
  const RpLogField fields[] = {
    { "time", now, 0 },
    { "level", level_names[level], 0 },
    { "area", area, 0 },
    { "message", text, 0 },
  };
  GString *line = g_string_new (NULL);
  if (format == RP_LOG_TEXT)
    {
      g_string_printf (line, "%s %s %s: ", now, level_names[level], area);
      /* A message may quote what a client sent; it must not forge a second line or drive a terminal. */
      for (; *text != '\0'; text++)
        g_string_append_c (line, g_ascii_iscntrl (*text) ? ' ' : *text);
      g_string_append_c (line, '\n');
    }
  else
    rp_log_line (format, fields, G_N_ELEMENTS (fields), line);
  *out_size = line->len;
  return g_string_free (line, FALSE);
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
  gsize size;
  g_autofree char *line = render (level, area, text, &size);
  /* One write a line keeps lines of several threads and processes apart. */
  for (gsize done = 0; done < size;)
    {
      ssize_t wrote = write (STDERR_FILENO, line + done, size - done);
      if (wrote <= 0)
        {
          atomic_fetch_add (&lost, 1); /* nowhere left to complain to */
          return;
        }
      done += (gsize)wrote;
    }
}
