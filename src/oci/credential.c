#include "oci/credential.h"

#include <string.h>

#include <gio/gio.h>

#include "base/error.h"
#include "base/json.h"

#define DOCKER_HUB_KEY "https://index.docker.io/v1/" /* how Docker's files name docker.io */
#define NOT_FOUND_TEXT "credentials not found"       /* docker-credential-helpers, credentials/error.go */
#define TOKEN_USER "<token>"                         /* the secret is an identity token then */

void
rp_credential_clear (RpCredential *credential)
{
  g_clear_pointer (&credential->user, g_free);
  g_clear_pointer (&credential->secret, g_free);
  g_clear_pointer (&credential->source, g_free);
}

static void
set (RpCredential *out, const char *user, const char *secret, const char *source)
{
  gboolean is_token = user == NULL || *user == '\0' || g_str_equal (user, TOKEN_USER);
  rp_credential_clear (out);
  out->user = is_token ? NULL : g_strdup (user);
  out->secret = g_strdup (secret);
  out->source = g_strdup (source);
}

/* ---- helpers ---- */

static gboolean
is_helper_name (const char *name)
{
  gboolean sane = *name != '\0' && strlen (name) <= 64;
  for (const char *p = name; sane && *p != '\0'; p++)
    sane = g_ascii_isalnum (*p) || strchr ("-_.", *p) != NULL;
  return sane;
}

static gboolean
read_answer (const char *text, const char *program, RpCredential *out, GError **error)
{
  const char *user, *secret;
  g_autoptr (json_t) answer = rp_json_parse (text, strlen (text), program, error);
  if (answer == NULL || !rp_json_need_string (answer, "Username", program, &user, error)
      || !rp_json_need_string (answer, "Secret", program, &secret, error))
    return FALSE;
  if (*secret != '\0')
    set (out, user, secret, program);
  return TRUE;
}

static gboolean
ask_helper (const char *name, const char *server, RpCredential *out, GError **error)
{
  g_autofree char *program = g_strconcat ("docker-credential-", name, NULL);
  g_autofree char *answer = NULL;
  if (!is_helper_name (name))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "\"%.80s\" is no name of a credential helper",
                   name);
      return FALSE;
    }
  g_autoptr (GSubprocess) child
      = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, error,
                          program, "get", NULL);
  if (child == NULL)
    {
      g_prefix_error (error, "credential helper %s does not start: ", program);
      return FALSE;
    }
  if (!g_subprocess_communicate_utf8 (child, server, NULL, &answer, NULL, error))
    {
      g_prefix_error (error, "credential helper %s: ", program);
      return FALSE;
    }
  if (g_subprocess_get_successful (child))
    return read_answer (answer, program, out, error);
  if (answer != NULL && strstr (answer, NOT_FOUND_TEXT) != NULL)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_FAILED,
               "credential helper %s failed for %s: %.200s; log in again, or take it out of the"
               " configuration",
               program, server, answer != NULL ? g_strchomp (answer) : "");
  return FALSE;
}

/* ---- files ---- */

static gboolean
take_entry (const json_t *entry, const char *where, RpCredential *out, GError **error)
{
  const char *identity = rp_json_str (entry, "identitytoken");
  const char *packed = rp_json_str (entry, "auth");
  if (identity != NULL && *identity != '\0')
    {
      set (out, NULL, identity, where);
      return TRUE;
    }
  if (packed == NULL || *packed == '\0') /* Docker leaves an empty one where a helper has it */
    return TRUE;
  gsize size = 0;
  g_autofree guchar *raw = g_base64_decode (packed, &size);
  g_autofree char *text = g_strndup ((const char *) raw, size);
  char *colon = strchr (text, ':');
  if (colon == NULL || colon == text)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "%s: an \"auth\" is not the base64 of user:password; log in again", where);
      return FALSE;
    }
  *colon = '\0';
  set (out, text, colon + 1, where);
  return TRUE;
}

/* `https://host/v1/` → `host`: old files have addresses as keys. */
static char *
host_of_key (const char *key)
{
  const char *start = strstr (key, "://");
  start = start != NULL ? start + 3 : key;
  return start == key ? g_strdup (key) : g_strndup (start, strcspn (start, "/"));
}

/* The entry of the longest key that is the registry or a beginning of its repository. */
static const json_t *
find_entry (json_t *auths, const char *registry, const char *repository)
{
  const char *key;
  json_t *entry;
  g_autofree char *name = g_strconcat (registry, "/", repository, NULL);
  while (json_is_object (auths))
    {
      if ((entry = json_object_get (auths, name)) != NULL)
        return entry;
      char *slash = strrchr (name, '/');
      if (slash == NULL)
        break;
      *slash = '\0';
    }
  if (g_str_equal (registry, "docker.io")
      && (entry = json_object_get (auths, DOCKER_HUB_KEY)) != NULL)
    return entry;
  json_object_foreach (auths, key, entry)
  {
    g_autofree char *host = host_of_key (key);
    if (g_str_equal (host, registry))
      return entry;
  }
  return NULL;
}

gboolean
rp_credential_read (const void *data, gsize size, const char *where, const char *registry,
                    const char *repository, RpCredential *out, GError **error)
{
  g_autoptr (json_t) file = rp_json_parse (data, size, where, error);
  if (file == NULL)
    return FALSE;
  const char *server = g_str_equal (registry, "docker.io") ? DOCKER_HUB_KEY : registry;
  const json_t *helpers = json_object_get (file, "credHelpers");
  const char *helper = rp_json_str (helpers, server);
  if (helper == NULL)
    helper = rp_json_str (helpers, registry);
  if (helper != NULL && *helper != '\0')
    return ask_helper (helper, server, out, error);
  const json_t *entry = find_entry (json_object_get (file, "auths"), registry, repository);
  if (entry != NULL && !take_entry (entry, where, out, error))
    return FALSE;
  helper = rp_json_str (file, "credsStore");
  return out->secret != NULL || helper == NULL || *helper == '\0'
         || ask_helper (helper, server, out, error);
}

static gboolean
look_in (const char *path, const char *registry, const char *repository, RpCredential *out,
         GError **error)
{
  gsize size;
  g_autofree char *text = NULL;
  g_autoptr (GError) failure = NULL;
  if (g_file_get_contents (path, &text, &size, &failure))
    return rp_credential_read (text, size, path, registry, repository, out, error);
  if (g_error_matches (failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)
      || g_error_matches (failure, G_FILE_ERROR, G_FILE_ERROR_NOTDIR))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

static GPtrArray *
files (void)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  const char *named = g_getenv ("REGISTRY_AUTH_FILE");
  const char *run = g_getenv ("XDG_RUNTIME_DIR");
  const char *docker = g_getenv ("DOCKER_CONFIG");
  if (named != NULL && *named != '\0')
    { /* the only one, as with Podman */
      g_ptr_array_add (paths, g_strdup (named));
      return paths;
    }
  if (run != NULL && *run != '\0')
    g_ptr_array_add (paths, g_build_filename (run, "containers", "auth.json", NULL));
  g_ptr_array_add (paths,
                   g_build_filename (g_get_user_config_dir (), "containers", "auth.json", NULL));
  g_ptr_array_add (paths, docker != NULL && *docker != '\0'
                              ? g_build_filename (docker, "config.json", NULL)
                              : g_build_filename (g_get_home_dir (), ".docker", "config.json",
                                                  NULL));
  return paths;
}

gboolean
rp_credential_find (const char *registry, const char *repository, RpCredential *out, GError **error)
{
  g_autoptr (GPtrArray) paths = files ();
  g_auto (RpCredential) found = { 0 };
  for (guint i = 0; i < paths->len && found.secret == NULL; i++)
    if (!look_in (paths->pdata[i], registry, repository, &found, error))
      return FALSE;
  *out = found;
  found = (RpCredential){ 0 };
  return TRUE;
}

gboolean
rp_credential_find_in (const char *path, const char *registry, const char *repository,
                       RpCredential *out, GError **error)
{
  gsize size;
  g_autofree char *text = NULL;
  g_auto (RpCredential) found = { 0 };
  if (!g_file_get_contents (path, &text, &size, error)
      || !rp_credential_read (text, size, path, registry, repository, &found, error))
    return FALSE;
  *out = found;
  found = (RpCredential){ 0 };
  return TRUE;
}
