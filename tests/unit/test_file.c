#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

typedef struct {
  char *dir;
} Fixture;

static int
setup (void **state)
{
  Fixture *fixture = g_new0 (Fixture, 1);
  fixture->dir = g_dir_make_tmp ("repoint-file-XXXXXX", NULL);
  *state = fixture;
  return fixture->dir != NULL ? 0 : -1;
}

static int
teardown (void **state)
{
  Fixture *fixture = *state;
  gboolean removed = rp_dir_remove (fixture->dir, NULL);
  g_free (fixture->dir);
  g_free (fixture);
  return removed ? 0 : -1;
}

static char *
in (void **state, const char *name)
{
  return g_build_filename (((Fixture *)*state)->dir, name, NULL);
}

static void
assert_file_is (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = rp_file_read (path, 1000, &error);
  if (bytes == NULL)
    fail_msg ("%s", error->message);
  assert_int_equal (g_bytes_get_size (bytes), strlen (text));
  assert_memory_equal (g_bytes_get_data (bytes, NULL), text, strlen (text));
}

static guint
count_entries (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
read_has_a_limit (void **state)
{
  GError *error = NULL;
  g_autofree char *path = in (state, "a");
  g_autoptr (GBytes) absent = rp_file_read (path, 10, &error);
  check_fails (absent != NULL, RP_ERROR_NOT_FOUND);
  check_ok (rp_file_replace (path, "0123456789", 10, 0640, &error));
  assert_file_is (path, "0123456789");
  g_autoptr (GBytes) fits = rp_file_read (path, 10, &error);
  check_ok (fits != NULL);
  g_autoptr (GBytes) large = rp_file_read (path, 9, &error);
  check_fails (large != NULL, RP_ERROR_TOO_LARGE);
}

static void
replace_keeps_or_changes_whole (void **state)
{
  GError *error = NULL;
  Fixture *fixture = *state;
  g_autofree char *path = in (state, "a");
  check_ok (rp_file_replace (path, "old", 3, 0600, &error));
  check_ok (rp_file_replace (path, "newer", 5, 0444, &error));
  assert_file_is (path, "newer");
  struct stat st;
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0444);
  /* A replacement that cannot be put in place leaves nothing behind. */
  g_autofree char *dir = in (state, "dir");
  check_ok (rp_dir_make (dir, 0755, &error));
  check_fails (rp_file_replace (dir, "x", 1, 0600, &error), RP_ERROR_FAILED);
  assert_int_equal (count_entries (fixture->dir), 2);
}

static void
links_are_replaced (void **state)
{
  GError *error = NULL;
  g_autofree char *path = in (state, "current");
  check_ok (rp_link_replace (path, "releases/1", &error));
  check_ok (rp_link_replace (path, "releases/2", &error));
  g_autofree char *target = g_file_read_link (path, NULL);
  assert_string_equal (target, "releases/2");
}

static void
directories_are_made (void **state)
{
  GError *error = NULL;
  g_autofree char *deep = in (state, "a/b/c");
  check_ok (rp_dir_make (deep, 0755, &error));
  check_ok (rp_dir_make (deep, 0755, &error));
  assert_true (g_file_test (deep, G_FILE_TEST_IS_DIR));
  g_autofree char *file = in (state, "file");
  check_ok (rp_file_replace (file, "", 0, 0600, &error));
  check_fails (rp_dir_make (file, 0755, &error), RP_ERROR_FAILED);
  g_autofree char *below = in (state, "file/x");
  check_fails (rp_dir_make (below, 0755, &error), RP_ERROR_FAILED);
}

static void
removal_follows_no_link (void **state)
{
  GError *error = NULL;
  g_autofree char *keep = in (state, "keep");
  g_autofree char *kept = in (state, "keep/file");
  g_autofree char *tree = in (state, "tree");
  g_autofree char *deep = in (state, "tree/read-only/deeper");
  g_autofree char *link = in (state, "tree/read-only/link");
  g_autofree char *top = in (state, "top");
  check_ok (rp_dir_make (keep, 0755, &error));
  check_ok (rp_file_replace (kept, "x", 1, 0600, &error));
  check_ok (rp_dir_make (deep, 0755, &error));
  assert_int_equal (symlink (keep, link), 0);
  assert_int_equal (symlink (keep, top), 0);
  assert_int_equal (chmod (deep, 0), 0);
  g_autofree char *parent = in (state, "tree/read-only");
  assert_int_equal (chmod (parent, 0555), 0);

  check_ok (rp_dir_remove (tree, &error));
  check_ok (rp_dir_remove (top, &error));
  check_ok (rp_dir_remove (tree, &error));
  assert_false (g_file_test (tree, G_FILE_TEST_EXISTS));
  assert_false (g_file_test (top, G_FILE_TEST_IS_SYMLINK));
  assert_file_is (kept, "x");
}

/* root may do anything, so the test of read-only trees means something only as somebody else. */
static void
removal_works_unprivileged (void **state)
{
  if (getuid () != 0)
    skip (); /* the test above has shown it already */
  Fixture *fixture = *state;
  assert_int_equal (chmod (fixture->dir, 0777), 0);
  pid_t pid = fork ();
  if (pid == 0)
    {
      g_autofree char *tree = in (state, "mine");
      g_autofree char *deep = in (state, "mine/locked/deeper");
      g_autofree char *locked = in (state, "mine/locked");
      gboolean ok = setgid (65534) == 0 && setuid (65534) == 0 && rp_dir_make (deep, 0755, NULL)
                    && chmod (deep, 0) == 0 && chmod (locked, 0) == 0
                    && rp_dir_remove (tree, NULL) && !g_file_test (tree, G_FILE_TEST_EXISTS);
      _exit (ok ? 0 : 1);
    }
  int status;
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
}

static void
lock_excludes_and_names_its_holder (void **state)
{
  GError *error = NULL;
  g_autofree char *path = in (state, "lock");
  RpLock *lock = rp_lock_take (path, &error);
  check_ok (lock != NULL);
  g_autoptr (RpLock) second = rp_lock_take (path, &error);
  assert_null (second);
  g_autofree char *holder = g_strdup_printf ("held by process %ld", (long)getpid ());
  check_contains (error->message, holder);
  check_fails (FALSE, RP_ERROR_BUSY);
  rp_lock_release (lock);
  g_autoptr (RpLock) again = rp_lock_take (path, &error);
  check_ok (again != NULL);
  rp_lock_release (NULL);
}

static void
dead_holders_lock_is_free (void **state)
{
  GError *error = NULL;
  g_autofree char *path = in (state, "lock");
  pid_t pid = fork ();
  if (pid == 0)
    {
      RpLock *held = rp_lock_take (path, NULL);
      _exit (held != NULL ? 0 : 1);
    }
  int status;
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_int_equal (status, 0);
  g_autoptr (RpLock) lock = rp_lock_take (path, &error);
  check_ok (lock != NULL);
}

static void
sync_reports_failure (void **state)
{
  GError *error = NULL;
  check_fails (rp_file_sync (-1, "nothing", &error), RP_ERROR_FAILED);
  check_fails (rp_dir_sync ("/no/such/directory", &error), RP_ERROR_FAILED);
  check_fails (rp_file_write_all (-1, "x", 1, "nothing", &error), RP_ERROR_FAILED);
}

static void
full_device_is_no_space (void **state)
{
  rp_autofd int fd = open ("/dev/full", O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    skip ();
  GError *error = NULL;
  check_fails (rp_file_write_all (fd, "x", 1, "/dev/full", &error), RP_ERROR_NO_SPACE);
}

#define test(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    test (read_has_a_limit),
    test (replace_keeps_or_changes_whole),
    test (links_are_replaced),
    test (directories_are_made),
    test (removal_follows_no_link),
    test (removal_works_unprivileged),
    test (lock_excludes_and_names_its_holder),
    test (dead_holders_lock_is_free),
    test (sync_reports_failure),
    test (full_device_is_no_space),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
