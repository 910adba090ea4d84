#include "base/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define DIR_MODE 0700

void
rp_principal_clear (RpPrincipal *principal)
{
  g_free (principal->user);
  g_free (principal->group);
  *principal = (RpPrincipal){ 0 };
}

/* The largest number is the "no change" of setresuid(2). */
static gboolean
number_of (const char *text, guint *out)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32 - 1, &number, NULL))
    return FALSE;
  *out = (guint) number;
  return TRUE;
}

static gboolean
find_group (const char *name, RpPrincipal *out, GError **error)
{
  const struct group *entry = getgrnam (name);

  if (entry != NULL)
    out->gid = entry->gr_gid;
  else if (!number_of (name, &out->gid))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "there is no group \"%s\" here: groupadd --system %s, or name another", name, name);
      return FALSE;
    }
  out->group = g_strdup (name);
  return TRUE;
}

static void
name_group (gid_t gid, RpPrincipal *out)
{
  const struct group *entry = getgrgid (gid);

  out->gid = gid;
  out->group = entry != NULL ? g_strdup (entry->gr_name) : g_strdup_printf ("%u", gid);
}

gboolean
rp_principal_find (const char *user, const char *group, RpPrincipal *out, GError **error)
{
  g_auto (RpPrincipal) found = { 0 };
  const struct passwd *entry = getpwnam (user);

  if (entry == NULL && number_of (user, &found.uid))
    entry = getpwuid (found.uid);
  else if (entry == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "there is no user \"%s\" here: useradd --system %s, or name another", user, user);
      return FALSE;
    }
  if (entry != NULL)
    {
      found.uid = entry->pw_uid;
      found.user = g_strdup (entry->pw_name);
    }
  else
    found.user = g_strdup (user);
  if (group == NULL && entry == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "user %s is a number without a name, so its group is not known: say which", user);
      return FALSE;
    }
  if (group == NULL)
    name_group (entry->pw_gid, &found);
  else if (!find_group (group, &found, error))
    return FALSE;
  *out = found;
  found = (RpPrincipal){ 0 };
  return TRUE;
}

/* ---- what it must own ---- */

static gboolean
check_owner (const RpPrincipal *principal, const char *dir, const char *path, GError **error)
{
  struct stat info;

  if (lstat (path, &info) != 0)
    return errno == ENOENT || rp_error_set_errno (error, errno, "cannot look at %s", path);
  if (info.st_uid == principal->uid)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DENIED,
               "%s belongs to user %u, and the server is to run as %s: chown -R %s:%s %s", path,
               info.st_uid, principal->user, principal->user, principal->group, dir);
  return FALSE;
}

static gboolean
make_for (const RpPrincipal *principal, const char *dir, GError **error)
{
  if (!rp_dir_make (dir, DIR_MODE, error))
    return FALSE;
  return lchown (dir, principal->uid, principal->gid) == 0
         || rp_error_set_errno (error, errno, "cannot give %s to %s", dir, principal->user);
}

gboolean
rp_privilege_own (const RpPrincipal *principal, const char *dir, GError **error)
{
  g_autoptr (GDir) entries = NULL;
  const char *name;

  if (!g_file_test (dir, G_FILE_TEST_EXISTS))
    return make_for (principal, dir, error);
  if (!check_owner (principal, dir, dir, error))
    return FALSE;
  entries = g_dir_open (dir, 0, NULL); /* not to be read: it says so later, where it is opened */
  while (entries != NULL && (name = g_dir_read_name (entries)) != NULL)
    {
      g_autofree char *path = g_build_filename (dir, name, NULL);
      if (!check_owner (principal, dir, path, error))
        return FALSE;
    }
  return TRUE;
}

/* ---- dropping ---- */

static gboolean
empty_capabilities (GError **error)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

  prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return syscall (SYS_capset, &header, none) == 0
         || rp_error_set_errno (error, errno, "capabilities cannot be given up");
}

/* What no capability can be had from any more; it takes one itself, and without it there is nothing to lose. */
static void
empty_bounds (void)
{
  for (unsigned long number = 0; prctl (PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++)
    prctl (PR_CAPBSET_DROP, number, 0, 0, 0);
}

static gboolean
has_capabilities (void)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3] = { 0 };
  guint32 any = 0;

  if (syscall (SYS_capget, &header, held) != 0)
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (held); i++)
    any |= held[i].effective | held[i].permitted | held[i].inheritable;
  return any != 0;
}

gboolean
rp_privilege_shed (GError **error)
{
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl (PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
    return rp_error_set_errno (error, errno, "no_new_privs cannot be set");
  return geteuid () == 0 || empty_capabilities (error);
}

static gboolean
is_principal (const RpPrincipal *principal)
{
  uid_t real, effective, saved;
  gid_t group, effective_group, saved_group;

  return getresuid (&real, &effective, &saved) == 0
         && getresgid (&group, &effective_group, &saved_group) == 0 && real == principal->uid
         && effective == real && saved == real && group == principal->gid
         && effective_group == group && saved_group == group;
}

static gboolean
become (const RpPrincipal *principal, GError **error)
{
  const struct passwd *entry = getpwuid (principal->uid);
  int done;

  empty_bounds ();
  done = entry != NULL ? initgroups (entry->pw_name, principal->gid) : setgroups (0, NULL);
  if (done == 0 && setresgid (principal->gid, principal->gid, principal->gid) == 0
      && setresuid (principal->uid, principal->uid, principal->uid) == 0)
    return TRUE;
  if (errno == EPERM)
    g_set_error (error, RP_ERROR, RP_ERROR_DENIED,
                 "only root can become %s, and this is user %u: start it as root, or as %s",
                 principal->user, geteuid (), principal->user);
  else
    rp_error_set_errno (error, errno, "cannot become %s:%s", principal->user, principal->group);
  return FALSE;
}

/* Nothing that is tried here may work. */
static gboolean
can_come_back (const RpPrincipal *principal)
{
  if (!is_principal (principal) || prctl (PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
    return TRUE;
  if (principal->uid == 0)
    return FALSE; /* it never went */
  return has_capabilities () || setresuid (0, 0, 0) == 0 || setuid (0) == 0 || seteuid (0) == 0
         || setgroups (0, NULL) == 0 || (principal->gid != 0 && setresgid (0, 0, 0) == 0);
}

gboolean
rp_privilege_drop (const RpPrincipal *principal, GError **error)
{
  if ((!is_principal (principal) || geteuid () == 0) && !become (principal, error))
    return FALSE;
  if (!rp_privilege_shed (error))
    return FALSE;
  if (!can_come_back (principal))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_FAILED,
               "it became %s and could become somebody else again: it does not go on like that",
               principal->user);
  return FALSE;
}
