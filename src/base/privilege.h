/* Becoming somebody with fewer rights, for good.
 *
 * All of it on the process's only thread, before others are started: the kernel keeps capabilities and
 * no_new_privs by thread, and a thread inherits them from the one that starts it.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
  char *user;  /* as for people: its name, or its number where it has none */
  char *group;
  uid_t uid;
  gid_t gid;
} RpPrincipal;

/* `user` and `group` are names or numbers; without `group` it is the user's own. RP_ERROR_USAGE: there is no such
 * user or group, or a number without a name has no group. */
gboolean rp_principal_find (const char *user, const char *group, RpPrincipal *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_principal_clear (RpPrincipal *principal);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpPrincipal, rp_principal_clear)

/* Is `dir` with what lies in it (not below) the principal's? A directory that is missing is made, mode 0700, for it.
 * RP_ERROR_DENIED names what is not, and the command that mends it. */
gboolean rp_privilege_own (const RpPrincipal *principal, const char *dir, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* User, group, the user's other groups; no capabilities, none to be had by executing anything. Then tries to come
 * back, and it is RP_ERROR_FAILED if it can: nothing may be done any more then. Being the principal already is fine,
 * being somebody else without the right to change is RP_ERROR_DENIED. */
gboolean rp_privilege_drop (const RpPrincipal *principal, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The last part alone, for whoever stays who they are: nothing that is executed gives new rights, and who is not
 * root has no capabilities. */
gboolean rp_privilege_shed (GError **error) G_GNUC_WARN_UNUSED_RESULT;
