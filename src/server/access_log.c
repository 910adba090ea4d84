#include "server/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define QUEUE_MAX 16384 /* lines: a few seconds of a busy server */
#define PATH_MAX_BYTES 1024
#define AGENT_MAX_BYTES 128
#define PATIENCE_MS 200 /* with what is not ready to be written to */
#define COMPLAINT_EVERY_US (60 * G_USEC_PER_SEC)

typedef struct {
  char *texts[6]; /* method, path, client, account, request_id, agent */
  int status;
  gboolean cut;
  guint64 received_bytes, sent_bytes;
  gint64 at_us, duration_us;
} Line;

struct RpAccessLog {
  GThread *thread;
  gint on; /* atomic */
  atomic_ullong dropped;
  GMutex lock;
  GCond cond;
  /* under lock */
  GQueue lines;
  gboolean stopped;
  /* under file_lock, which is never held together with the other one */
  GMutex file_lock;
  int fd;
  RpLogFormat format;
  gboolean broken_line; /* the last write ended inside of a line */
  gint64 complained_us;
};

static void
line_free (gpointer data)
{
  Line *line = data;

  for (gsize i = 0; i < G_N_ELEMENTS (line->texts); i++)
    g_free (line->texts[i]);
  g_free (line);
}

/* ---- writing ---- */

static void
render (RpLogFormat format, const Line *line, GString *out)
{
  g_autofree char *time = rp_clock_format (line->at_us);
  const RpLogField fields[] = {
    { "time", time, 0 },
    { "client", line->texts[2], 0 },
    { "account", line->texts[3], 0 },
    { "method", line->texts[0], 0 },
    { "path", line->texts[1], 0 },
    { "status", NULL, line->status },
    { "received", NULL, (gint64) line->received_bytes },
    { "sent", NULL, (gint64) line->sent_bytes },
    { "duration_us", NULL, line->duration_us },
    { "end", line->cut ? "cut" : "whole", 0 },
    { "request_id", line->texts[4], 0 },
    { "agent", line->texts[5], 0 },
  };

  rp_log_line (format, fields, G_N_ELEMENTS (fields), out);
}

static void
lose_line (RpAccessLog *log, int err)
{
  gint64 now_us = rp_clock_monotonic_us ();

  atomic_fetch_add (&log->dropped, 1);
  if (log->complained_us != 0 && now_us - log->complained_us < COMPLAINT_EVERY_US)
    return;
  log->complained_us = now_us;
  rp_log_error ("access", "lines of the access log are lost, requests are not: %s", g_strerror (err));
}

/* A whole line or none: what got out before the disk was full is ended before the next one. */
static gboolean
write_line (RpAccessLog *log, GString *text)
{
  struct pollfd room = { .fd = log->fd, .events = POLLOUT };
  gsize done = 0;

  if (log->broken_line)
    g_string_prepend_c (text, '\n');
  while (done < text->len)
    {
      ssize_t wrote;
      errno = EAGAIN; /* a reader of a pipe that sleeps */
      wrote = poll (&room, 1, PATIENCE_MS) != 0 ? write (log->fd, text->str + done, text->len - done)
                                                : -1;
      if (wrote < 0 && errno == EINTR)
        continue;
      if (wrote <= 0)
        {
          log->broken_line = log->broken_line || done > 0;
          lose_line (log, errno);
          return FALSE;
        }
      done += (gsize) wrote;
    }
  log->broken_line = FALSE;
  return TRUE;
}

static gboolean
write_entry (RpAccessLog *log, const Line *line)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&log->file_lock);
  g_autoptr (GString) text = g_string_sized_new (256);

  if (log->fd < 0)
    return TRUE;
  render (log->format, line, text);
  return write_line (log, text);
}

static gpointer
writer_thread (gpointer data)
{
  RpAccessLog *log = data;

  g_mutex_lock (&log->lock);
  while (!log->stopped || log->lines.length > 0)
    {
      Line *line = g_queue_pop_head (&log->lines);
      gboolean written;
      if (line == NULL)
        {
          g_cond_wait (&log->cond, &log->lock);
          continue;
        }
      g_mutex_unlock (&log->lock);
      written = write_entry (log, line);
      line_free (line);
      g_mutex_lock (&log->lock);
      if (log->stopped && !written)
        break; /* nor would the others be: the stop does not wait for that */
    }
  g_mutex_unlock (&log->lock);
  return NULL;
}

/* ---- from outside ---- */

RpAccessLog *
rp_access_log_new (void)
{
  RpAccessLog *log = g_new0 (RpAccessLog, 1);

  log->fd = -1;
  g_mutex_init (&log->lock);
  g_mutex_init (&log->file_lock);
  g_cond_init (&log->cond);
  g_queue_init (&log->lines);
  return log;
}

void
rp_access_log_free (RpAccessLog *log)
{
  if (log == NULL)
    return;
  g_mutex_lock (&log->lock);
  log->stopped = TRUE;
  g_cond_signal (&log->cond);
  g_mutex_unlock (&log->lock);
  if (log->thread != NULL)
    g_thread_join (log->thread);
  rp_close_fd (&log->fd);
  g_queue_clear_full (&log->lines, line_free);
  g_mutex_clear (&log->lock);
  g_mutex_clear (&log->file_lock);
  g_cond_clear (&log->cond);
  g_free (log);
}

static int
open_place (const char *place)
{
  if (strcmp (place, "off") == 0)
    return -1;
  if (strcmp (place, "-") == 0)
    return fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  return open (place, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

gboolean
rp_access_log_open (RpAccessLog *log, const char *place, RpLogFormat format, GError **error)
{
  gboolean on = strcmp (place, "off") != 0;
  rp_autofd int fd = open_place (place);
  int old;

  if (on && fd < 0)
    return rp_error_set_errno (error, errno, "cannot open the access log %s", place);
  g_mutex_lock (&log->file_lock);
  old = log->fd;
  log->fd = fd;
  fd = old;
  log->format = format;
  log->broken_line = FALSE;
  g_mutex_unlock (&log->file_lock);
  if (on && log->thread == NULL)
    log->thread = g_thread_new ("access-log", writer_thread, log);
  g_atomic_int_set (&log->on, on);
  return TRUE;
}

gboolean
rp_access_log_is_on (const RpAccessLog *log)
{
  return g_atomic_int_get (&log->on) != 0;
}

void
rp_access_log_add (RpAccessLog *log, const RpAccessEntry *entry)
{
  Line *line = g_new (Line, 1);
  gboolean full;

  *line = (Line){
    .texts = { g_strdup (entry->method), g_strndup (entry->path, PATH_MAX_BYTES),
               g_strdup (entry->client), g_strdup (entry->account), g_strdup (entry->request_id),
               g_strndup (entry->agent, AGENT_MAX_BYTES) },
    .status = entry->status,
    .cut = entry->cut,
    .received_bytes = entry->received_bytes,
    .sent_bytes = entry->sent_bytes,
    .at_us = entry->at_us,
    .duration_us = entry->duration_us,
  };
  g_mutex_lock (&log->lock);
  full = log->lines.length >= QUEUE_MAX;
  if (!full)
    {
      g_queue_push_tail (&log->lines, line);
      g_cond_signal (&log->cond);
    }
  g_mutex_unlock (&log->lock);
  if (!full)
    return;
  atomic_fetch_add (&log->dropped, 1);
  line_free (line);
}

guint64
rp_access_log_dropped (const RpAccessLog *log)
{
  return atomic_load (&((RpAccessLog *) log)->dropped);
}
