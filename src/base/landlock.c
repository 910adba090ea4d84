/* The numbers are those of <linux/landlock.h>, which is older than the kernel on some of the systems that this is
 * built on. */
#include "base/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_REMOVE_DIR (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_DIR (1ULL << 7)
#define FS_MAKE_REG (1ULL << 8)
#define FS_REFER (1ULL << 13)    /* from ABI 2 */
#define FS_TRUNCATE (1ULL << 14) /* 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* 5 */
#define FS_OF_ABI_1 ((1ULL << 13) - 1)
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

#define NET_BIND_TCP (1ULL << 0)         /* 4 */
#define SCOPE_ABSTRACT_SOCKET (1ULL << 0) /* 6 */
#define SCOPE_SIGNAL (1ULL << 1)         /* 6 */

typedef struct {
  guint64 handled_fs;
  guint64 handled_net;
  guint64 scoped;
} RulesetAttr;

typedef struct __attribute__ ((packed)) {
  guint64 allowed;
  gint32 parent_fd;
} PathAttr;

static const guint64 rights[] = {
  [RP_GRANT_READ] = FS_READ_FILE | FS_READ_DIR,
  [RP_GRANT_LOAD] = FS_READ_FILE,
  [RP_GRANT_LOG] = FS_WRITE_FILE | FS_MAKE_REG | FS_TRUNCATE,
  [RP_GRANT_WORK] = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE
                    | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | FS_TRUNCATE,
};

void
rp_grant_clear (gpointer grant)
{
  g_free (((RpGrant *) grant)->path);
}

guint
rp_landlock_abi (void)
{
  long abi = syscall (SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

  return abi >= RP_LANDLOCK_ABI_MIN ? (guint) abi : 0;
}

static RulesetAttr
ruleset_of (guint abi, gboolean abstract_sockets)
{
  RulesetAttr attr = { .handled_fs = FS_OF_ABI_1 | FS_REFER };

  if (abi >= 3)
    attr.handled_fs |= FS_TRUNCATE;
  if (abi >= 4)
    attr.handled_net = NET_BIND_TCP;
  if (abi >= 5)
    attr.handled_fs |= FS_IOCTL_DEV;
  if (abi >= 6)
    attr.scoped = SCOPE_SIGNAL | (abstract_sockets ? 0 : SCOPE_ABSTRACT_SOCKET);
  return attr;
}

static gboolean
add_grant (int ruleset, const RulesetAttr *attr, const RpGrant *grant, GError **error)
{
  rp_autofd int fd = open (grant->path, O_PATH | O_CLOEXEC);
  PathAttr rule = { .allowed = rights[grant->kind] & attr->handled_fs, .parent_fd = fd };
  struct stat info;

  if (fd < 0)
    return errno == ENOENT || errno == ENOTDIR || errno == EACCES
           || rp_error_set_errno (error, errno, "cannot look at %s", grant->path);
  if (fstat (fd, &info) != 0)
    return rp_error_set_errno (error, errno, "cannot look at %s", grant->path);
  if (!S_ISDIR (info.st_mode))
    rule.allowed &= FS_OF_FILES;
  return syscall (SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0U) == 0
         || rp_error_set_errno (error, errno, "Landlock refuses a rule for %s", grant->path);
}

gboolean
rp_landlock_restrict (const GArray *grants, gboolean abstract_sockets, GError **error)
{
  const RulesetAttr attr = ruleset_of (rp_landlock_abi (), abstract_sockets);
  rp_autofd int ruleset = (int) syscall (SYS_landlock_create_ruleset, &attr, sizeof attr, 0U);

  if (ruleset < 0)
    return rp_error_set_errno (error, errno, "Landlock refuses the rules");
  for (guint i = 0; i < grants->len; i++)
    if (!add_grant (ruleset, &attr, &g_array_index (grants, RpGrant, i), error))
      return FALSE;
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return rp_error_set_errno (error, errno, "no_new_privs cannot be set");
  return syscall (SYS_landlock_restrict_self, ruleset, 0U) == 0
         || rp_error_set_errno (error, errno, "Landlock refuses to hold this process");
}
