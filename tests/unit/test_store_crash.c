/* The `fs` store at the mercy of the system: every call that changes something is the one at which
 * the process dies, then the one that fails.  The linker hands us those calls (--wrap). */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "store/store.h"

/* ---- the calls ---- */

static struct {
  guint until;      /* calls to go to the one that is hit; 0: none is */
  int fail_with;    /* errno, or 0 to die */
  gboolean hit;
  gboolean old_fs;  /* the file system knows no RENAME_NOREPLACE */
  GString *trace;   /* or NULL: `call path` lines */
} fate;

enum { DIED = 99 };

/* Whether this call must fail; does not come back if the process is to die. */
static gboolean
strikes (const char *call, const char *path)
{
  if (fate.trace != NULL)
    g_string_append_printf (fate.trace, "%s %s\n", call, path);
  if (fate.until == 0 || --fate.until > 0)
    return FALSE;
  fate.hit = TRUE;
  if (fate.fail_with == 0)
    _exit (DIED);
  errno = fate.fail_with;
  return TRUE;
}

static gboolean
strikes_fd (const char *call, int fd)
{
  char link[64], path[512] = "";
  g_snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  if (readlink (link, path, sizeof path - 1) < 0)
    path[0] = '\0';
  return strikes (call, path);
}

#define WRAP(name, parameters, arguments, struck)                                                  \
  int __real_##name parameters;                                                                    \
  int __wrap_##name parameters;                                                                    \
  int __wrap_##name parameters                                                                     \
  {                                                                                                \
    return struck ? -1 : __real_##name arguments;                                                  \
  }

WRAP (fsync, (int fd), (fd), strikes_fd ("fsync", fd))
WRAP (fchmod, (int fd, mode_t mode), (fd, mode), strikes_fd ("fchmod", fd))
WRAP (futimens, (int fd, const struct timespec times[2]), (fd, times), strikes_fd ("futimens", fd))
WRAP (ftruncate64, (int fd, off_t size), (fd, size), strikes_fd ("ftruncate", fd))
WRAP (mkdir, (const char *path, mode_t mode), (path, mode), strikes ("mkdir", path))
WRAP (mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode),
      strikes ("mkdirat", path))
WRAP (renameat, (int from, const char *a, int to, const char *b), (from, a, to, b),
      strikes ("renameat", b))
WRAP (fchmodat, (int dir, const char *path, mode_t mode, int flags), (dir, path, mode, flags),
      strikes ("fchmodat", path))
WRAP (linkat, (int from, const char *a, int to, const char *b, int flags), (from, a, to, b, flags),
      strikes ("linkat", b))
WRAP (renameat2, (int from, const char *a, int to, const char *b, unsigned flags),
      (from, a, to, b, flags),
      (fate.old_fs ? (errno = EINVAL, TRUE) : strikes ("renameat2", b)))
WRAP (unlinkat, (int dir, const char *path, int flags), (dir, path, flags),
      strikes ("unlinkat", path))

ssize_t __real_pwrite64 (int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64 (int fd, const void *data, size_t size, off_t offset);
/* A disk that is nearly full takes a part first. */
ssize_t
__wrap_pwrite64 (int fd, const void *data, size_t size, off_t offset)
{
  if (strikes_fd ("pwrite", fd))
    return -1;
  gsize part = size > 2 ? size / 2 : size;
  return __real_pwrite64 (fd, data, part, offset);
}

int __real_openat64 (int dir, const char *path, int flags, mode_t mode);
int __wrap_openat64 (int dir, const char *path, int flags, mode_t mode);
int
__wrap_openat64 (int dir, const char *path, int flags, mode_t mode)
{
  return strikes ("openat", path) ? -1 : __real_openat64 (dir, path, flags, mode);
}

/* ---- the story ---- */

static const char old_text[] = "there before", rotten_text[] = "rotten before",
                  new_text[] = "pushed in two pieces", condemned_text[] = "to be condemned";

typedef enum { NOTHING, PUSHED, HEALED, CONDEMNED } Progress;

static RpDigest
digest_of (const char *text)
{
  return rp_digest_of (RP_DIGEST_SHA256, text, strlen (text));
}

static gboolean
put (RpStore *store, const char *text, GError **error)
{
  RpDigest digest = digest_of (text);
  return rp_store_put (store, &digest, text, strlen (text), error);
}

static gboolean
push (RpStore *store, const char *text, GError **error)
{
  RpDigest digest = digest_of (text);
  g_autoptr (RpUpload) upload = rp_upload_new (store, "a", error);
  return upload != NULL && rp_upload_append (upload, text, 7, error)
         && rp_upload_append (upload, text + 7, strlen (text) - 7, error)
         && rp_upload_commit (upload, &digest, error);
}

/* Calls `note` with each step that was acknowledged. */
static gboolean
story (const char *dir, void (*note) (Progress), GError **error)
{
  RpDigest condemned = digest_of (condemned_text);
  g_autoptr (RpStore) store = rp_store_open (dir, error);
  if (store == NULL || !push (store, new_text, error))
    return FALSE;
  note (PUSHED);
  if (!put (store, rotten_text, error))
    return FALSE;
  note (HEALED);
  if (!rp_store_quarantine (store, &condemned, error))
    return FALSE;
  note (CONDEMNED);
  return TRUE;
}

static char *
path_of (const char *dir, const char *area, const char *text)
{
  RpDigest digest = digest_of (text);
  g_autofree char *name = rp_digest_to_string (&digest);
  g_autofree char *prefix = g_strndup (name + 7, 2);
  return g_build_filename (dir, area, "sha256", prefix, name + 7, NULL);
}

static void
rot (const char *dir, const char *text)
{
  g_autofree char *path = path_of (dir, "blobs", text);
  rp_autofd int fd = open (path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) /* 0444 and we are not root */
    {
      assert_int_equal (chmod (path, 0644), 0);
      fd = open (path, O_WRONLY | O_CLOEXEC);
    }
  assert_int_equal (pwrite (fd, "#", 1, 3), 1);
}

static char *
prepare (void)
{
  g_autoptr (GError) error = NULL;
  /* A process's death loses no page, so memory will do, and hundreds of runs are quick. */
  const char *base = access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir ();
  char *dir = g_mkdtemp (g_build_filename (base, "repoint-crash-XXXXXX", NULL));
  assert_non_null (dir);
  g_autoptr (RpStore) store = rp_store_open (dir, &error);
  check_ok (store != NULL);
  check_ok (put (store, old_text, &error));
  check_ok (put (store, rotten_text, &error));
  check_ok (put (store, condemned_text, &error));
  rot (dir, rotten_text);
  return dir;
}

/* ---- the promises ---- */

static gboolean
verify_one (const RpDigest *digest, const RpBlobInfo *info, gpointer user_data, GError **error)
{
  RpDigest rotten = digest_of (rotten_text);
  return rp_digest_equal (digest, &rotten) || rp_store_verify (user_data, digest, error);
}

/* What a crash left under uploads/ is taken up and completed. */
static void
check_leftovers (RpStore *store, const char *dir)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (dir, "uploads", NULL);
  g_autoptr (GDir) uploads = g_dir_open (path, 0, NULL);
  for (const char *name; (name = g_dir_read_name (uploads)) != NULL;)
    {
      g_autofree char *id = g_strndup (name, 36);
      g_autoptr (RpUpload) upload = rp_upload_open (store, "a", id, &error);
      if (g_error_matches (error, RP_ERROR, RP_ERROR_UPLOAD_UNKNOWN))
        {
          g_clear_error (&error); /* of a put: no scope of ours */
          continue;
        }
      check_ok (upload != NULL);
      gsize size = rp_upload_size (upload);
      assert_in_range (size, 0, strlen (new_text));
      RpDigest digest = digest_of (new_text);
      check_ok (rp_upload_append (upload, new_text + size, strlen (new_text) - size, &error));
      check_ok (rp_upload_commit (upload, &digest, &error));
    }
}

static void
check_promises (const char *dir, Progress progress)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (RpStore) store = rp_store_open (dir, &error);
  check_ok (store != NULL);
  RpDigest old = digest_of (old_text), rotten = digest_of (rotten_text),
           pushed = digest_of (new_text), condemned = digest_of (condemned_text);
  RpBlobInfo info;
  check_ok (rp_store_verify (store, &old, &error));
  check_ok (rp_store_each (store, verify_one, store, &error));
  check_ok (rp_store_stat (store, &rotten, &info, &error)); /* never lost on the way to better */
  if (progress >= PUSHED)
    check_ok (rp_store_verify (store, &pushed, &error));
  if (progress >= HEALED)
    check_ok (rp_store_verify (store, &rotten, &error));
  g_autofree char *quarantined = path_of (dir, "quarantine", condemned_text);
  assert_true (rp_store_stat (store, &condemned, &info, NULL)
               || g_file_test (quarantined, G_FILE_TEST_EXISTS));
  if (progress >= CONDEMNED)
    check_fails (rp_store_verify (store, &condemned, &error), RP_ERROR_BLOB_UNKNOWN);
  check_leftovers (store, dir);
  guint removed;
  check_ok (rp_store_upload_expire (store, G_MAXINT64, &removed, &error));
}

static void
clean_up (char *dir)
{
  GError *error = NULL;
  check_ok (rp_dir_remove (dir, &error));
  g_free (dir);
}

/* ---- tests ---- */

static int note_fd = -1;

static void
note_to_parent (Progress progress)
{
  char byte = (char)progress;
  if (write (note_fd, &byte, 1) != 1)
    _exit (1);
}

/* Dies at the n-th call; TRUE if there was one. */
static gboolean
die_at (guint n)
{
  char *dir = prepare ();
  int ends[2];
  assert_int_equal (pipe (ends), 0);
  pid_t pid = fork ();
  if (pid == 0)
    {
      note_fd = ends[1];
      fate.until = n;
      fate.fail_with = 0;
      _exit (story (dir, note_to_parent, NULL) ? 0 : 1);
    }
  close (ends[1]);
  char byte;
  Progress progress = NOTHING;
  while (read (ends[0], &byte, 1) == 1)
    progress = (Progress)byte;
  close (ends[0]);
  int status;
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFEXITED (status) && (WEXITSTATUS (status) == DIED || WEXITSTATUS (status) == 0));
  check_promises (dir, progress);
  clean_up (dir);
  return WEXITSTATUS (status) == DIED;
}

static void
R25_a_death_at_any_call_loses_nothing (void **state)
{
  for (fate.old_fs = FALSE; fate.old_fs <= TRUE; fate.old_fs++)
    {
      guint n = 1;
      while (die_at (n))
        n++;
      assert_true (n > 20);
    }
  fate.old_fs = FALSE;
}

static Progress reached;

static void
note_here (Progress progress)
{
  reached = progress;
}

static gboolean
fail_at (guint n, int err)
{
  char *dir = prepare ();
  reached = NOTHING;
  fate.until = n;
  fate.fail_with = err;
  fate.hit = FALSE;
  g_autoptr (GError) error = NULL;
  gboolean ok = story (dir, note_here, &error);
  fate.until = 0;
  assert_true (ok == (error == NULL));
  check_promises (dir, reached);
  g_clear_error (&error);
  check_ok (story (dir, note_here, &error)); /* and the next attempt succeeds */
  check_promises (dir, CONDEMNED);
  clean_up (dir);
  return fate.hit;
}

static void
a_failure_of_any_call_loses_nothing (void **state)
{
  static const int errors[] = { ENOSPC, EIO };
  for (gsize i = 0; i < G_N_ELEMENTS (errors); i++)
    for (fate.old_fs = FALSE; fate.old_fs <= TRUE; fate.old_fs++)
      {
        guint n = 1;
        while (fail_at (n, errors[i]))
          n++;
        assert_true (n > 20);
      }
  fate.old_fs = FALSE;
}

static const char *
after (const char *trace, const char *call)
{
  const char *found = strstr (trace, call);
  if (found == NULL)
    fail_msg ("no \"%s\" in\n%s", call, trace);
  return found + strlen (call);
}

/* What is acknowledged is durable: bytes before their name, names before the answer. */
static void
commit_syncs_in_order (void **state)
{
  g_autoptr (GError) error = NULL;
  char *dir = prepare ();
  g_autoptr (RpStore) store = rp_store_open (dir, &error);
  fate.trace = g_string_new (NULL);
  check_ok (push (store, new_text, &error));
  RpDigest digest = digest_of (new_text);
  g_autofree char *name = rp_digest_to_string (&digest);
  g_autofree char *place = g_strdup_printf ("renameat2 %.2s/%s\n", name + 7, name + 7);
  g_autofree char *blobs = g_strdup_printf ("fsync %s/blobs/sha256\n", dir);
  g_autofree char *prefix = g_strdup_printf ("fsync %s/blobs/sha256/%.2s\n", dir, name + 7);
  g_autofree char *uploads = g_strdup_printf ("fsync %s/uploads/", dir);
  const char *p = after (fate.trace->str, "fchmod");
  p = after (p, uploads);
  p = after (p, "mkdirat");
  p = after (p, blobs);
  p = after (p, place);
  p = after (p, prefix);

  g_string_truncate (fate.trace, 0);
  check_ok (rp_store_quarantine (store, &digest, &error));
  g_autofree char *to = g_strdup_printf ("fsync %s/quarantine/sha256/%.2s\n", dir, name + 7);
  p = after (fate.trace->str, "renameat2");
  p = after (p, to);
  p = after (p, prefix);
  g_string_free (g_steal_pointer (&fate.trace), TRUE);
  clean_up (dir);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (commit_syncs_in_order),
    cmocka_unit_test (R25_a_death_at_any_call_loses_nothing),
    cmocka_unit_test (a_failure_of_any_call_loses_nothing),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
