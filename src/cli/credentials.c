#include "cli/credentials.h"

#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

#define FILE_MAX (1024 * 1024)

static char *
file_path (void)
{
  return g_build_filename (g_get_user_config_dir (), "repoint", "credentials.json", NULL);
}

static gboolean
check_private (const char *path, const struct stat *info, GError **error)
{
  if ((info->st_mode & 077) == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DENIED,
               "%s holds tokens and others can read or write it: chmod 600 it, and revoke the tokens "
               "if somebody may have",
               path);
  return FALSE;
}

/* An empty document if there is no file, or none that can be reached: most servers of most people need
 * none. */
static json_t *
read_file (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  struct stat info;
  json_t *json;
  gsize size;
  const void *data;

  if (stat (path, &info) != 0)
    return json_pack ("{s:{}}", "servers");
  if (!check_private (path, &info, error))
    return NULL;
  bytes = rp_file_read (path, FILE_MAX, error);
  if (bytes == NULL)
    return NULL;
  data = g_bytes_get_data (bytes, &size);
  json = rp_json_parse (data, size, path, error);
  if (json != NULL && !json_is_object (json_object_get (json, "servers")))
    {
      g_clear_pointer (&json, json_decref);
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "%s: expected an object with \"servers\"; remove the file and log in again", path);
    }
  return json;
}

gboolean
rp_credentials_load (const char *server, char **out_token, GError **error)
{
  g_autofree char *path = file_path ();
  g_autoptr (json_t) json = read_file (path, error);

  if (json == NULL)
    return FALSE;
  *out_token = g_strdup (
      rp_json_str (json_object_get (json_object_get (json, "servers"), server), "token"));
  return TRUE;
}

gboolean
rp_credentials_store (const char *server, const char *account, const char *token, GError **error)
{
  g_autofree char *path = file_path ();
  g_autofree char *directory = g_path_get_dirname (path);
  g_autofree char *text = NULL;
  g_autoptr (json_t) json = read_file (path, error);
  json_t *servers;

  if (json == NULL || !rp_dir_make (directory, 0700, error))
    return FALSE;
  servers = json_object_get (json, "servers");
  if (token == NULL)
    json_object_del (servers, server);
  else
    json_object_set_new (servers, server,
                         json_pack ("{s:s, s:s}", "account", account, "token", token));
  text = rp_json_print (json);
  return rp_file_replace (path, text, strlen (text), 0600, error);
}
