/* Each attempt is a process of its own, which is filtered and then tries. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"

static int
result (long rc)
{
  return rc >= 0 ? 0 : errno;
}

static int
execute (void)
{
  execl ("/bin/true", "true", (char *) NULL);
  return errno;
}

static gpointer
execute_in_thread (gpointer data)
{
  return GINT_TO_POINTER (execute ());
}

static int
in_thread (void)
{
  return GPOINTER_TO_INT (g_thread_join (g_thread_new ("thread", execute_in_thread, NULL)));
}

/* The child ends at once; that it was made is what counts. */
static int
clone_with (unsigned long flags)
{
  long pid = syscall (SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);

  if (pid == 0)
    _exit (0);
  return result (pid);
}

static int
change_mode (mode_t mode)
{
  char path[] = "/tmp/repoint-test-XXXXXX";
  int fd = mkstemp (path);
  int by_fd = result (fchmod (fd, mode)), by_path = result (chmod (path, mode));
  int by_at = result (fchmodat (AT_FDCWD, path, mode, 0));

  unlink (path);
  return by_fd == by_path && by_path == by_at ? by_fd : 250;
}

static int
open_socket (int family)
{
  return result (socket (family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

/* Of calls that change a machine, the arguments are nonsense: without the filter there is another error. */
/* clang-format off */
#define ATTEMPT(name, expression) static int name (void) { return expression; }
ATTEMPT (trace, result (ptrace (PTRACE_TRACEME, 0, NULL, NULL)))
ATTEMPT (read_memory, result (syscall (SYS_process_vm_readv, getpid (), NULL, 0UL, NULL, 0UL, 0UL)))
ATTEMPT (mount_it, result (mount ("none", "/nowhere/at/all", "tmpfs", 0, NULL)))
ATTEMPT (unmount_it, result (umount2 ("/nowhere/at/all", 0)))
ATTEMPT (change_root, result (chroot ("/nowhere/at/all")))
ATTEMPT (leave_namespace, result (unshare (CLONE_NEWUSER)))
ATTEMPT (leave_mounts, result (unshare (CLONE_NEWNS)))
ATTEMPT (enter_namespace, result (setns (-1, 0)))
ATTEMPT (clone_user, clone_with (CLONE_NEWUSER))
ATTEMPT (clone_net, clone_with (CLONE_NEWNET | CLONE_NEWPID))
ATTEMPT (clone_plain, clone_with (0))
ATTEMPT (clone_by_struct, result (syscall (SYS_clone3, NULL, 0UL)))
ATTEMPT (load_module, result (syscall (SYS_init_module, NULL, 0UL, "")))
ATTEMPT (load_program, result (syscall (SYS_bpf, 9999, NULL, 0UL)))
ATTEMPT (get_key, result (syscall (SYS_keyctl, 9999, 0UL, 0UL, 0UL, 0UL)))
ATTEMPT (open_handle, result (syscall (SYS_open_by_handle_at, -1, NULL, 0)))
ATTEMPT (set_clock, result (settimeofday (NULL, &(struct timezone) { .tz_minuteswest = 99999 })))
ATTEMPT (rename_machine, result (syscall (SYS_sethostname, "", -1L)))
ATTEMPT (use_ring, result (syscall (SYS_io_uring_setup, 0U, NULL)))
ATTEMPT (fault, result (syscall (SYS_userfaultfd, -1)))
ATTEMPT (make_suid, change_mode (04755))
ATTEMPT (make_sgid, change_mode (02755))
ATTEMPT (make_plain, change_mode (0640))
ATTEMPT (socket_packet, open_socket (AF_PACKET))
ATTEMPT (socket_crypto, open_socket (AF_ALG))
ATTEMPT (socket_vm, open_socket (AF_VSOCK))
ATTEMPT (socket_strange, open_socket (9999))
ATTEMPT (socket_hidden, result (syscall (SYS_socket, (1ULL << 32) | AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)))
ATTEMPT (socket_v4, open_socket (AF_INET))
ATTEMPT (socket_unix, open_socket (AF_UNIX))
ATTEMPT (socket_netlink, result (socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)))

static const struct {
  const char *name;
  int (*try) (void);
  int expected;
} attempts[] = {
  { "execute", execute, EPERM },              { "execute in a thread", in_thread, EPERM },
  { "ptrace", trace, EPERM },                 { "process_vm_readv", read_memory, EPERM },
  { "mount", mount_it, EPERM },               { "umount", unmount_it, EPERM },
  { "chroot", change_root, EPERM },           { "unshare user", leave_namespace, EPERM },
  { "unshare mounts", leave_mounts, EPERM },  { "setns", enter_namespace, EPERM },
  { "clone user", clone_user, EPERM },        { "clone net", clone_net, EPERM },
  { "clone", clone_plain, 0 },                { "clone3", clone_by_struct, ENOSYS },
  { "module", load_module, EPERM },           { "bpf", load_program, EPERM },
  { "keyctl", get_key, EPERM },               { "handle", open_handle, EPERM },
  { "clock", set_clock, EPERM },              { "hostname", rename_machine, EPERM },
  { "io_uring", use_ring, EPERM },            { "userfaultfd", fault, EPERM },
  { "suid", make_suid, EPERM },               { "sgid", make_sgid, EPERM },
  { "chmod", make_plain, 0 },                 { "packet", socket_packet, EAFNOSUPPORT },
  { "crypto", socket_crypto, EAFNOSUPPORT },  { "vsock", socket_vm, EAFNOSUPPORT },
  { "packet, hidden", socket_hidden, EAFNOSUPPORT },
  { "strange", socket_strange, EAFNOSUPPORT }, { "v4", socket_v4, 0 },
  { "unix", socket_unix, 0 },                 { "netlink", socket_netlink, 0 },
};
/* clang-format on */

static int
attempt (int (*try) (void), gboolean filtered)
{
  int status = 0;
  pid_t pid = fork ();

  if (pid == 0)
    {
      g_autoptr (GError) error = NULL;
      if (filtered && !rp_syscalls_restrict (&error))
        {
          fprintf (stderr, "%s\n", error->message);
          _exit (254);
        }
      _exit (try ());
    }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  if (!WIFEXITED (status))
    return 249; /* killed */
  return WEXITSTATUS (status);
}

static void
what_an_intruder_needs_is_refused (void **state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (attempts); i++)
    {
      int found = attempt (attempts[i].try, TRUE);
      if (found != attempts[i].expected)
        fail_msg ("%s: %s (%d), expected %s", attempts[i].name, g_strerror (found), found,
                  g_strerror (attempts[i].expected));
    }
}

/* Else the test above would prove nothing. */
static void
without_it_it_is_not (void **state)
{
  static int (*const works[]) (void) = { execute, in_thread, trace, read_memory, make_suid, make_sgid };
  static int (*const fails_otherwise[]) (void) = { set_clock, clone_by_struct, fault };

  for (gsize i = 0; i < G_N_ELEMENTS (works); i++)
    assert_int_equal (attempt (works[i], FALSE), 0);
  for (gsize i = 0; i < G_N_ELEMENTS (fails_otherwise); i++)
    {
      int found = attempt (fails_otherwise[i], FALSE);
      assert_true (found != 0 && (geteuid () != 0 || found != EPERM) && found != ENOSYS);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (what_an_intruder_needs_is_refused),
    cmocka_unit_test (without_it_it_is_not),
  };
  const char *why = NULL;

  if (!rp_syscalls_available (&why))
    print_message ("syscalls: %s\n", why);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
