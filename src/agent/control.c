#include "agent/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

#define SOCKET_NAME "control.sock"
#define LINE_LIMIT_BYTES (256 * 1024)
#define REQUEST_TIMEOUT_MS 5000            /* for the request to come in */
#define ANSWER_TIMEOUT_MS (25 * 60 * 60 * 1000LL) /* longer than the longest trial */
#define MAX_CONVERSATIONS 8

struct RpControl {
  char *state_dir;
  RpControlUndo undo;
  RpControlPing ping;
  gpointer user_data;
  int listener;
  int stop; /* eventfd */
  GThreadPool *conversations;
  GThread *thread;
};

/* A path below /proc/self/fd keeps within the 108 bytes of a socket address, however deep STATE is. */
static gboolean
socket_address (const char *state_dir, struct sockaddr_un *address, int *out_dir, GError **error)
{
  int dir = open (state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

  if (dir < 0)
    return rp_error_set_errno (error, errno, "cannot open %s", state_dir);
  memset (address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  g_snprintf (address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/" SOCKET_NAME, dir);
  *out_dir = dir;
  return TRUE;
}

/* ---- lines ---- */

static gboolean
wait_readable (int fd, gint64 deadline_us)
{
  struct pollfd waiting = { .fd = fd, .events = POLLIN };
  gint64 left_ms = (deadline_us - g_get_monotonic_time ()) / 1000;

  return left_ms > 0 && poll (&waiting, 1, (int) MIN (left_ms, G_MAXINT)) > 0;
}

static json_t *
read_line (int fd, gint64 timeout_ms, GError **error)
{
  g_autoptr (GByteArray) line = g_byte_array_new ();
  gint64 deadline_us = g_get_monotonic_time () + timeout_ms * 1000;

  for (;;)
    {
      guint8 buffer[4096];
      gssize size;

      if (!wait_readable (fd, deadline_us))
        {
          g_set_error (error, RP_ERROR, RP_ERROR_TIMEOUT, "no answer on the control socket");
          return NULL;
        }
      size = recv (fd, buffer, sizeof buffer, 0);
      if (size < 0 && errno == EINTR)
        continue;
      if (size <= 0)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE,
                       "the control socket was closed: the agent ended");
          return NULL;
        }
      g_byte_array_append (line, buffer, (guint) size);
      if (line->data[line->len - 1] == '\n')
        return rp_json_parse (line->data, line->len, "control", error);
      if (line->len > LINE_LIMIT_BYTES)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE, "a control message is too long");
          return NULL;
        }
    }
}

static gboolean
write_line (int fd, const json_t *value, GError **error)
{
  g_autofree char *text = rp_json_print (value);
  g_autofree char *line = g_strconcat (text, "\n", NULL);
  gsize left = strlen (line);
  const char *next = line;

  while (left > 0)
    {
      gssize size = send (fd, next, left, MSG_NOSIGNAL);

      if (size < 0 && errno == EINTR)
        continue;
      if (size < 0)
        return rp_error_set_errno (error, errno, "cannot write to the control socket");
      next += size;
      left -= (gsize) size;
    }
  return TRUE;
}

/* ---- the agent's side ---- */

static json_t *
answer_to (RpControl *control, const json_t *request)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL;
  const char *op = rp_json_str (request, "op");
  json_t *report = NULL;
  gboolean ok = TRUE;

  if (g_strcmp0 (op, "undo") == 0)
    ok = control->undo (request, &report, control->user_data, &error);
  else if (g_strcmp0 (op, "ping") == 0)
    report = control->ping (control->user_data);
  else
    {
      ok = FALSE;
      g_set_error (&error, RP_ERROR, RP_ERROR_UNSUPPORTED,
                   "this agent does not know the operation \"%s\"", op != NULL ? op : "");
    }
  if (ok)
    return json_pack ("{s:b, s:o*}", "ok", TRUE, "report", report);
  message = g_utf8_make_valid (error->message, -1);
  return json_pack ("{s:{s:s, s:s}, s:o*}", "error", "code", rp_error_name (error), "message",
                    message, "report", report);
}

static void
converse (gpointer data, gpointer user_data)
{
  RpControl *control = user_data;
  rp_autofd int fd = GPOINTER_TO_INT (data) - 1;
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) request = read_line (fd, REQUEST_TIMEOUT_MS, &error);
  g_autoptr (json_t) answer = NULL;

  if (request == NULL)
    return;
  answer = answer_to (control, request);
  if (!write_line (fd, answer, &error))
    rp_log_warning ("agent", "%s", error->message);
}

static gpointer
listen_for_requests (gpointer data)
{
  RpControl *control = data;
  struct pollfd waiting[] = { { .fd = control->listener, .events = POLLIN },
                              { .fd = control->stop, .events = POLLIN } };

  for (;;)
    {
      int fd;

      if (poll (waiting, G_N_ELEMENTS (waiting), -1) < 0 && errno != EINTR)
        break;
      if (waiting[1].revents != 0)
        break;
      if (waiting[0].revents == 0)
        continue;
      fd = accept4 (control->listener, NULL, NULL, SOCK_CLOEXEC);
      if (fd >= 0)
        g_thread_pool_push (control->conversations, GINT_TO_POINTER (fd + 1), NULL);
    }
  return NULL;
}

/* The caller holds the lock of the state directory, so a socket that lies there is a dead agent's. */
static gboolean
bind_socket (RpControl *control, GError **error)
{
  struct sockaddr_un address;
  rp_autofd int dir = -1;

  if (!socket_address (control->state_dir, &address, &dir, error))
    return FALSE;
  control->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (control->listener < 0)
    return rp_error_set_errno (error, errno, "cannot make the control socket");
  if (unlinkat (dir, SOCKET_NAME, 0) != 0 && errno != ENOENT)
    return rp_error_set_errno (error, errno, "cannot remove %s/" SOCKET_NAME, control->state_dir);
  if (bind (control->listener, (const struct sockaddr *) &address, sizeof address) != 0
      || listen (control->listener, 16) != 0)
    return rp_error_set_errno (error, errno, "cannot listen on %s/" SOCKET_NAME,
                               control->state_dir);
  return TRUE;
}

RpControl *
rp_control_start (const char *state_dir, RpControlUndo undo, RpControlPing ping,
                  gpointer user_data, GError **error)
{
  RpControl *control = g_new0 (RpControl, 1);

  control->state_dir = g_strdup (state_dir);
  control->undo = undo;
  control->ping = ping;
  control->user_data = user_data;
  control->listener = -1;
  control->stop = eventfd (0, EFD_CLOEXEC);
  if (control->stop < 0)
    rp_error_set_errno (error, errno, "cannot make an eventfd");
  if (control->stop < 0 || !bind_socket (control, error))
    {
      rp_control_free (control);
      return NULL;
    }
  control->conversations
      = g_thread_pool_new (converse, control, MAX_CONVERSATIONS, FALSE, NULL);
  control->thread = g_thread_new ("control", listen_for_requests, control);
  return control;
}

void
rp_control_free (RpControl *control)
{
  guint64 one = 1;

  if (control == NULL)
    return;
  if (control->thread != NULL)
    {
      if (write (control->stop, &one, sizeof one) != sizeof one)
        g_assert_not_reached ();
      g_thread_join (control->thread);
      g_thread_pool_free (control->conversations, FALSE, TRUE);
    }
  rp_close_fd (&control->listener);
  rp_close_fd (&control->stop);
  g_free (control->state_dir);
  g_free (control);
}

/* ---- the other side ---- */

static int
connect_to (const char *state_dir, GError **error)
{
  struct sockaddr_un address;
  rp_autofd int dir = -1;
  int fd;

  if (!socket_address (state_dir, &address, &dir, error))
    return -1;
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect (fd, (const struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE, "no agent listens on %s/" SOCKET_NAME ": %s",
               state_dir, g_strerror (errno));
  rp_close_fd (&fd);
  return -1;
}

gboolean
rp_control_ask (const char *state_dir, const json_t *request, json_t **out_report, GError **error)
{
  rp_autofd int fd = connect_to (state_dir, error);
  g_autoptr (json_t) answer = NULL;
  const json_t *failure;

  if (fd < 0 || !write_line (fd, request, error))
    return FALSE;
  answer = read_line (fd, ANSWER_TIMEOUT_MS, error);
  if (answer == NULL)
    return FALSE;
  *out_report = json_incref (json_object_get (answer, "report"));
  failure = json_object_get (answer, "error");
  if (failure == NULL)
    return TRUE;
  g_set_error (error, RP_ERROR,
               (gint) rp_error_from_name (rp_json_str (failure, "code") != NULL
                                              ? rp_json_str (failure, "code")
                                              : ""),
               "%s", rp_json_str (failure, "message"));
  return FALSE;
}
