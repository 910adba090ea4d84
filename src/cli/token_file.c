#include "cli/token_file.h"

#include <stdio.h>
#include <string.h>

#include "access/jwt.h"
#include "base/error.h"
#include "base/file.h"

#define FILE_MAX (RP_JWT_MAX + 16) /* bytes; with white space around it */

static char *
read_input (void)
{
  g_autofree char *text = g_malloc0 (FILE_MAX + 1);
  gsize size = fread (text, 1, FILE_MAX, stdin);

  text[size] = '\0';
  return g_steal_pointer (&text);
}

static char *
read_file (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = rp_file_read (path, FILE_MAX, error);
  const char *data;
  gsize size;

  if (bytes == NULL)
    return NULL;
  data = g_bytes_get_data (bytes, &size);
  return g_strndup (data != NULL ? data : "", size);
}

char *
rp_token_file_read (const char *path, GError **error)
{
  g_autofree char *text = strcmp (path, "-") == 0 ? read_input () : read_file (path, error);

  if (text == NULL)
    return NULL;
  g_strstrip (text);
  if (rp_jwt_looks_like (text))
    return g_steal_pointer (&text);
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "%s: expected one identity token, three parts with dots between, as the platform gives it",
               strcmp (path, "-") == 0 ? "standard input" : path);
  return NULL;
}
