/* Dropping is done in processes of their own; it takes root. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/privilege.h"

#define SOMEBODY "4242" /* a user that no system has */
#define GROUP    "4343"

/* ---- a C library whose setresuid() changes nothing, or not all of it ---- */

static enum { HONEST, NOTHING, EFFECTIVE_ONLY } library;

int __real_setresuid (uid_t real, uid_t effective, uid_t saved);
int __wrap_setresuid (uid_t real, uid_t effective, uid_t saved);

int
__wrap_setresuid (uid_t real, uid_t effective, uid_t saved)
{
  if (library == NOTHING)
    return 0;
  if (library == EFFECTIVE_ONLY)
    return __real_setresuid ((uid_t) -1, effective, (uid_t) -1);
  return __real_setresuid (real, effective, saved);
}

/* ---- finding ---- */

static void
users_are_found_by_name_and_number (void **state)
{
  static const struct {
    const char *user, *group;
    guint uid, gid;
    const char *problem;
  } cases[] = {
    { "root", NULL, 0, 0, NULL },
    { "0", NULL, 0, 0, NULL },
    { "root", GROUP, 0, 4343, NULL },
    { SOMEBODY, GROUP, 4242, 4343, NULL },
    { SOMEBODY, NULL, 0, 0, "say which" },
    { "no-such-user", NULL, 0, 0, "useradd" },
    { "root", "no-such-group", 0, 0, "groupadd" },
    { "", NULL, 0, 0, "there is no user" },
    { "-1", NULL, 0, 0, "there is no user" },
    { "4294967295", GROUP, 0, 0, "there is no user" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (RpPrincipal) found = { 0 };
      g_autoptr (GError) error = NULL;
      gboolean ok = rp_principal_find (cases[i].user, cases[i].group, &found, &error);
      if (ok != (cases[i].problem == NULL))
        fail_msg ("%s:%s: %s", cases[i].user, cases[i].group, error != NULL ? error->message : "found");
      if (!ok)
        check_contains (error->message, cases[i].problem);
      assert_int_equal (found.uid, cases[i].uid);
      assert_int_equal (found.gid, cases[i].gid);
    }
}

/* ---- owning ---- */

static void
what_belongs_to_others_is_named (void **state)
{
  g_autofree char *dir = g_dir_make_tmp ("repoint-test-XXXXXX", NULL);
  g_autofree char *data = g_build_filename (dir, "data", NULL);
  g_autofree char *inside = g_build_filename (data, "repoint.db", NULL);
  g_autofree char *command = g_strconcat ("chown -R " SOMEBODY ":" GROUP " ", data, NULL);
  g_auto (RpPrincipal) principal = { 0 };
  struct stat info;
  GError *error = NULL;

  if (geteuid () != 0)
    skip ();
  check_ok (rp_principal_find (SOMEBODY, GROUP, &principal, &error));
  check_ok (rp_privilege_own (&principal, data, &error)); /* makes it */
  assert_int_equal (stat (data, &info), 0);
  assert_int_equal (info.st_uid, 4242);
  assert_int_equal (info.st_gid, 4343);
  assert_int_equal (info.st_mode & 07777, 0700);
  assert_true (g_file_set_contents (inside, "x", 1, NULL)); /* root's, as a command with --data makes it */
  assert_false (rp_privilege_own (&principal, data, &error));
  assert_int_equal (error->code, RP_ERROR_DENIED);
  check_contains (error->message, "repoint.db belongs to user 0");
  check_contains (error->message, command);
  g_clear_error (&error);
  assert_int_equal (chown (inside, 4242, 4343), 0);
  check_ok (rp_privilege_own (&principal, data, &error));
  assert_int_equal (chown (data, 0, 0), 0);
  check_fails (rp_privilege_own (&principal, data, &error), RP_ERROR_DENIED);
  check_ok (rp_dir_remove (dir, &error));
}

/* ---- dropping ---- */

/* In a process of its own: `story`'s result. */
static int
apart (int (*story) (void))
{
  int status = 0;
  pid_t pid = fork ();

  if (pid == 0)
    _exit (story ());
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

/* 0: it dropped; else the code of the error and 100. */
static int
drop (void)
{
  RpPrincipal principal = { .user = (char *) SOMEBODY, .group = (char *) GROUP, .uid = 4242, .gid = 4343 };
  g_autoptr (GError) error = NULL;

  return rp_privilege_drop (&principal, &error) ? 0 : 100 + error->code;
}

static int
drop_and_look (void)
{
  static const gid_t others[] = { 1, 2, 3 };
  uid_t real, effective, saved;

  if (setgroups (3, others) != 0 || drop () != 0)
    return 1;
  if (getresuid (&real, &effective, &saved) != 0 || real != 4242 || effective != 4242 || saved != 4242)
    return 2;
  if (getgid () != 4343 || getegid () != 4343 || getgroups (0, NULL) != 0)
    return 3;
  if (prctl (PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
    return 4;
  for (int number = 0; prctl (PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++)
    if (prctl (PR_CAPBSET_READ, number, 0, 0, 0) != 0)
      return 5;
  return 0;
}

static int
drop_and_try (void)
{
  if (drop () != 0)
    return 1;
  if (setuid (0) == 0 || setgid (0) == 0 || seteuid (0) == 0 || setgroups (0, NULL) == 0)
    return 2;
  if (open ("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0 || open ("/proc/1/environ", O_RDONLY | O_CLOEXEC) >= 0)
    return 3;
  if (chown ("/tmp", 4242, 4343) == 0 || chroot ("/") == 0)
    return 4;
  return drop (); /* being it already is fine */
}

static int
drop_for_somebody_else (void)
{
  RpPrincipal other = { .user = (char *) "4244", .group = (char *) "4244", .uid = 4244, .gid = 4244 };
  g_autoptr (GError) error = NULL;

  if (drop () != 0)
    return 1;
  return !rp_privilege_drop (&other, &error) && error->code == RP_ERROR_DENIED ? 0 : 2;
}

static void
nothing_leads_back (void **state)
{
  if (geteuid () != 0)
    skip ();
  assert_int_equal (apart (drop_and_look), 0);
  assert_int_equal (apart (drop_and_try), 0);
  assert_int_equal (apart (drop_for_somebody_else), 0);
}

static void
who_could_come_back_does_not_go_on (void **state)
{
  if (geteuid () != 0)
    skip ();
  library = NOTHING;
  assert_int_equal (apart (drop), 100 + RP_ERROR_FAILED);
  library = EFFECTIVE_ONLY;
  assert_int_equal (apart (drop), 100 + RP_ERROR_FAILED);
  library = HONEST;
  assert_int_equal (apart (drop), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (users_are_found_by_name_and_number),
    cmocka_unit_test (what_belongs_to_others_is_named),
    cmocka_unit_test (nothing_leads_back),
    cmocka_unit_test (who_could_come_back_does_not_go_on),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
