/* Each attempt is a process of its own, which is confined and then tries to break out. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/landlock.h"
#include "base/sanitized.h"

static char *place; /* with data, log, conf, outside in it; the working directory of attempts */

static int
result (gboolean ok)
{
  return ok ? 0 : errno;
}

static int
opened (const char *path, int flags)
{
  return result (open (path, flags | O_CLOEXEC, 0600) >= 0);
}

static int
bind_port (void)
{
  const struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  return result (bind (fd, (const struct sockaddr *) &any, sizeof any) == 0);
}

static gpointer
open_secret (gpointer data)
{
  return GINT_TO_POINTER (opened ("outside/secret", O_RDONLY));
}

static int
in_thread (void)
{
  return GPOINTER_TO_INT (g_thread_join (g_thread_new ("thread", open_secret, NULL)));
}

static int
in_child (void)
{
  int status = 0;
  pid_t pid = fork ();

  if (pid == 0)
    _exit (opened ("outside/secret", O_RDONLY));
  return waitpid (pid, &status, 0) == pid && WIFEXITED (status) ? WEXITSTATUS (status) : 255;
}

static int
execute (void)
{
  execl ("/bin/true", "true", (char *) NULL);
  return errno;
}

/* clang-format off */
#define ATTEMPT(name, expression) static int name (void) { return expression; }
ATTEMPT (read_outside, opened ("outside/secret", O_RDONLY))
ATTEMPT (write_outside, opened ("outside/secret", O_WRONLY))
ATTEMPT (make_outside, opened ("outside/new", O_WRONLY | O_CREAT))
ATTEMPT (climb, opened ("data/../outside/secret", O_RDONLY))
ATTEMPT (follow_link, opened ("data/link", O_RDONLY))
ATTEMPT (cut_outside, result (truncate ("outside/secret", 0) == 0))
ATTEMPT (remove_outside, result (unlink ("outside/secret") == 0))
ATTEMPT (mkdir_outside, result (mkdir ("outside/dir", 0700) == 0))
ATTEMPT (rename_in, result (rename ("outside/secret", "data/secret") == 0))
ATTEMPT (rename_out, result (rename ("data/file", "outside/file") == 0))
ATTEMPT (link_in, result (link ("outside/secret", "data/secret") == 0))
ATTEMPT (write_conf, opened ("conf/file", O_WRONLY))
ATTEMPT (read_conf, opened ("conf/file", O_RDONLY))
ATTEMPT (list_conf, opened ("conf", O_RDONLY | O_DIRECTORY))
ATTEMPT (replace_conf, result (rename ("data/file", "conf/file") == 0))
ATTEMPT (read_log, opened ("log/file", O_RDONLY))
ATTEMPT (write_log, opened ("log/file", O_WRONLY | O_APPEND))
ATTEMPT (make_log, opened ("log/new", O_WRONLY | O_CREAT))
ATTEMPT (remove_log, result (unlink ("log/file") == 0))
ATTEMPT (make_data, opened ("data/sub/new", O_RDWR | O_CREAT))
ATTEMPT (link_data, result (link ("data/file", "data/sub/file") == 0 && unlink ("data/sub/file") == 0))
ATTEMPT (rename_data, result (rename ("data/file", "data/sub/file") == 0 && rename ("data/sub/file", "data/file") == 0))
ATTEMPT (pipe_data, result (mkfifo ("data/pipe", 0600) == 0))
ATTEMPT (device_data, result (mknod ("data/null", S_IFCHR | 0600, 0x103) == 0))
ATTEMPT (read_passwords, opened ("/etc/passwd", O_RDONLY))
ATTEMPT (signal_outside, result (kill (getppid (), 0) == 0))

static const struct {
  const char *name;
  int (*try) (void);
  int expected; /* errno; 0: it works */
  guint abi; /* from this one on */
} attempts[] = {
  { "read outside", read_outside, EACCES, 0 },    { "write outside", write_outside, EACCES, 0 },
  { "make outside", make_outside, EACCES, 0 },    { "climb", climb, EACCES, 0 },
  { "follow a link", follow_link, EACCES, 0 },    { "cut outside", cut_outside, EACCES, 3 },
  { "remove outside", remove_outside, EACCES, 0 }, { "mkdir outside", mkdir_outside, EACCES, 0 },
  { "rename in", rename_in, EACCES, 0 },          { "rename out", rename_out, EACCES, 0 },
  { "link in", link_in, EXDEV, 0 },               { "write conf", write_conf, EACCES, 0 },
  { "read conf", read_conf, 0, 0 },               { "list conf", list_conf, EACCES, 0 },
  { "replace conf", replace_conf, EACCES, 0 },    { "read log", read_log, EACCES, 0 },
  { "write log", write_log, 0, 0 },               { "make log", make_log, 0, 0 },
  { "remove log", remove_log, EACCES, 0 },        { "make data", make_data, 0, 0 },
  { "link data", link_data, 0, 0 },               { "rename data", rename_data, 0, 0 },
  { "pipe", pipe_data, EACCES, 0 },               { "device", device_data, EACCES, 0 },
  { "/etc/passwd", read_passwords, EACCES, 0 },   { "execute", execute, EACCES, 0 },
  { "thread", in_thread, EACCES, 0 },             { "child", in_child, EACCES, 0 },
  { "bind", bind_port, EACCES, 4 },               { "signal", signal_outside, EPERM, 6 },
};
/* clang-format on */

static void
add (GArray *grants, const char *path, RpGrantKind kind)
{
  const RpGrant grant = { .path = g_strdup (path), .kind = kind };

  g_array_append_val (grants, grant);
}

static int
confine (void)
{
  g_autoptr (GArray) grants = g_array_new (FALSE, FALSE, sizeof (RpGrant));
  g_autoptr (GError) error = NULL;

  g_array_set_clear_func (grants, rp_grant_clear);
  add (grants, "data", RP_GRANT_WORK);
  add (grants, "log", RP_GRANT_LOG);
  add (grants, "conf", RP_GRANT_LOAD);
  add (grants, "is/not/there", RP_GRANT_WORK);
  add (grants, "/dev/null", RP_GRANT_WORK); /* no directory: rights of directories are left out */
  if (RP_SANITIZED)
    add (grants, "/proc", RP_GRANT_READ);
  if (rp_landlock_restrict (grants, FALSE, &error))
    return 0;
  fprintf (stderr, "%s\n", error->message);
  return 254;
}

/* In a process of its own: 0, an errno, or 254 if it could not be confined. */
static int
attempt (int (*try) (void), gboolean confined)
{
  int status = 0;
  pid_t pid = fork ();

  if (pid == 0)
    {
      int rc = chdir (place) == 0 ? 0 : 253;
      if (rc == 0 && confined)
        rc = confine ();
      _exit (rc != 0 ? rc : try ());
    }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
write_file (const char *name)
{
  g_autofree char *path = g_build_filename (place, name, NULL);

  assert_true (g_file_set_contents (path, "x", 1, NULL));
}

static int
make_place (void **state)
{
  static const char *const dirs[] = { "data/sub", "log", "conf", "outside" };
  g_autofree char *link_path = NULL;

  place = g_dir_make_tmp ("repoint-test-XXXXXX", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (dirs); i++)
    {
      g_autofree char *path = g_build_filename (place, dirs[i], NULL);
      assert_int_equal (g_mkdir_with_parents (path, 0700), 0);
    }
  write_file ("data/file");
  write_file ("log/file");
  write_file ("conf/file");
  write_file ("outside/secret");
  link_path = g_build_filename (place, "data", "link", NULL);
  assert_int_equal (symlink ("../outside/secret", link_path), 0);
  return 0;
}

static int
remove_place (void **state)
{
  GError *error = NULL;

  check_ok (rp_dir_remove (place, &error));
  g_clear_pointer (&place, g_free);
  return 0;
}

static void
nobody_gets_out (void **state)
{
  guint abi = rp_landlock_abi ();

  if (abi == 0)
    {
      print_message ("landlock: this kernel has none\n");
      skip ();
    }
  for (gsize i = 0; i < G_N_ELEMENTS (attempts); i++)
    {
      int found = attempt (attempts[i].try, TRUE);
      if (abi >= attempts[i].abi && found != attempts[i].expected)
        fail_msg ("%s: %s (%d), expected %s", attempts[i].name, g_strerror (found), found,
                  g_strerror (attempts[i].expected));
    }
}

/* Else the test above would prove nothing. */
static void
without_it_they_would (void **state)
{
  static int (*const tries[]) (void)
      = { read_outside, climb, follow_link, list_conf, read_log, pipe_data, in_thread, in_child,
          bind_port, signal_outside, execute, read_passwords };

  for (gsize i = 0; i < G_N_ELEMENTS (tries); i++)
    assert_int_equal (attempt (tries[i], FALSE), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (nobody_gets_out, make_place, remove_place),
    cmocka_unit_test_setup_teardown (without_it_they_would, make_place, remove_place),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
