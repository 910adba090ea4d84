#include "driver/command.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 100 /* how soon `cancelled` is seen */

typedef struct {
  const RpCommand *command;
  pid_t pid;
  int output; /* read end of its stdout and stderr */
  GString *tail;
} Run;

/* In the child, between fork and exec: only async-signal-safe calls. */
static void
prepare_child (gpointer user_data)
{
  int output = *(int *)user_data;
  sigset_t none;
  sigemptyset (&none);
  pthread_sigmask (SIG_SETMASK, &none, NULL);
  setpgid (0, 0);
  dup2 (output, STDOUT_FILENO);
  dup2 (output, STDERR_FILENO);
}

static char **
environment (const RpCommand *command)
{
  char **env = g_get_environ ();
  for (const char *const *item = command->env; item && *item; item++)
    {
      g_auto (GStrv) pair = g_strsplit (*item, "=", 2);
      env = g_environ_setenv (env, pair[0], pair[1] ? pair[1] : "", TRUE);
    }
  return env;
}

static gboolean
start (Run *run, GError **error)
{
  rp_autofd int child_end = -1;
  int ends[2];
  if (!g_unix_open_pipe (ends, FD_CLOEXEC, error))
    return FALSE;
  run->output = ends[0];
  child_end = ends[1];
  g_auto (GStrv) env = environment (run->command);
  g_autoptr (GError) failure = NULL;
  if (!g_unix_set_fd_nonblocking (run->output, TRUE, error))
    return FALSE;
  if (g_spawn_async (NULL, (char **)run->command->argv, env,
                     G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, prepare_child, &child_end,
                     &run->pid, &failure))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "cannot run %s: %s", run->command->argv[0],
               failure->message);
  return FALSE;
}

/* Reads what there is. FALSE at the end of the output. */
static gboolean
drain (Run *run)
{
  char buffer[4096];
  for (;;)
    {
      gssize n = read (run->output, buffer, sizeof buffer);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return n < 0 && errno == EAGAIN;
      g_string_append_len (run->tail, buffer, n);
      if (run->tail->len > RP_COMMAND_TAIL_BYTES)
        g_string_erase (run->tail, 0, (gssize)(run->tail->len - RP_COMMAND_TAIL_BYTES));
    }
}

static gboolean
reap (Run *run, int options, int *status)
{
  pid_t found;
  do
    found = waitpid (run->pid, status, options);
  while (found < 0 && errno == EINTR);
  return found == run->pid;
}

static void
kill_group (Run *run)
{
  int status;
  /* The group exists from setpgid on; before that only the child does. */
  if (kill (-run->pid, SIGKILL) < 0)
    kill (run->pid, SIGKILL);
  (void)!reap (run, 0, &status);
}

/* The end of the output as valid text, prefixed so that it can follow a sentence. */
static char *
describe_tail (Run *run)
{
  g_autofree char *text = g_utf8_make_valid (run->tail->str, (gssize)run->tail->len);
  g_strstrip (text);
  return *text ? g_strdup_printf ("; it printed: %s", text) : g_strdup ("; it printed nothing");
}

static gboolean
stop (Run *run, RpErrorCode code, const char *why, GError **error)
{
  kill_group (run);
  (void)!drain (run);
  g_autofree char *tail = describe_tail (run);
  g_set_error (error, RP_ERROR, (int)code, "%s %s and was killed%s", run->command->argv[0], why,
               tail);
  return FALSE;
}

/* Until the child ends, its output read meanwhile, or until time is up. */
static gboolean
wait_for_end (Run *run, int *status, GError **error)
{
  gint64 deadline = rp_clock_monotonic_us () + run->command->timeout_ms * 1000;
  rp_autofd int process = (int)syscall (SYS_pidfd_open, run->pid, 0);
  struct pollfd fds[2] = { { process, POLLIN, 0 }, { run->output, POLLIN, 0 } };
  while (!reap (run, WNOHANG, status))
    {
      gint64 left_ms = (deadline - rp_clock_monotonic_us () + 999) / 1000;
      if (left_ms <= 0)
        {
          g_autofree char *why = g_strdup_printf ("did not end within %" G_GINT64_FORMAT " ms",
                                                  run->command->timeout_ms);
          return stop (run, RP_ERROR_TIMEOUT, why, error);
        }
      if (run->command->cancelled && g_atomic_int_get (run->command->cancelled))
        return stop (run, RP_ERROR_BUSY, "was cancelled", error);
      poll (fds, 2, (int)MIN (left_ms, TICK_MS));
      if (fds[1].revents && !drain (run))
        fds[1].fd = -1; /* closed by the child; poll passes over it */
    }
  (void)!drain (run);
  return TRUE;
}

static gboolean
check_status (Run *run, int status, GError **error)
{
  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return TRUE;
  g_autofree char *tail = describe_tail (run);
  if (WIFSIGNALED (status))
    g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "%s was ended by signal %d (%s)%s",
                 run->command->argv[0], WTERMSIG (status), g_strsignal (WTERMSIG (status)), tail);
  else
    g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "%s ended with status %d%s",
                 run->command->argv[0], WEXITSTATUS (status), tail);
  return FALSE;
}

gboolean
rp_command_run (const RpCommand *command, GError **error)
{
  g_autoptr (GString) tail = g_string_new (NULL);
  Run run = { .command = command, .output = -1, .tail = tail };
  int status = 0;
  gboolean ok = start (&run, error) && wait_for_end (&run, &status, error)
                && check_status (&run, status, error);
  rp_close_fd (&run.output);
  return ok;
}
