#include "server/tls.h"

#include <gnutls/x509.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define CHAIN_MAX 16
#define FILE_LIMIT (1024 * 1024) /* bytes */

typedef struct {
  gnutls_pcert_st chain[CHAIN_MAX];
  unsigned int chain_size;
  gnutls_privkey_t key;
  gint64 expires_us;
} Pair;

/* What tells one state of a file from another, also behind a symbolic link that was moved. */
typedef struct {
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec modified;
} Stamp;

struct RpTls {
  char *cert_path, *key_path;
  GMutex reloading;
  Stamp cert_stamp, key_stamp; /* under reloading: of the last attempt */
  /* A handshake may be using the key of a pair that was replaced, and nobody says when it is over.  Pairs are
   * small and change every few weeks: they are kept. */
  GPtrArray *pairs; /* under reloading: Pair, the newest last */
};

static GMutex current_lock;
static RpTls *current;       /* under current_lock */
static Pair *current_pair;   /* under current_lock */

static void
free_pair (gpointer data)
{
  Pair *pair = data;

  for (unsigned int i = 0; i < pair->chain_size; i++)
    gnutls_pcert_deinit (&pair->chain[i]);
  if (pair->key != NULL)
    gnutls_privkey_deinit (pair->key);
  g_free (pair);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Pair, free_pair)

/* ---- reading ---- */

static gboolean
refuse (GError **error, const char *path, const char *what, int status)
{
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s: %s: %s", path, what,
               gnutls_strerror (status));
  return FALSE;
}

static gnutls_datum_t
datum_of (GBytes *bytes)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);

  return (gnutls_datum_t){ (unsigned char *) data, (unsigned int) size };
}

/* GnuTLS's own check that the key is the certificate's. */
static gboolean
check_pair (const RpTls *tls, const gnutls_datum_t *cert, const gnutls_datum_t *key, GError **error)
{
  gnutls_certificate_credentials_t credentials = NULL;
  int status = gnutls_certificate_allocate_credentials (&credentials);

  if (status >= 0)
    {
      status = gnutls_certificate_set_x509_key_mem2 (credentials, cert, key, GNUTLS_X509_FMT_PEM,
                                                     NULL, 0);
      gnutls_certificate_free_credentials (credentials);
    }
  if (status >= 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "%s and %s cannot be used: %s; expected a certificate in PEM, with those between it and the "
               "root behind it, and its key in PEM without a passphrase",
               tls->cert_path, tls->key_path, gnutls_strerror (status));
  return FALSE;
}

static gboolean
import_key (Pair *pair, const char *path, const gnutls_datum_t *key, GError **error)
{
  int status = gnutls_privkey_init (&pair->key);

  if (status >= 0)
    status = gnutls_privkey_import_x509_raw (pair->key, key, GNUTLS_X509_FMT_PEM, NULL, 0);
  return status >= 0 || refuse (error, path, "the key cannot be read", status);
}

static gboolean
import_chain (Pair *pair, const char *path, const gnutls_datum_t *cert, GError **error)
{
  unsigned int size = CHAIN_MAX;
  gnutls_x509_crt_t first = NULL;
  int status = gnutls_pcert_list_import_x509_raw (pair->chain, &size, cert, GNUTLS_X509_FMT_PEM, 0);

  if (status < 0)
    return refuse (error, path, "the certificates cannot be read", status);
  pair->chain_size = size;
  status = gnutls_pcert_export_x509 (&pair->chain[0], &first);
  if (status < 0)
    return refuse (error, path, "the certificate cannot be read", status);
  pair->expires_us = (gint64) gnutls_x509_crt_get_expiration_time (first) * G_USEC_PER_SEC;
  gnutls_x509_crt_deinit (first);
  return TRUE;
}

static Pair *
read_pair (const RpTls *tls, GError **error)
{
  g_autoptr (Pair) pair = g_new0 (Pair, 1);
  g_autoptr (GBytes) cert = rp_file_read (tls->cert_path, FILE_LIMIT, error);
  g_autoptr (GBytes) key = cert != NULL ? rp_file_read (tls->key_path, FILE_LIMIT, error) : NULL;

  if (key == NULL)
    {
      g_prefix_error (error, "the pair for TLS: ");
      return NULL;
    }
  gnutls_datum_t cert_data = datum_of (cert), key_data = datum_of (key);
  if (!check_pair (tls, &cert_data, &key_data, error)
      || !import_chain (pair, tls->cert_path, &cert_data, error)
      || !import_key (pair, tls->key_path, &key_data, error))
    return NULL;
  return g_steal_pointer (&pair);
}

static Stamp
stamp_of (const char *path)
{
  struct stat info;

  if (stat (path, &info) != 0)
    return (Stamp){ 0 };
  return (Stamp){ info.st_dev, info.st_ino, info.st_size, info.st_mtim };
}

static gboolean
same (const Stamp *a, const Stamp *b)
{
  return a->device == b->device && a->inode == b->inode && a->size == b->size
         && a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

/* ---- showing ---- */

static void
show (RpTls *tls, Pair *pair)
{
  g_autofree char *until = rp_clock_format (pair->expires_us);

  g_ptr_array_add (tls->pairs, pair);
  g_mutex_lock (&current_lock);
  current_pair = pair;
  g_mutex_unlock (&current_lock);
  rp_log_info ("tls", "shows the certificate of %s, good until %s", tls->cert_path, until);
}

/* Under reloading, except while it is being opened. The stamps come first: what changes during the reading is
 * seen as a change later. */
static Pair *
read_now (RpTls *tls, GError **error)
{
  tls->cert_stamp = stamp_of (tls->cert_path);
  tls->key_stamp = stamp_of (tls->key_path);
  return read_pair (tls, error);
}

static gboolean
check_not_over (const RpTls *tls, const Pair *pair, GError **error)
{
  g_autofree char *until = rp_clock_format (pair->expires_us);

  if (pair->expires_us > rp_clock_now_us ())
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s: the certificate was good until %s only",
               tls->cert_path, until);
  return FALSE;
}

gboolean
rp_tls_probe (const char *cert_path, const char *key_path, GError **error)
{
  const RpTls tls = { .cert_path = (char *) cert_path, .key_path = (char *) key_path };
  g_autoptr (Pair) pair = read_pair (&tls, error);

  return pair != NULL && check_not_over (&tls, pair, error);
}

static gboolean
reload (RpTls *tls, GError **error)
{
  g_autoptr (Pair) pair = read_now (tls, error);

  if (pair == NULL || !check_not_over (tls, pair, error))
    return FALSE;
  show (tls, g_steal_pointer (&pair));
  return TRUE;
}

gboolean
rp_tls_reload (RpTls *tls, GError **error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&tls->reloading);

  return reload (tls, error);
}

void
rp_tls_tick (RpTls *tls)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&tls->reloading);
  g_autoptr (GError) error = NULL;
  Stamp cert = stamp_of (tls->cert_path), key = stamp_of (tls->key_path);

  if (same (&cert, &tls->cert_stamp) && same (&key, &tls->key_stamp))
    return;
  if (!reload (tls, &error))
    rp_log_error ("tls", "the new pair is refused, the one before goes on: %s", error->message);
}

int
rp_tls_retrieve (gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
                 const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
                 gnutls_pcert_st **out_chain, unsigned int *out_chain_size,
                 gnutls_privkey_t *out_key)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&current_lock);

  if (current_pair == NULL)
    return -1;
  *out_chain = current_pair->chain;
  *out_chain_size = current_pair->chain_size;
  *out_key = current_pair->key;
  return 0;
}

/* ---- opening and closing ---- */

static gboolean
claim (RpTls *tls, GError **error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&current_lock);

  if (current == NULL)
    current = tls;
  else
    g_set_error_literal (error, RP_ERROR, RP_ERROR_BUSY,
                         "this process shows a certificate for another server already");
  return current == tls;
}

RpTls *
rp_tls_open (const char *cert_path, const char *key_path, GError **error)
{
  RpTls *tls = g_new0 (RpTls, 1);
  Pair *pair = NULL;

  tls->cert_path = g_strdup (cert_path);
  tls->key_path = g_strdup (key_path);
  tls->pairs = g_ptr_array_new_with_free_func (free_pair);
  g_mutex_init (&tls->reloading);
  if (claim (tls, error))
    pair = read_now (tls, error);
  if (pair == NULL)
    {
      rp_tls_close (tls);
      return NULL;
    }
  show (tls, pair);
  if (pair->expires_us <= rp_clock_now_us ())
    rp_log_warning ("tls", "%s has expired: clients will refuse it; a new one is taken up by itself",
                    cert_path);
  return tls;
}

void
rp_tls_close (RpTls *tls)
{
  if (tls == NULL)
    return;
  g_mutex_lock (&current_lock);
  if (current == tls)
    {
      current = NULL;
      current_pair = NULL;
    }
  g_mutex_unlock (&current_lock);
  g_ptr_array_unref (tls->pairs);
  g_mutex_clear (&tls->reloading);
  g_free (tls->cert_path);
  g_free (tls->key_path);
  g_free (tls);
}
