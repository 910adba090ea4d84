/* One suite over every implementation, then what only some of them can show. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/fault.h"
#include "store/store.h"

#define UNKNOWN_UUID "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

typedef struct {
  const char *url; /* "@DIR@" stands for a fresh directory */
  char *dir;
  RpStore *store;
} Fixture;

static RpStore *
open_at (const char *url, const char *dir)
{
  g_auto (GStrv) parts = g_strsplit (url, "@DIR@", 2);
  g_autofree char *full = g_strjoinv (dir, parts);
  g_autoptr (GError) error = NULL;
  RpStore *store = rp_store_open (full, &error);
  if (store == NULL)
    fail_msg ("%s", error->message);
  return store;
}

static int
setup (void **state)
{
  Fixture *fixture = g_new0 (Fixture, 1);
  fixture->url = *state != NULL ? *state : "fs:@DIR@";
  fixture->dir = g_dir_make_tmp ("repoint-store-XXXXXX", NULL);
  fixture->store = open_at (fixture->url, fixture->dir);
  *state = fixture;
  return 0;
}

static int
teardown (void **state)
{
  Fixture *fixture = *state;
  rp_store_close (fixture->store);
  gboolean removed = rp_dir_remove (fixture->dir, NULL);
  g_free (fixture->dir);
  g_free (fixture);
  return removed ? 0 : -1;
}

static RpStore *
store_of (void **state)
{
  return ((Fixture *)*state)->store;
}

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
holds (RpStore *store, const char *text)
{
  RpDigest digest = digest_of (text);
  g_autoptr (GBytes) bytes = rp_store_read (store, &digest, 1 << 20, NULL);
  return bytes != NULL && g_bytes_get_size (bytes) == strlen (text)
         && memcmp (g_bytes_get_data (bytes, NULL), text, strlen (text)) == 0;
}

static gboolean
count_one (const RpDigest *digest, const RpBlobInfo *info, gpointer user_data, GError **error)
{
  ++*(guint *)user_data;
  return TRUE;
}

static guint
count_blobs (RpStore *store)
{
  GError *error = NULL;
  guint n = 0;
  check_ok (rp_store_each (store, count_one, &n, &error));
  return n;
}

static gboolean
append (RpUpload *upload, const char *text, GError **error)
{
  return rp_upload_append (upload, text, strlen (text), error);
}

/* ---- every implementation ---- */

static void
blobs_come_back_as_they_were (void **state)
{
  RpStore *store = store_of (state);
  GError *error = NULL;
  gint64 before = rp_clock_now_us () - 10 * G_USEC_PER_SEC;
  check_ok (put (store, "hello", &error));
  check_ok (put (store, "hello", &error)); /* idempotent */
  check_ok (put (store, "", &error));
  assert_true (holds (store, "hello"));
  assert_true (holds (store, ""));
  assert_int_equal (count_blobs (store), 2);

  RpDigest digest = digest_of ("hello");
  RpBlobInfo info;
  check_ok (rp_store_stat (store, &digest, &info, &error));
  assert_int_equal (info.size_bytes, 5);
  assert_true (info.stored_at_us > before);
  guint64 size = 0;
  rp_autofd int fd = rp_store_open_blob (store, &digest, &size, &error);
  check_ok (fd >= 0);
  char text[8] = "";
  assert_int_equal (read (fd, text, sizeof text), 5);
  assert_string_equal (text, "hello");
  assert_int_equal (size, 5);
  check_ok (rp_store_verify (store, &digest, &error));
  g_autoptr (GBytes) large = rp_store_read (store, &digest, 4, &error);
  check_fails (large != NULL, RP_ERROR_TOO_LARGE);
}

static void
absent_blobs_are_unknown (void **state)
{
  RpStore *store = store_of (state);
  GError *error = NULL;
  RpDigest digest = digest_of ("absent");
  RpBlobInfo info;
  check_fails (rp_store_stat (store, &digest, &info, &error), RP_ERROR_BLOB_UNKNOWN);
  check_fails (rp_store_open_blob (store, &digest, NULL, &error) >= 0, RP_ERROR_BLOB_UNKNOWN);
  g_autoptr (GBytes) bytes = rp_store_read (store, &digest, 10, &error);
  check_fails (bytes != NULL, RP_ERROR_BLOB_UNKNOWN);
  check_fails (rp_store_verify (store, &digest, &error), RP_ERROR_BLOB_UNKNOWN);
  check_ok (rp_store_quarantine (store, &digest, &error));
}

static void
wrong_bytes_are_refused (void **state)
{
  RpStore *store = store_of (state);
  GError *error = NULL;
  RpDigest other = digest_of ("other");
  check_fails (rp_store_put (store, &other, "bytes", 5, &error), RP_ERROR_DIGEST_MISMATCH);
  assert_int_equal (count_blobs (store), 0);

  g_autoptr (RpUpload) upload = rp_upload_new (store, "shop/web", &error);
  check_ok (append (upload, "oth", &error));
  check_fails (rp_upload_commit (upload, &other, &error), RP_ERROR_DIGEST_MISMATCH);
  check_ok (append (upload, "er", &error)); /* it was only short: the upload is still open */
  check_ok (rp_upload_commit (upload, &other, &error));
  assert_true (holds (store, "other"));
}

static void
uploads_in_pieces_take_both_digests (void **state)
{
  RpStore *store = store_of (state);
  GError *error = NULL;
  static const RpDigestAlgorithm algorithms[] = { RP_DIGEST_SHA256, RP_DIGEST_SHA512 };
  for (gsize i = 0; i < G_N_ELEMENTS (algorithms); i++)
    {
      RpDigest digest = rp_digest_of (algorithms[i], "one two", 7);
      g_autoptr (RpUpload) upload = rp_upload_new (store, "a", &error);
      check_ok (upload != NULL);
      check_ok (append (upload, "one", &error));
      check_ok (append (upload, "", &error));
      check_ok (append (upload, " two", &error));
      assert_int_equal (rp_upload_size (upload), 7);
      check_ok (rp_upload_commit (upload, &digest, &error));
      check_ok (rp_store_verify (store, &digest, &error));
      check_fails (append (upload, "x", &error), RP_ERROR_UPLOAD_UNKNOWN);
      check_fails (rp_upload_commit (upload, &digest, &error), RP_ERROR_UPLOAD_UNKNOWN);
      check_fails (rp_upload_cancel (upload, &error), RP_ERROR_UPLOAD_UNKNOWN);
    }
  assert_int_equal (count_blobs (store), 2);
}

static void
uploads_are_bound_and_exclusive (void **state)
{
  RpStore *store = store_of (state);
  GError *error = NULL;
  RpUpload *upload = rp_upload_new (store, "shop/web", &error);
  check_ok (upload != NULL);
  check_ok (append (upload, "abc", &error));
  g_autofree char *id = g_strdup (rp_upload_id (upload));
  check_fails (rp_upload_open (store, "shop/web", id, &error) != NULL, RP_ERROR_BUSY);
  check_fails (rp_upload_open (store, "shop/api", id, &error) != NULL, RP_ERROR_UPLOAD_UNKNOWN);
  rp_upload_close (upload);

  check_fails (rp_upload_open (store, "shop/api", id, &error) != NULL, RP_ERROR_UPLOAD_UNKNOWN);
  upload = rp_upload_open (store, "shop/web", id, &error);
  check_ok (upload != NULL);
  assert_string_equal (rp_upload_id (upload), id);
  assert_int_equal (rp_upload_size (upload), 3);
  check_ok (append (upload, "def", &error));
  RpDigest digest = digest_of ("abcdef");
  check_ok (rp_upload_commit (upload, &digest, &error));
  rp_upload_close (upload);
  assert_true (holds (store, "abcdef"));
  check_fails (rp_upload_open (store, "shop/web", id, &error) != NULL, RP_ERROR_UPLOAD_UNKNOWN);
  rp_upload_close (NULL);
}

static void
strange_upload_ids_are_unknown (void **state)
{
  static const char *const ids[]
      = { "", "x", "../../etc/passwd", UNKNOWN_UUID, "3F2504E0-4F89-41D3-9A0C-0305E82C3301",
          UNKNOWN_UUID "/..", "\xff\xfe" };
  for (gsize i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      GError *error = NULL;
      check_fails (rp_upload_open (store_of (state), "a", ids[i], &error) != NULL,
                   RP_ERROR_UPLOAD_UNKNOWN);
    }
}

static void
cancelled_uploads_are_gone (void **state)
{
  RpStore *store = store_of (state);
  GError *error = NULL;
  RpUpload *upload = rp_upload_new (store, "a", &error);
  g_autofree char *id = g_strdup (rp_upload_id (upload));
  check_ok (append (upload, "abc", &error));
  check_ok (rp_upload_cancel (upload, &error));
  rp_upload_close (upload);
  check_fails (rp_upload_open (store, "a", id, &error) != NULL, RP_ERROR_UPLOAD_UNKNOWN);
  assert_int_equal (count_blobs (store), 0);
}

static void
abandoned_uploads_expire (void **state)
{
  RpStore *store = store_of (state);
  GError *error = NULL;
  RpUpload *left = rp_upload_new (store, "a", &error);
  g_autofree char *id = g_strdup (rp_upload_id (left));
  rp_upload_close (left);
  g_autoptr (RpUpload) held = rp_upload_new (store, "a", &error);
  guint removed = 9;
  gint64 now = rp_clock_now_us ();
  check_ok (rp_store_upload_expire (store, now - 60 * G_USEC_PER_SEC, &removed, &error));
  assert_int_equal (removed, 0);
  check_ok (rp_store_upload_expire (store, now + 60 * G_USEC_PER_SEC, &removed, &error));
  assert_int_equal (removed, 1);
  check_fails (rp_upload_open (store, "a", id, &error) != NULL, RP_ERROR_UPLOAD_UNKNOWN);
  check_ok (append (held, "still here", &error));
}

static void
quarantined_blobs_are_not_served (void **state)
{
  RpStore *store = store_of (state);
  GError *error = NULL;
  RpDigest digest = digest_of ("bad");
  for (int i = 0; i < 3; i++) /* a second copy may be condemned like the first */
    {
      check_ok (put (store, "bad", &error));
      assert_true (holds (store, "bad"));
      check_ok (rp_store_quarantine (store, &digest, &error));
      check_fails (rp_store_verify (store, &digest, &error), RP_ERROR_BLOB_UNKNOWN);
      assert_int_equal (count_blobs (store), 0);
    }
}

static gboolean
stop_walk (const RpDigest *digest, const RpBlobInfo *info, gpointer user_data, GError **error)
{
  ++*(guint *)user_data;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_BLOCKED, "enough");
  return FALSE;
}

static void
walks_can_be_ended (void **state)
{
  RpStore *store = store_of (state);
  GError *error = NULL;
  check_ok (put (store, "a", &error));
  check_ok (put (store, "b", &error));
  guint n = 0;
  check_fails (rp_store_each (store, stop_walk, &n, &error), RP_ERROR_BLOCKED);
  assert_int_equal (n, 1);
}

enum { THREADS = 6, ROUNDS = 8 };

typedef struct {
  RpStore *store;
  char *failure;
} Worker;

/* Everybody commits the same blobs at once, in pieces. */
static void *
commit_all (void *user_data)
{
  Worker *worker = user_data;
  for (int i = 0; i < ROUNDS && worker->failure == NULL; i++)
    {
      g_autofree char *text = g_strdup_printf ("blob %d of many", i);
      RpDigest digest = digest_of (text);
      g_autoptr (GError) error = NULL;
      g_autoptr (RpUpload) upload = rp_upload_new (worker->store, "a", &error);
      if (upload == NULL || !rp_upload_append (upload, text, 4, &error)
          || !rp_upload_append (upload, text + 4, strlen (text) - 4, &error)
          || !rp_upload_commit (upload, &digest, &error)
          || !rp_store_verify (worker->store, &digest, &error))
        worker->failure = g_strdup (error->message);
    }
  return NULL;
}

static void
all_who_commit_at_once_succeed (void **state)
{
  RpStore *store = store_of (state);
  pthread_t threads[THREADS];
  Worker workers[THREADS];
  for (int i = 0; i < THREADS; i++)
    {
      workers[i] = (Worker){ store, NULL };
      assert_int_equal (pthread_create (&threads[i], NULL, commit_all, &workers[i]), 0);
    }
  for (int i = 0; i < THREADS; i++)
    pthread_join (threads[i], NULL);
  for (int i = 0; i < THREADS; i++)
    if (workers[i].failure != NULL)
      fail_msg ("%s", workers[i].failure);
  assert_int_equal (count_blobs (store), ROUNDS);
  GError *error = NULL;
  guint left = 9;
  check_ok (rp_store_upload_expire (store, G_MAXINT64, &left, &error));
  assert_int_equal (left, 0);
}

/* ---- files only ---- */

static char *
path_of_blob (void **state, const char *area, const char *text)
{
  RpDigest digest = digest_of (text);
  g_autofree char *name = rp_digest_to_string (&digest);
  g_autofree char *prefix = g_strndup (name + 7, 2);
  return g_build_filename (((Fixture *)*state)->dir, area, "sha256", prefix, name + 7, NULL);
}

static void
damage (const char *path, const char *bytes)
{
  GError *error = NULL;
  assert_int_equal (chmod (path, 0644), 0);
  rp_autofd int fd = open (path, O_WRONLY | O_TRUNC | O_CLOEXEC);
  check_ok (rp_file_write_all (fd, bytes, strlen (bytes), path, &error));
}

static void
fs_keeps_blobs_where_it_says (void **state)
{
  GError *error = NULL;
  check_ok (put (store_of (state), "hello", &error));
  g_autofree char *path = path_of_blob (state, "blobs", "hello");
  struct stat st;
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0444);
  assert_int_equal (st.st_nlink, 1);
  RpDigest digest = digest_of ("hello");
  check_ok (rp_store_quarantine (store_of (state), &digest, &error));
  g_autofree char *condemned = path_of_blob (state, "quarantine", "hello");
  assert_int_equal (stat (condemned, &st), 0);
  assert_int_not_equal (stat (path, &st), 0);
}

static void
fs_tells_damage_and_a_new_push_heals_it (void **state)
{
  static const char *const damages[] = { "hellO", "hell", "hello and more", "" };
  RpStore *store = store_of (state);
  RpDigest digest = digest_of ("hello");
  g_autofree char *path = path_of_blob (state, "blobs", "hello");
  for (gsize i = 0; i < G_N_ELEMENTS (damages); i++)
    {
      GError *error = NULL;
      check_ok (put (store, "hello", &error));
      damage (path, damages[i]);
      check_fails (rp_store_verify (store, &digest, &error), RP_ERROR_CORRUPT);
      g_autoptr (GBytes) bytes = rp_store_read (store, &digest, 100, &error);
      check_fails (bytes != NULL, RP_ERROR_CORRUPT);
      check_ok (put (store, "hello", &error));
      check_ok (rp_store_verify (store, &digest, &error));
    }
}

static void
fs_keeps_a_good_copy (void **state)
{
  GError *error = NULL;
  check_ok (put (store_of (state), "hello", &error));
  g_autofree char *path = path_of_blob (state, "blobs", "hello");
  struct stat before, after;
  assert_int_equal (stat (path, &before), 0);
  struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
  assert_int_equal (utimensat (AT_FDCWD, path, old, 0), 0);
  check_ok (put (store_of (state), "hello", &error));
  assert_int_equal (stat (path, &after), 0);
  assert_true (before.st_ino == after.st_ino);
  /* Somebody has just relied on it: a collector must not take it for an old one. */
  RpDigest digest = digest_of ("hello");
  RpBlobInfo info;
  check_ok (rp_store_stat (store_of (state), &digest, &info, &error));
  assert_true (info.stored_at_us > 1000 * G_USEC_PER_SEC);
}

static void
fs_uploads_survive_a_restart (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;
  RpUpload *upload = rp_upload_new (fixture->store, "shop/web", &error);
  g_autofree char *id = g_strdup (rp_upload_id (upload));
  check_ok (append (upload, "before ", &error));
  rp_upload_close (upload);
  rp_store_close (fixture->store);
  fixture->store = open_at (fixture->url, fixture->dir);
  g_autoptr (RpUpload) again = rp_upload_open (fixture->store, "shop/web", id, &error);
  check_ok (again != NULL);
  assert_int_equal (rp_upload_size (again), 7);
  check_ok (append (again, "and after", &error));
  RpDigest digest = digest_of ("before and after");
  check_ok (rp_upload_commit (again, &digest, &error));
  assert_true (holds (fixture->store, "before and after"));
}

static void
fs_ignores_what_is_not_its_own (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;
  check_ok (put (fixture->store, "hello", &error));
  g_autofree char *blob = path_of_blob (state, "blobs", "hello");
  g_autofree char *dir = g_path_get_dirname (blob);
  g_autofree char *stranger = g_build_filename (dir, "README", NULL);
  g_autofree char *upload = g_build_filename (fixture->dir, "uploads", "README", NULL);
  check_ok (rp_file_replace (stranger, "x", 1, 0600, &error));
  check_ok (rp_file_replace (upload, "x", 1, 0600, &error));
  assert_int_equal (count_blobs (fixture->store), 1);
  guint removed = 9;
  check_ok (rp_store_upload_expire (fixture->store, G_MAXINT64, &removed, &error));
  assert_int_equal (removed, 0);
  assert_true (g_file_test (upload, G_FILE_TEST_EXISTS));
}

static void
fs_never_writes_through_an_old_name (void **state)
{
  /* What a file system without RENAME_NOREPLACE leaves after a crash: both names on one file. */
  Fixture *fixture = *state;
  GError *error = NULL;
  RpUpload *upload = rp_upload_new (fixture->store, "a", &error);
  g_autofree char *id = g_strdup (rp_upload_id (upload));
  rp_upload_close (upload);
  check_ok (put (fixture->store, "hello", &error));
  g_autofree char *blob = path_of_blob (state, "blobs", "hello");
  g_autofree char *pattern = g_strconcat (fixture->dir, "/uploads", NULL);
  g_autoptr (GDir) dir = g_dir_open (pattern, 0, NULL);
  g_autofree char *name = g_build_filename (pattern, g_dir_read_name (dir), NULL);
  assert_int_equal (unlink (name), 0);
  assert_int_equal (link (blob, name), 0);
  check_fails (rp_upload_open (fixture->store, "a", id, &error) != NULL, RP_ERROR_UPLOAD_UNKNOWN);
  assert_true (holds (fixture->store, "hello"));
  struct stat st;
  assert_int_equal (stat (blob, &st), 0);
  assert_int_equal (st.st_nlink, 1);
  assert_int_equal (st.st_mode & 07777, 0444);
}

static void
bad_urls_are_refused (void **state)
{
  static const char *const urls[]
      = { "", "fs:", "mem:x", "s3://bucket", "fault:", "fault:x:busy:mem:", "fault:1:busy:s3://b",
          "fault:-1:busy:mem:" };
  for (gsize i = 0; i < G_N_ELEMENTS (urls); i++)
    {
      GError *error = NULL;
      check_fails (rp_store_open (urls[i], &error) != NULL, RP_ERROR_INVALID);
    }
  GError *error = NULL;
  check_fails (rp_store_open ("/dev/null/x", &error) != NULL, RP_ERROR_FAILED);
}

/* ---- a full disk ---- */

enum { PIECE = 64 * 1024 };

/* Fills the store until it is full, then shows that nothing was lost and that it goes on when
 * there is room again. `make_room` may be NULL. */
static gboolean
full_disk_story (RpStore *store, void (*make_room) (void), GError **error)
{
  g_autofree char *piece = g_strnfill (PIECE, 'x');
  g_autoptr (RpUpload) upload = rp_upload_new (store, "a", error);
  if (upload == NULL)
    return FALSE;
  g_autoptr (RpHasher) hasher = rp_hasher_new (RP_DIGEST_SHA256);
  g_autoptr (GError) full = NULL;
  for (int i = 0; i < 1000 && rp_upload_append (upload, piece, PIECE, &full); i++)
    rp_hasher_update (hasher, piece, PIECE);
  if (!g_error_matches (full, RP_ERROR, RP_ERROR_NO_SPACE))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "expected a full disk, got %s",
                   full != NULL ? full->message : "none");
      return FALSE;
    }
  if (rp_upload_size (upload) % PIECE != 0)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_FAILED, "a failed append changed the size");
      return FALSE;
    }
  if (make_room != NULL)
    {
      make_room ();
      rp_hasher_update (hasher, "end", 3);
      if (!rp_upload_append (upload, "end", 3, error))
        return FALSE;
    }
  RpDigest digest = rp_hasher_peek (hasher);
  if (!rp_upload_commit (upload, &digest, error) || !rp_store_verify (store, &digest, error))
    return FALSE;
  RpBlobInfo info;
  return rp_store_stat (store, &digest, &info, error)
         && (info.size_bytes == rp_upload_size (upload)
             || (g_set_error_literal (error, RP_ERROR, RP_ERROR_FAILED, "size differs"), FALSE));
}

/* In a child: limits and mounts are a process's own. Returns what `story` returned; 77: skip. */
static int
in_child (int (*story) (const char *dir), const char *dir)
{
  pid_t pid = fork ();
  if (pid == 0)
    _exit (story (dir));
  int status;
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static int
tell (gboolean ok, const GError *error)
{
  if (!ok)
    fprintf (stderr, "full disk: %s\n", error->message);
  return ok ? 0 : 1;
}

static void
lift_limit (void)
{
  struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
  if (setrlimit (RLIMIT_FSIZE, &none) != 0)
    abort ();
}

/* A file may not grow beyond a limit that is no multiple of the piece: the last write is cut. */
static int
limited_story (const char *dir)
{
  signal (SIGXFSZ, SIG_IGN);
  struct rlimit limit = { 10 * PIECE + 1000, RLIM_INFINITY };
  g_autoptr (GError) error = NULL;
  g_autoptr (RpStore) store = rp_store_open (dir, &error);
  if (store == NULL || setrlimit (RLIMIT_FSIZE, &limit) != 0)
    return 1;
  return tell (full_disk_story (store, lift_limit, &error), error);
}

static char *ballast_path;

static void
remove_ballast (void)
{
  unlink (ballast_path);
}

/* A real full disk: a small tmpfs of our own, where we may mount one. */
static int
tmpfs_story (const char *dir)
{
  if (unshare (CLONE_NEWNS) != 0 || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
      || mount ("repoint-test", dir, "tmpfs", 0, "size=1m") != 0)
    return 77;
  g_autoptr (GError) error = NULL;
  g_autofree char *data = g_build_filename (dir, "data", NULL);
  ballast_path = g_build_filename (dir, "ballast", NULL);
  g_autofree char *zeros = g_malloc0 (100 * 1000);
  gboolean ok = rp_file_replace (ballast_path, zeros, 100 * 1000, 0600, &error);
  g_autoptr (RpStore) store = ok ? rp_store_open (data, &error) : NULL;
  ok = store != NULL && put (store, "there before", &error)
       && full_disk_story (store, remove_ballast, &error);
  if (ok && !holds (store, "there before"))
    return 1;
  int status = tell (ok, error);
  g_clear_pointer (&store, rp_store_close);
  g_free (ballast_path);
  return status;
}

static void
fs_survives_a_size_limit (void **state)
{
  g_autofree char *dir = g_build_filename (((Fixture *)*state)->dir, "limited", NULL);
  assert_int_equal (in_child (limited_story, dir), 0);
}

static void
R20_fs_survives_a_full_disk (void **state)
{
  int status = in_child (tmpfs_story, ((Fixture *)*state)->dir);
  if (status == 77)
    skip (); /* may not mount here; the size limit has shown the same */
  assert_int_equal (status, 0);
}

/* ---- the n-th operation fails ---- */

/* A push in two pieces over a restart of the handle, as a registry does it. */
static gboolean
push (RpStore *store, const char *text, GError **error)
{
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA512, text, strlen (text));
  g_autoptr (RpUpload) upload = rp_upload_new (store, "a", error);
  if (upload == NULL || !append (upload, text, error))
    return FALSE;
  g_autofree char *id = g_strdup (rp_upload_id (upload));
  g_clear_pointer (&upload, rp_upload_close);
  upload = rp_upload_open (store, "a", id, error);
  return upload != NULL && rp_upload_commit (upload, &digest, error)
         && rp_store_verify (store, &digest, error);
}

static gboolean
story (RpStore *store, GError **error)
{
  RpDigest small = digest_of ("small");
  guint n = 0, removed = 0;
  return rp_store_put (store, &small, "small", 5, error) && push (store, "a large one", error)
         && rp_store_verify (store, &small, error)
         && rp_store_each (store, count_one, &n, error)
         && rp_store_quarantine (store, &small, error)
         && rp_store_upload_expire (store, G_MAXINT64, &removed, error);
}

static gboolean
verify_one (const RpDigest *digest, const RpBlobInfo *info, gpointer user_data, GError **error)
{
  return rp_store_verify (user_data, digest, error);
}

static void
any_operation_may_fail (void **state)
{
  RpStore *store = store_of (state);
  guint n = 1;
  for (;; n++)
    {
      GError *error = NULL;
      rp_store_fault_arm (store, n, RP_ERROR_NO_SPACE);
      gboolean ok = story (store, &error);
      gboolean fired = rp_store_fault_fired (store);
      rp_store_fault_arm (store, 0, RP_ERROR_FAILED);
      if (fired)
        check_fails (ok, RP_ERROR_NO_SPACE); /* nothing is swallowed */
      else
        check_ok (ok);
      check_ok (rp_store_each (store, verify_one, store, &error));
      check_ok (story (store, &error)); /* and the next attempt succeeds */
      guint left = 9;
      check_ok (rp_store_upload_expire (store, G_MAXINT64, &left, &error));
      assert_int_equal (left, 0);
      if (!fired)
        break;
    }
  assert_true (n > 12);
}

/* Large pieces are hashed by another thread while they are written: one that could not be written must not
 * be in the hash, and the same piece sent again must be in it once. */
static void
a_large_piece_that_fails_is_not_hashed (void **state)
{
  enum { PIECE_BYTES = 512 * 1024 };
  RpStore *store = store_of (state);
  g_autofree guint8 *data = g_malloc (2 * PIECE_BYTES);
  GError *error = NULL;
  memset (data, 'a', PIECE_BYTES);
  memset (data + PIECE_BYTES, 'b', PIECE_BYTES);
  RpDigest whole = rp_digest_of (RP_DIGEST_SHA256, data, 2 * PIECE_BYTES);
  g_autoptr (RpUpload) upload = rp_upload_new (store, "a", &error);
  check_ok (upload != NULL);
  check_ok (rp_upload_append (upload, data, PIECE_BYTES, &error));
  rp_store_fault_arm (store, 1, RP_ERROR_NO_SPACE);
  check_fails (rp_upload_append (upload, data + PIECE_BYTES, PIECE_BYTES, &error),
               RP_ERROR_NO_SPACE);
  rp_store_fault_arm (store, 0, RP_ERROR_FAILED);
  assert_int_equal (rp_upload_size (upload), PIECE_BYTES);
  check_ok (rp_upload_append (upload, data + PIECE_BYTES, PIECE_BYTES, &error));
  check_ok (rp_upload_commit (upload, &whole, &error));
  check_ok (rp_store_verify (store, &whole, &error));
}

typedef struct {
  RpStore *store;
  guint8 letter;
  gboolean ok;
} LargePush;

static gpointer
push_large (gpointer data)
{
  enum { PIECE_BYTES = 256 * 1024, PIECES = 24 };
  LargePush *push = data;
  g_autofree guint8 *bytes = g_malloc (PIECE_BYTES * PIECES);
  memset (bytes, push->letter, PIECE_BYTES * PIECES);
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, bytes, PIECE_BYTES * PIECES);
  g_autoptr (RpUpload) upload = rp_upload_new (push->store, "a", NULL);
  push->ok = upload != NULL;
  for (int i = 0; push->ok && i < PIECES; i++)
    push->ok = rp_upload_append (upload, bytes + i * PIECE_BYTES, PIECE_BYTES, NULL);
  push->ok = push->ok && rp_upload_commit (upload, &digest, NULL);
  return NULL;
}

/* More than there are threads to hash for them. */
static void
many_large_pushes_share_the_threads (void **state)
{
  enum { PUSHES = 12 };
  LargePush pushes[PUSHES];
  GThread *threads[PUSHES];
  for (int i = 0; i < PUSHES; i++)
    {
      pushes[i] = (LargePush){ store_of (state), (guint8)('a' + i), FALSE };
      threads[i] = g_thread_new ("push", push_large, &pushes[i]);
    }
  for (int i = 0; i < PUSHES; i++)
    {
      g_thread_join (threads[i]);
      assert_true (pushes[i].ok);
    }
}

static void
rotten_reads_are_told (void **state)
{
  RpStore *store = store_of (state);
  GError *error = NULL;
  check_ok (put (store, "x", &error));
  RpDigest digest = digest_of ("x");
  rp_store_fault_arm (store, 1, RP_ERROR_BUSY);
  check_fails (rp_store_verify (store, &digest, &error), RP_ERROR_BUSY);
  check_ok (rp_store_verify (store, &digest, &error));
}

#define on(f, url) { url " " #f, f, setup, teardown, (void *)(uintptr_t)url }
#define conformance(url)                                                                           \
  on (blobs_come_back_as_they_were, url), on (absent_blobs_are_unknown, url),                      \
      on (wrong_bytes_are_refused, url), on (uploads_in_pieces_take_both_digests, url),            \
      on (uploads_are_bound_and_exclusive, url), on (strange_upload_ids_are_unknown, url),         \
      on (cancelled_uploads_are_gone, url), on (abandoned_uploads_expire, url),                    \
      on (quarantined_blobs_are_not_served, url), on (walks_can_be_ended, url),                    \
      on (all_who_commit_at_once_succeed, url)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    conformance ("fs:@DIR@"),
    conformance ("mem:"),
    conformance ("fault:0:failed:fs:@DIR@"),
    on (fs_keeps_blobs_where_it_says, "@DIR@"),
    on (fs_tells_damage_and_a_new_push_heals_it, "@DIR@"),
    on (fs_keeps_a_good_copy, "@DIR@"),
    on (fs_uploads_survive_a_restart, "@DIR@"),
    on (fs_ignores_what_is_not_its_own, "@DIR@"),
    on (fs_never_writes_through_an_old_name, "@DIR@"),
    on (fs_survives_a_size_limit, "@DIR@"),
    on (R20_fs_survives_a_full_disk, "@DIR@"),
    on (any_operation_may_fail, "fault:0:failed:mem:"),
    on (any_operation_may_fail, "fault:0:failed:fs:@DIR@"),
    on (rotten_reads_are_told, "fault:0:failed:mem:"),
    on (a_large_piece_that_fails_is_not_hashed, "fault:0:failed:fs:@DIR@"),
    on (many_large_pushes_share_the_threads, "fs:@DIR@"),
    cmocka_unit_test (bad_urls_are_refused),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
