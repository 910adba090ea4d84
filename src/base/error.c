#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

typedef struct {
  const char *name;
  int http_status;
  const char *oci_code;
  int exit_status;
} ErrorRow;

static const ErrorRow rows[RP_ERROR_N_CODES] = {
#define X(code, name, http, oci, exit_status)                                                      \
  [RP_ERROR_##code] = { name, http, oci, RP_EXIT_##exit_status },
  RP_ERROR_TABLE (X)
#undef X
};

/* Not G_DEFINE_QUARK: threads that fail first at once would race for its variable. */
GQuark
rp_error_quark (void)
{
  static gsize quark;

  if (g_once_init_enter (&quark))
    g_once_init_leave (&quark, g_quark_from_static_string ("rp-error-quark"));
  return (GQuark) quark;
}

static const ErrorRow *
row_of (const GError *error)
{
  if (error == NULL || error->domain != RP_ERROR || error->code < 0
      || error->code >= RP_ERROR_N_CODES)
    return &rows[RP_ERROR_FAILED];
  return &rows[error->code];
}

const char *
rp_error_name (const GError *error)
{
  return row_of (error)->name;
}

int
rp_error_http_status (const GError *error)
{
  return row_of (error)->http_status;
}

const char *
rp_error_oci_code (const GError *error)
{
  return row_of (error)->oci_code;
}

int
rp_error_exit_status (const GError *error)
{
  return row_of (error)->exit_status;
}

RpErrorCode
rp_error_from_name (const char *name)
{
  for (int code = 0; name != NULL && code < RP_ERROR_N_CODES; code++)
    if (strcmp (rows[code].name, name) == 0)
      return (RpErrorCode)code;
  return RP_ERROR_FAILED;
}

/* EFBIG is what a file size limit (ulimit, quota) answers. */
static RpErrorCode
code_of_errno (int err)
{
  return err == ENOSPC || err == EDQUOT || err == EFBIG ? RP_ERROR_NO_SPACE : RP_ERROR_FAILED;
}

gboolean
rp_error_set_errno (GError **error, int err, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, RP_ERROR, code_of_errno (err), "%s: %s", text, g_strerror (err));
  return FALSE;
}
