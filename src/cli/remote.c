#include "cli/remote.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "oci/reference.h"

#define PAGE_BYTES_MAX (4 * 1024 * 1024)

gboolean rp_remote_plain_http;

void
rp_remote_clear (RpRemote *remote)
{
  rp_oci_client_free (remote->client);
  g_free (remote->registry);
  g_free (remote->repository);
  g_free (remote->tag);
}

static gboolean
is_loopback (const char *registry)
{
  g_autofree char *host = g_strdup (registry);
  char *port = strrchr (host, ':');
  if (port != NULL && strchr (port, ']') == NULL)
    *port = '\0';
  return g_str_equal (host, "localhost") || g_str_has_prefix (host, "127.")
         || g_str_equal (host, "[::1]");
}

static char *
base_url (RpCli *cli, const RpRemote *remote)
{
  if (remote->is_ours)
    return g_strdup (rp_api_base_url (cli->api));
  gboolean plain = rp_remote_plain_http || is_loopback (remote->registry);
  if (g_str_equal (remote->registry, "docker.io"))
    return g_strdup ("https://registry-1.docker.io");
  return g_strconcat (plain ? "http://" : "https://", remote->registry, NULL);
}

gboolean
rp_remote_open (RpCli *cli, const char *reference, RpRemote *out, GError **error)
{
  g_auto (RpReference) parsed = { 0 };
  g_auto (RpRemote) remote = { 0 };
  if (rp_cli_api (cli, error) == NULL || !rp_reference_parse (reference, &parsed, error))
    return FALSE;
  const char *own = rp_api_registry (cli->api);
  remote.is_ours = parsed.registry == NULL || g_str_equal (parsed.registry, own);
  remote.registry = g_strdup (remote.is_ours ? own : parsed.registry);
  remote.repository = g_str_equal (remote.registry, "docker.io")
                              && strchr (parsed.repository, '/') == NULL
                          ? g_strconcat ("library/", parsed.repository, NULL)
                          : g_steal_pointer (&parsed.repository);
  remote.tag = g_steal_pointer (&parsed.tag);
  remote.has_digest = parsed.has_digest;
  remote.digest = parsed.digest;
  g_autofree char *url = base_url (cli, &remote);
  remote.client = rp_oci_client_new (url, error);
  if (remote.client == NULL)
    return FALSE;
  rp_oci_client_trust (remote.client, cli->ca_file);
  if (remote.is_ours)
    {
      rp_oci_client_set_actor (remote.client, rp_api_actor (cli->api));
      rp_oci_client_set_token (remote.client, rp_api_token (cli->api));
    }
  else
    rp_oci_client_set_login (remote.client, remote.registry);
  *out = remote;
  remote = (RpRemote){ 0 };
  return TRUE;
}

gboolean
rp_remote_open_repository (RpCli *cli, const char *name, RpRemote *out, GError **error)
{
  g_autofree char *reference = g_strconcat (name, ":latest", NULL);
  if (strchr (name, '@') != NULL || !rp_remote_open (cli, reference, out, NULL))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "`%s`: expected a repository without tag or digest, such as shop/web", name);
      return FALSE;
    }
  g_clear_pointer (&out->tag, g_free);
  return TRUE;
}

/* `</v2/_catalog?n=500&last=x>; rel="next"` → the path; NULL at the end. */
static char *
next_page (const RpHttpResponse *response)
{
  const char *link = rp_http_response_header (response, "link");
  const char *path = link != NULL ? strstr (link, "/v2/") : NULL;
  const char *end = path != NULL ? strchr (path, '>') : NULL;
  return end != NULL ? g_strndup (path, (gsize) (end - path)) : NULL;
}

json_t *
rp_remote_list (const RpRemote *remote, const char *path, const char *key, GError **error)
{
  g_autoptr (json_t) all = json_array ();
  g_autofree char *page = g_strconcat (path, "?n=500", NULL);
  while (page != NULL)
    {
      json_t *names;
      g_autoptr (RpHttpResponse) response
          = rp_oci_client_get (remote->client, page, PAGE_BYTES_MAX, error);
      g_autoptr (json_t) answer
          = response == NULL
                ? NULL
                : rp_json_parse (response->body->data, response->body->len, path, error);
      if (answer == NULL)
        return NULL;
      names = json_object_get (answer, key);
      if (json_array_extend (all, names) != 0 && !json_is_null (names))
        {
          g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s%s: the answer has no list \"%s\"",
                       remote->registry, path, key);
          return NULL;
        }
      g_free (page);
      page = json_array_size (names) > 0 ? next_page (response) : NULL;
    }
  return g_steal_pointer (&all);
}

GBytes *
rp_remote_blob (const RpRemote *remote, const RpDigest *digest, gsize limit_bytes, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autofree char *path
      = g_strconcat ("/v2/", remote->repository, "/blobs/", rp_digest_format (digest, text), NULL);
  g_autoptr (RpHttpResponse) response
      = rp_oci_client_get (remote->client, path, limit_bytes, error);
  if (response == NULL)
    return NULL;
  RpDigest found = rp_digest_of (digest->algorithm, response->body->data, response->body->len);
  if (rp_digest_equal (&found, digest))
    return g_bytes_new (response->body->data, response->body->len);
  g_set_error (error, RP_ERROR, RP_ERROR_DIGEST_MISMATCH, "%s%s: the registry sent other bytes",
               remote->registry, path);
  return NULL;
}

gboolean
rp_remote_resolve (RpRemote *remote, GError **error)
{
  if (remote->has_digest)
    return TRUE;
  remote->has_digest = rp_oci_client_resolve (remote->client, remote->repository, remote->tag,
                                              &remote->digest, error);
  return remote->has_digest;
}

char *
rp_remote_name (const RpRemote *remote)
{
  char digest[RP_DIGEST_STRING_SIZE];
  if (remote->tag != NULL)
    return g_strconcat (remote->registry, "/", remote->repository, ":", remote->tag, NULL);
  return g_strconcat (remote->registry, "/", remote->repository, "@",
                      rp_digest_format (&remote->digest, digest), NULL);
}

GBytes *
rp_remote_load (const RpDigest *digest, const char *media_type, gpointer user_data, GError **error)
{
  const RpRemote *remote = user_data;
  (void) media_type;
  return rp_oci_client_manifest (remote->client, remote->repository, digest, error);
}

gboolean
rp_scratch_open (RpScratch *scratch, const char *parent, GError **error)
{
  char *template = g_build_filename (parent != NULL ? parent : g_get_tmp_dir (),
                                     ".repoint-XXXXXX", NULL);
  *scratch = (RpScratch){ 0 };
  if (g_mkdtemp (template) == NULL)
    {
      int err = errno;
      rp_error_set_errno (error, err, "making a directory for what comes in, %s", template);
      g_free (template);
      return FALSE;
    }
  scratch->directory = template;
  scratch->store = rp_store_open (template, error);
  return scratch->store != NULL;
}

void
rp_scratch_clear (RpScratch *scratch)
{
  g_autoptr (GError) error = NULL;
  g_clear_pointer (&scratch->store, rp_store_close);
  if (scratch->directory != NULL && !rp_dir_remove (scratch->directory, &error))
    fprintf (stderr, "warning: %s stays behind: %s\n", scratch->directory, error->message);
  g_clear_pointer (&scratch->directory, g_free);
}
