#include "base/syscalls.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/sanitized.h"

static const char *const refused[] = {
  /* other programs, other processes */
  "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
  "perf_event_open", "userfaultfd", "unshare", "setns",
  /* the file system's tree, and ways around permissions */
  "mount", "umount", "umount2", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsconfig", "fsmount", "fspick",
  "mount_setattr", "pivot_root", "chroot", "name_to_handle_at", "open_by_handle_at", "fanotify_init", "quotactl",
  "quotactl_fd", "swapon", "swapoff", "acct", "mknod", "mknodat",
  /* the kernel */
  "init_module", "finit_module", "delete_module", "create_module", "kexec_load", "kexec_file_load", "reboot", "bpf",
  "syslog", "_sysctl", "iopl", "ioperm", "modify_ldt", "personality", "vhangup", "lookup_dcookie", "uselib",
  "nfsservctl", "add_key", "request_key", "keyctl", "io_uring_setup", "io_uring_enter", "io_uring_register",
  /* time, and the machine's name */
  "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "stime", "sethostname", "setdomainname",
};

static const scmp_datum_t namespaces[] = { CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                           CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET };

static const scmp_datum_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK /* names are looked up with it */ };

static const struct {
  const char *name;
  unsigned int argument; /* a file's mode */
} modes[] = { { "chmod", 1 }, { "fchmod", 1 }, { "fchmodat", 2 }, { "fchmodat2", 2 } };

gboolean
rp_syscalls_available (const char **out_why)
{
  if (RP_SANITIZED)
    *out_why = "this build has a sanitizer, which traces itself";
  else if (seccomp_api_get () < 2)
    *out_why = "the kernel has no seccomp filters";
  else
    return TRUE;
  return FALSE;
}

/* Calls that this machine, or its library, does not know need no rule. */
static int
add_rule (scmp_filter_ctx filter, int result, const char *name, unsigned int n_compare,
          const struct scmp_arg_cmp *compare)
{
  int number = seccomp_syscall_resolve_name (name);
  int rc;

  if (number == __NR_SCMP_ERROR)
    return 0;
  rc = seccomp_rule_add_array (filter, SCMP_ACT_ERRNO ((unsigned) result), number, n_compare, compare);
  return rc == -EDOM ? 0 : rc;
}

/* The kernel looks at the lower half of a register, and so must the rules. */
static int
refuse_families (scmp_filter_ctx filter)
{
  const struct scmp_arg_cmp beyond = { .arg = 0, .op = SCMP_CMP_GE, .datum_a = AF_MAX };
  int rc = add_rule (filter, EAFNOSUPPORT, "socket", 1, &beyond);

  for (scmp_datum_t family = 0; family < AF_MAX && rc == 0; family++)
    {
      gboolean allowed = FALSE;
      for (gsize i = 0; i < G_N_ELEMENTS (families); i++)
        allowed = allowed || family == families[i];
      const struct scmp_arg_cmp compare
          = { .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = G_MAXUINT32, .datum_b = family };
      if (!allowed)
        rc = add_rule (filter, EAFNOSUPPORT, "socket", 1, &compare);
    }
  return rc;
}

static int
refuse_modes (scmp_filter_ctx filter)
{
  static const scmp_datum_t bits[] = { S_ISUID, S_ISGID };
  int rc = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++)
    for (gsize bit = 0; bit < G_N_ELEMENTS (bits) && rc == 0; bit++)
      {
        const struct scmp_arg_cmp compare
            = { .arg = modes[i].argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = bits[bit], .datum_b = bits[bit] };
        rc = add_rule (filter, EPERM, modes[i].name, 1, &compare);
      }
  return rc;
}

/* A filter cannot look at what clone3() points to; without it the C library takes clone(). */
static int
refuse_namespaces (scmp_filter_ctx filter)
{
  int rc = add_rule (filter, ENOSYS, "clone3", 0, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (namespaces) && rc == 0; i++)
    {
      const struct scmp_arg_cmp compare
          = { .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = namespaces[i], .datum_b = namespaces[i] };
      rc = add_rule (filter, EPERM, "clone", 1, &compare);
    }
  return rc;
}

static int
build (scmp_filter_ctx filter)
{
  int rc = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (refused) && rc == 0; i++)
    rc = add_rule (filter, EPERM, refused[i], 0, NULL);
  if (rc == 0)
    rc = refuse_families (filter);
  if (rc == 0)
    rc = refuse_modes (filter);
  return rc == 0 ? refuse_namespaces (filter) : rc;
}

gboolean
rp_syscalls_restrict (GError **error)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
  int rc = filter != NULL ? build (filter) : -ENOMEM;

  if (rc == 0)
    rc = seccomp_load (filter);
  seccomp_release (filter);
  return rc == 0 || rp_error_set_errno (error, -rc, "the kernel refuses the filter of system calls");
}
