#include "server/seclusion.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/landlock.h"
#include "base/log.h"
#include "base/privilege.h"
#include "base/sanitized.h"
#include "base/syscalls.h"

#define DATA_MODE 0700

enum { CONFINE_AUTO, CONFINE_REQUIRE, CONFINE_OFF };
const char *const rp_confine_modes[] = { "auto", "require", "off", NULL };

void
rp_seclusion_clear (RpSeclusion *seclusion)
{
  g_clear_pointer (&seclusion->user, g_free);
}

void
rp_seclusion_print (const RpSeclusion *seclusion, GString *out)
{
  g_string_append_printf (out,
                          "# HELP repoint_confined Whether this holds the server: 1 or 0.\n"
                          "# TYPE repoint_confined gauge\n"
                          "repoint_confined{by=\"landlock\"} %d\n"
                          "repoint_confined{by=\"syscalls\"} %d\n"
                          "repoint_confined{by=\"user\"} %d\n",
                          seclusion->landlock_abi > 0, seclusion->syscalls != 0, geteuid () != 0);
}

/* ---- what it can still reach ---- */

static void
grant (GArray *grants, const char *path, RpGrantKind kind)
{
  const RpGrant one = { .path = g_strdup (path), .kind = kind };

  g_array_append_val (grants, one);
}

static void
grant_parent (GArray *grants, const char *path, RpGrantKind kind)
{
  g_autofree char *parent = g_path_get_dirname (path);

  grant (grants, parent, kind);
}

/* The directory, for a new file under the same name; and, of a link, the directory that it points to. */
static void
grant_replaceable (GArray *grants, const char *path)
{
  char target[PATH_MAX];

  if (path == NULL)
    return;
  grant_parent (grants, path, RP_GRANT_LOAD);
  if (realpath (path, target) != NULL)
    grant_parent (grants, target, RP_GRANT_LOAD);
}

/* A directory in it may lie on another disk and be a link here. */
static void
grant_data (GArray *grants, const char *data_dir)
{
  g_autoptr (GDir) entries = g_dir_open (data_dir, 0, NULL);
  const char *name;

  grant (grants, data_dir, RP_GRANT_WORK);
  while (entries != NULL && (name = g_dir_read_name (entries)) != NULL)
    {
      g_autofree char *path = g_build_filename (data_dir, name, NULL);
      if (g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        grant (grants, path, RP_GRANT_WORK);
    }
}

/* A file is made anew after it was rotated away; a pipe or a device is not. */
static void
grant_log (GArray *grants, const char *path)
{
  struct stat info;

  if (path == NULL || !g_path_is_absolute (path))
    return;
  if (stat (path, &info) == 0 && !S_ISREG (info.st_mode))
    grant (grants, path, RP_GRANT_LOG);
  else
    grant_parent (grants, path, RP_GRANT_LOG);
}

/* Names of hosts, roots of trust, time zones, and libraries that the C library loads when it is asked for those. Who
 * is not root can read in /etc what everybody can, and files there are replaced by new ones. */
static void
grant_system (GArray *grants)
{
  static const char *const always[]
      = { "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/usr/share/ca-certificates",
          "/usr/local/share/ca-certificates", "/run/systemd/resolve", "/etc/ssl", "/etc/pki", "/etc/ca-certificates" };
  static const char *const as_root[]
      = { "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
          "/etc/localtime", "/etc/ld.so.cache" };

  for (gsize i = 0; i < G_N_ELEMENTS (always); i++)
    grant (grants, always[i], RP_GRANT_READ);
  if (geteuid () != 0)
    grant (grants, "/etc", RP_GRANT_READ);
  for (gsize i = 0; i < G_N_ELEMENTS (as_root); i++)
    grant (grants, as_root[i], RP_GRANT_READ);
  grant (grants, "/dev/urandom", RP_GRANT_LOAD);
  grant (grants, "/dev/null", RP_GRANT_WORK);
  if (RP_SANITIZED)
    grant (grants, "/proc", RP_GRANT_READ);
}

static GArray *
make_grants (const RpServerOptions *options)
{
  GArray *grants = g_array_new (FALSE, FALSE, sizeof (RpGrant));

  g_array_set_clear_func (grants, rp_grant_clear);
  grant_data (grants, options->data_dir);
  grant_log (grants, options->access_log);
  grant_replaceable (grants, options->config_file);
  grant_replaceable (grants, options->tls_cert);
  grant_replaceable (grants, options->tls_key);
  grant_replaceable (grants, options->ca_file);
  for (guint i = 0; i < rp_proxy_rules_count (options->proxy); i++)
    {
      grant_replaceable (grants, rp_proxy_rules_at (options->proxy, i)->credentials_file);
      grant_replaceable (grants, rp_proxy_rules_at (options->proxy, i)->ca_file);
    }
  if (options->port_file != NULL)
    grant_parent (grants, options->port_file, RP_GRANT_WORK);
  grant_system (grants);
  return grants;
}

/* ---- confining ---- */

/* SQLite's, which would go to where nothing can be written any more. */
static void
move_temporary_files (const char *data_dir)
{
  g_autofree char *path = g_canonicalize_filename (data_dir, NULL);

  g_setenv ("SQLITE_TMPDIR", path, TRUE);
}

static gboolean
hold_files (const RpServerOptions *options, guint *out_abi, GError **error)
{
  g_autoptr (GArray) grants = make_grants (options);
  const char *place = g_getenv ("NOTIFY_SOCKET");
  guint abi = rp_landlock_abi ();

  if (abi == 0)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_UNSUPPORTED,
                           "the kernel offers no Landlock (it takes Linux 5.19, and landlock among lsm=)");
      return FALSE;
    }
  move_temporary_files (options->data_dir);
  if (!rp_landlock_restrict (grants, place != NULL && place[0] == '@', error))
    return FALSE;
  *out_abi = abi;
  return TRUE;
}

static gboolean
hold_syscalls (gboolean *out, GError **error)
{
  const char *why = NULL;

  if (!rp_syscalls_available (&why))
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_UNSUPPORTED, why);
      return FALSE;
    }
  *out = rp_syscalls_restrict (error);
  return *out;
}

/* What is missing is named on the log. TRUE: the server goes on. */
static gboolean
settle (guint mode, GError *failure, GError **error)
{
  if (failure == NULL)
    return TRUE;
  if (mode == CONFINE_REQUIRE)
    {
      g_propagate_prefixed_error (error, failure, "confine: require cannot be had: ");
      return FALSE;
    }
  rp_log_warning ("server", "less confined than it could be: %s", failure->message);
  g_error_free (failure);
  return TRUE;
}

static guint
mode_of (const RpServerOptions *options)
{
  guint mode = CONFINE_AUTO;

  if (options->confine == NULL)
    return CONFINE_OFF;
  while (strcmp (rp_confine_modes[mode], options->confine) != 0)
    mode++;
  return RP_SANITIZED && mode == CONFINE_AUTO ? CONFINE_OFF : mode;
}

static gboolean
confine (const RpServerOptions *options, RpSeclusion *out, GError **error)
{
  guint mode = mode_of (options);
  GError *failure = NULL;

  if (mode == CONFINE_OFF)
    return TRUE;
  if (!rp_privilege_shed (error))
    return FALSE;
  if (!hold_files (options, &out->landlock_abi, &failure) && !settle (mode, failure, error))
    return FALSE;
  failure = NULL;
  return RP_SANITIZED || hold_syscalls (&out->syscalls, &failure) || settle (mode, failure, error);
}

/* ---- becoming somebody else ---- */

static gboolean
change_user (const RpServerOptions *options, RpSeclusion *out, GError **error)
{
  g_auto (RpPrincipal) principal = { 0 };

  if (options->user == NULL && options->group != NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "group: is for a user: say `user` too, or leave it out");
      return FALSE;
    }
  if (options->user == NULL)
    return rp_dir_make (options->data_dir, DATA_MODE, error);
  if (!rp_principal_find (options->user, options->group, &principal, error)
      || !rp_privilege_own (&principal, options->data_dir, error)
      || !rp_privilege_drop (&principal, error))
    return FALSE;
  out->user = g_strdup_printf ("%s:%s", principal.user, principal.group);
  return TRUE;
}

gboolean
rp_seclude (const RpServerOptions *options, RpSeclusion *out, GError **error)
{
  if (!change_user (options, out, error) || !confine (options, out, error))
    return FALSE;
  rp_log_info ("server", "runs as %s; files: %s; system calls: %s",
               out->user != NULL ? out->user : "who started it",
               out->landlock_abi > 0 ? "only its own (Landlock)" : "not confined",
               out->syscalls ? "filtered (seccomp)" : "not filtered");
  return TRUE;
}
