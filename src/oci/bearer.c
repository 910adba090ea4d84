#include "oci/bearer.h"

#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define TOKEN_LIMIT_BYTES 4096

struct RpBearer {
  char *file;
  GMutex lock; /* over what follows */
  char *secret;
  struct stat seen; /* the file at the last look; zero: it was not there */
};

static struct stat
look_at (const char *file)
{
  struct stat info;

  return stat (file, &info) == 0 ? info : (struct stat){ 0 };
}

/* A new file has another inode, and one that was written to another time of change. */
static gboolean
is_same (const struct stat *a, const struct stat *b)
{
  return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size
         && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void
warn_if_open (const RpBearer *bearer)
{
  if ((bearer->seen.st_mode & 077) != 0)
    rp_log_warning ("token", "%s holds a token and others on this host can read it: chmod 600 it",
                    bearer->file);
}

static char *
read_secret (const char *file, GError **error)
{
  g_autoptr (GBytes) bytes = rp_file_read (file, TOKEN_LIMIT_BYTES, error);
  g_autofree char *secret = NULL;
  gconstpointer data;
  gsize size;

  if (bytes == NULL)
    return NULL;
  data = g_bytes_get_data (bytes, &size);
  secret = g_strstrip (g_strndup (size > 0 ? data : "", size));
  for (const char *at = secret; *at != '\0'; at++)
    if (!g_ascii_isgraph (*at))
      *secret = '\0';
  if (*secret != '\0')
    return g_steal_pointer (&secret);
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "%s: expected one token, as `repoint token create` prints it", file);
  return NULL;
}

RpBearer *
rp_bearer_open (const char *file, GError **error)
{
  struct stat seen = look_at (file);
  g_autofree char *secret = read_secret (file, error);
  RpBearer *bearer;

  if (secret == NULL)
    return NULL;
  bearer = g_new0 (RpBearer, 1);
  g_mutex_init (&bearer->lock);
  bearer->file = g_strdup (file);
  bearer->secret = g_steal_pointer (&secret);
  bearer->seen = seen;
  warn_if_open (bearer);
  return bearer;
}

void
rp_bearer_free (RpBearer *bearer)
{
  if (bearer == NULL)
    return;
  g_mutex_clear (&bearer->lock);
  g_free (bearer->secret);
  g_free (bearer->file);
  g_free (bearer);
}

/* With the lock held. */
static void
read_again (RpBearer *bearer)
{
  g_autoptr (GError) error = NULL;
  struct stat seen = look_at (bearer->file);
  g_autofree char *secret = NULL;

  if (is_same (&seen, &bearer->seen))
    return;
  /* Looked at before it is read: what is written meanwhile is another one at the next look. */
  bearer->seen = seen;
  secret = read_secret (bearer->file, &error);
  if (secret == NULL)
    {
      rp_log_warning ("token", "%s; going on with the token that was there", error->message);
      return;
    }
  warn_if_open (bearer);
  if (g_str_equal (secret, bearer->secret))
    return;
  rp_log_info ("token", "there is a new token in %s; it is used from now on", bearer->file);
  g_free (bearer->secret);
  bearer->secret = g_steal_pointer (&secret);
}

char *
rp_bearer_secret (RpBearer *bearer)
{
  char *secret;

  if (bearer == NULL)
    return NULL;
  g_mutex_lock (&bearer->lock);
  read_again (bearer);
  secret = g_strdup (bearer->secret);
  g_mutex_unlock (&bearer->lock);
  return secret;
}

char *
rp_bearer_header (RpBearer *bearer)
{
  g_autofree char *secret = rp_bearer_secret (bearer);

  return secret != NULL ? g_strconcat ("Authorization: Bearer ", secret, NULL) : NULL;
}
