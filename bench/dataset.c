/* A registry with many blobs and manifests in it, for measuring what grows with a store: a ledger, written as the
 * registry writes it, event by event with its projection, only in one transaction and without syncs; and a name for
 * each blob, of few files that have the size that the ledger says and no bytes: nothing that is measured reads them.
 *
 *   dataset DIRECTORY MANIFESTS BLOBS
 *   dataset format
 *
 * Each manifest names its share of BLOBS.  The files are two days old; those that are there stay.  Whoever ends this
 * halfway has a damaged database.  `format` prints what changes with the tables: a server makes all tables anew from
 * the events of a database that lacks one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/access.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "ledger/ledger.h"
#include "ledger/txn.h"
#include "registry/registry.h"
#include "release/engine.h"
#include "retention/retention.h"
#include "store/paths.h"

#define COUNT_MAX 10000000
#define REPOSITORIES 1000
#define SIZE_BYTES 1471
#define AGE_S (2 * 24 * 3600)
#define LINKS_MAX 60000 /* ext4 takes 65,000 */
#define MEDIA_TYPE "application/vnd.oci.image.manifest.v1+json"

static const RpProjector *const projectors[] = { &rp_registry_projector, &rp_access_projector,
                                                 &rp_release_projector, &rp_retention_projector, NULL };

/* Digests come in no order: with SQLite's usual 2 MiB nearly each page would be read from the disk again. Nobody
 * else has the file open. */
static const char quick[] = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                            "PRAGMA cache_size = -1500000; BEGIN IMMEDIATE";

typedef struct {
  RpLedger *ledger;
  RpTxn txn;
  RpPaths paths;
  char file[RP_PATH_SIZE]; /* that gets further names */
  guint links;
} Set;

/* ---- one of each ---- */

/* A name in the store: of a file that has LINKS_MAX names at most, which is half of the time of as many files. */
static gboolean
make_file (Set *set, const RpDigest *digest, GError **error)
{
  const struct timespec then = { .tv_sec = rp_clock_now_us () / G_USEC_PER_SEC - AGE_S };
  const struct timespec times[2] = { then, then };
  int blobs = set->paths.blobs[digest->algorithm].fd;
  char path[RP_PATH_SIZE];

  rp_path_of_blob (digest, path);
  if (set->links > 0)
    {
      set->links = (set->links + 1) % LINKS_MAX;
      return linkat (blobs, set->file, blobs, path, 0) == 0 || errno == EEXIST
             || rp_error_set_errno (error, errno, "making the file of a blob");
    }
  g_strlcpy (set->file, path, sizeof set->file);
  set->links = 1;
  rp_autofd int fd = openat (blobs, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  return (fd < 0 && errno == EEXIST)
         || (fd >= 0 && ftruncate (fd, SIZE_BYTES) == 0 && futimens (fd, times) == 0)
         || rp_error_set_errno (error, errno, "making the file of a blob");
}

/* As a push of it does: recorded, and hashed on the way in. */
static gboolean
append (Set *set, const char *kind, guint64 owner, guint64 number, json_t *more, char text[RP_DIGEST_STRING_SIZE],
        GError **error)
{
  g_autofree char *name = g_strdup_printf ("%s %" G_GUINT64_FORMAT, kind, number);
  g_autofree char *repository = g_strdup_printf ("bench/app-%" G_GUINT64_FORMAT, owner % REPOSITORIES);
  g_autoptr (json_t) body = more != NULL ? json_incref (more) : json_object ();
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, name, strlen (name));

  json_object_set_new (body, "repository", json_string (repository));
  json_object_set_new (body, "digest", json_string (rp_digest_format (&digest, text)));
  json_object_set_new (body, "size", json_integer (SIZE_BYTES));
  return rp_ledger_append (set->ledger, &set->txn, "bench@localhost", kind, body, NULL, error)
         && rp_txn_exec (&set->txn, error, NULL, "INSERT INTO verified (digest, at_us, ok) VALUES ($1, $2, 1)",
                         "si", text, rp_clock_now_us ())
         && make_file (set, &digest, error);
}

static gboolean
append_manifest (Set *set, guint64 number, guint64 from, guint64 to, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  json_t *references = json_array ();
  char text[RP_DIGEST_STRING_SIZE];

  json_object_set_new (body, "media_type", json_string (MEDIA_TYPE));
  json_object_set_new (body, "references", references);
  for (guint64 i = from; i < to; i++)
    {
      if (!append (set, "blob.added", number, i, NULL, text, error))
        return FALSE;
      json_array_append_new (references, json_string (text));
    }
  return append (set, "manifest.added", number, number, body, text, error);
}

static gboolean
append_all (Set *set, guint64 manifests, guint64 blobs, GError **error)
{
  for (guint64 i = 0; i < manifests; i++)
    if (!append_manifest (set, i, blobs * i / manifests, blobs * (i + 1) / manifests, error))
      return FALSE;
  return TRUE;
}

/* ---- the whole ---- */

static gboolean
make_prefixes (const RpPaths *paths, GError **error)
{
  for (int i = 0; i < 256; i++)
    {
      char name[3];

      g_snprintf (name, sizeof name, "%02x", (unsigned) i);
      if (mkdirat (paths->blobs[RP_DIGEST_SHA256].fd, name, 0755) != 0 && errno != EEXIST)
        return rp_error_set_errno (error, errno, "making the directory %s", name);
    }
  return TRUE;
}

/* The tables, and the mode of the file, as a server makes them. */
static gboolean
make_tables (const char *path, GError **error)
{
  g_autoptr (RpDb) db = rp_db_open (path, error);
  RpLedger *ledger = db != NULL ? rp_ledger_open (db, projectors, error) : NULL;

  rp_ledger_close (ledger);
  return ledger != NULL;
}

static gboolean
fill (Set *set, const char *path, guint64 manifests, guint64 blobs, GError **error)
{
  g_autoptr (RpConnection) connection = rp_connection_open (path, RP_CONNECTION_WRITE, error);
  g_autoptr (GArray) hooks = g_array_new (FALSE, FALSE, sizeof (RpCommitHook));

  if (connection == NULL)
    return FALSE;
  sqlite3_db_config (connection->handle, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
  set->txn = (RpTxn){ .connection = connection, .writable = TRUE, .hooks = hooks };
  return rp_connection_script (connection, quick, error)
         && append_all (set, manifests, blobs, error)
         && rp_connection_script (connection, "COMMIT; PRAGMA journal_mode = WAL", error);
}

static gboolean
make (const char *directory, guint64 manifests, guint64 blobs, GError **error)
{
  g_autofree char *path = g_build_filename (directory, "repoint.db", NULL);
  g_autoptr (RpDb) nowhere = rp_db_open (":memory:", error); /* what the ledger itself never writes to */
  Set set = { 0 };
  gboolean ok;

  if (nowhere == NULL || !rp_dir_make (directory, 0700, error)
      || !rp_paths_open (&set.paths, directory, error))
    return FALSE;
  set.ledger = rp_ledger_open (nowhere, projectors, error);
  ok = set.ledger != NULL && make_prefixes (&set.paths, error) && make_tables (path, error)
       && fill (&set, path, manifests, blobs, error);
  rp_ledger_close (set.ledger);
  rp_paths_clear (&set.paths);
  return ok;
}

static void
print_format (void)
{
  g_autoptr (GString) all = g_string_new (NULL);
  char text[RP_DIGEST_STRING_SIZE];

  for (gsize i = 0; projectors[i] != NULL; i++)
    g_string_append (all, projectors[i]->schema);
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, all->str, all->len);
  puts (rp_digest_format (&digest, text));
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  guint64 manifests, blobs;

  if (argc == 2 && g_str_equal (argv[1], "format"))
    {
      print_format ();
      return 0;
    }
  if (argc != 4 || !g_ascii_string_to_unsigned (argv[2], 10, 1, COUNT_MAX, &manifests, NULL)
      || !g_ascii_string_to_unsigned (argv[3], 10, 0, COUNT_MAX, &blobs, NULL))
    {
      fputs ("usage: dataset DIRECTORY MANIFESTS BLOBS\n       dataset format\n", stderr);
      return 2;
    }
  if (make (argv[1], manifests, blobs, &error))
    return 0;
  fprintf (stderr, "dataset: %s\n", error->message);
  return 1;
}
