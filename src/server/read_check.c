#include "server/read_check.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"

#define BLOCK_BYTES (128 * 1024)
#define WAITING_MAX 1000 /* good news beyond that is not written down; bad news always is */

struct RpReadCheck
{
  RpRegistry *registry;
  GThreadPool *recorder; /* one thread: looking again takes as long as the blob is large */
  gint share;            /* atomic */
  guint64 checked, damaged; /* atomic */
};

/* What was seen of a blob. */
typedef struct {
  RpDigest digest;
  gboolean right;
} Finding;

static void
record (gpointer data, gpointer user_data)
{
  RpReadCheck *check = user_data;
  g_autofree Finding *finding = data;
  g_autofree char *found = NULL;
  g_autoptr (GError) error = NULL;
  char text[RP_DIGEST_STRING_SIZE];
  gboolean ok = finding->right ? rp_registry_seen_right (check->registry, &finding->digest, &error)
                               : rp_registry_condemn (check->registry, &finding->digest, &found,
                                                     &error);

  rp_digest_format (&finding->digest, text);
  if (!ok)
    rp_log_error ("read-check", "what was seen of blob %s could not be recorded: %s", text,
                  error->message);
  else if (found != NULL)
    rp_log_error ("read-check",
                  "blob %s is damaged: its bytes are %s. It was quarantined: push it again", text,
                  found);
  else if (!finding->right)
    rp_log_warning ("read-check", "blob %s was read wrongly, and what is there now is right, or "
                                  "was taken away since", text);
}

RpReadCheck *
rp_read_check_new (RpRegistry *registry)
{
  RpReadCheck *check = g_new0 (RpReadCheck, 1);

  check->registry = registry;
  check->recorder = g_thread_pool_new (record, check, 1, FALSE, NULL);
  return check;
}

void
rp_read_check_free (RpReadCheck *check)
{
  if (check == NULL)
    return;
  g_thread_pool_free (check->recorder, FALSE, TRUE);
  g_free (check);
}

void
rp_read_check_set (RpReadCheck *check, gint64 share)
{
  g_atomic_int_set (&check->share, (gint) share);
}

gboolean
rp_read_check_wants (RpReadCheck *check)
{
  gint share = g_atomic_int_get (&check->share);

  return share > 0 && g_random_int_range (0, RP_READ_SHARE_ALL) < share;
}

/* ---- one read ---- */

typedef struct {
  RpReadCheck *check;
  RpDigest digest;
  int fd;
  guint64 size_bytes;
  guint64 hashed_bytes;
  RpHasher *hasher;
} Reading;

static void
free_reading (void *data)
{
  Reading *reading = data;

  rp_hasher_free (reading->hasher);
  close (reading->fd);
  g_free (reading);
}

static void
tell (const Reading *reading, gboolean right)
{
  RpReadCheck *check = reading->check;
  Finding *finding;

  __atomic_add_fetch (&check->checked, 1, __ATOMIC_RELAXED);
  if (!right)
    __atomic_add_fetch (&check->damaged, 1, __ATOMIC_RELAXED);
  else if (g_thread_pool_unprocessed (check->recorder) > WAITING_MAX)
    return;
  finding = g_new (Finding, 1);
  *finding = (Finding){ reading->digest, right };
  g_thread_pool_push (check->recorder, finding, NULL);
}

static gssize
read_some (const Reading *reading, guint64 position, char *out, size_t max)
{
  gssize n;

  do
    n = pread (reading->fd, out, MIN (max, reading->size_bytes - position), (off_t) position);
  while (n < 0 && errno == EINTR);
  return n;
}

/* The last piece leaves only after the hash of all is right. */
static ssize_t
send_some (void *data, uint64_t position, char *out, size_t max)
{
  Reading *reading = data;
  RpDigest found;
  gssize n;

  if (position == reading->size_bytes)
    return MHD_CONTENT_READER_END_OF_STREAM;
  n = read_some (reading, position, out, max);
  if (n > 0 && position == reading->hashed_bytes)
    {
      rp_hasher_update (reading->hasher, out, (gsize) n);
      reading->hashed_bytes += (guint64) n;
    }
  if (n > 0 && position + (guint64) n < reading->size_bytes)
    return n;
  found = rp_hasher_peek (reading->hasher);
  if (n > 0 && rp_digest_equal (&found, &reading->digest))
    {
      tell (reading, TRUE);
      return n;
    }
  tell (reading, FALSE);
  return MHD_CONTENT_READER_END_WITH_ERROR;
}

struct MHD_Response *
rp_read_check_response (RpReadCheck *check, const RpDigest *digest, int fd, guint64 size_bytes)
{
  Reading *reading = g_new0 (Reading, 1);
  struct MHD_Response *response;

  *reading = (Reading){ .check = check, .digest = *digest, .fd = fd, .size_bytes = size_bytes,
                        .hasher = rp_hasher_new (digest->algorithm) };
  response = MHD_create_response_from_callback (size_bytes, BLOCK_BYTES, send_some, reading,
                                                free_reading);
  if (response == NULL)
    free_reading (reading);
  return response;
}

/* ---- metrics ---- */

static void
print_counter (GString *out, const char *name, const char *help, const guint64 *value)
{
  g_string_append_printf (out, "# HELP %s %s\n# TYPE %s counter\n%s %" G_GUINT64_FORMAT "\n", name,
                          help, name, name, __atomic_load_n (value, __ATOMIC_RELAXED));
}

void
rp_read_check_print (const RpReadCheck *check, GString *out)
{
  print_counter (out, "repoint_reads_checked_total", "Blobs that were hashed while they were sent.",
                 &check->checked);
  print_counter (out, "repoint_reads_damaged_total",
                 "Of these, those whose bytes were wrong: the connection was cut.",
                 &check->damaged);
}
