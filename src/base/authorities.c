#include "base/authorities.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/error.h"
#include "base/file.h"

#define FILE_LIMIT (4 * 1024 * 1024) /* bytes; a whole system's authorities are a quarter of a MiB */

/* How many there are, and how many of these count today. */
static guint
read_certificates (GBytes *bytes, guint *out_good)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);
  BIO *bio = BIO_new_mem_buf (data != NULL ? data : "", (int) size);
  X509 *certificate;
  guint count = 0;

  *out_good = 0;
  while ((certificate = PEM_read_bio_X509 (bio, NULL, NULL, NULL)) != NULL)
    {
      count++;
      *out_good += X509_cmp_current_time (X509_get0_notAfter (certificate)) > 0;
      X509_free (certificate);
    }
  ERR_clear_error ();
  BIO_free (bio);
  return count;
}

gboolean
rp_authorities_probe (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = rp_file_read (path, FILE_LIMIT, error);
  guint count, good;

  if (bytes == NULL)
    return FALSE;
  count = read_certificates (bytes, &good);
  if (count == 0)
    g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                 "%s: expected certificates of authorities in PEM (-----BEGIN CERTIFICATE-----), found none", path);
  else if (good == 0)
    g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                 "%s: what it has (%u) has expired: put the authority's new certificate there", path, count);
  return good > 0;
}
