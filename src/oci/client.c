#include "oci/client_priv.h"

#include "base/error.h"
#include "oci/fetch.h"
#include "oci/platform.h"
#include "oci/reference.h"

#include <string.h>

#define MANIFEST_TIMEOUT_MS 30000

/* What one pull knows. */
typedef struct {
  RpOciClient *client;
  const char *repository;
  RpStore *store;
  RpRetry retry;
  GPtrArray *fetched; /* Fetched, in the order they came: each parent before its children */
  RpProgress progress;
  gpointer progress_data;
  guint64 done_bytes, total_bytes;
} Pull;

typedef struct {
  RpDigest digest;
  GBytes *bytes;
} Fetched;

static const char accept_manifests[]
    = "Accept: " RP_MEDIA_OCI_MANIFEST ", " RP_MEDIA_OCI_INDEX ", " RP_MEDIA_DOCKER_MANIFEST
      ", " RP_MEDIA_DOCKER_LIST;

RpOciClient *
rp_oci_client_new (const char *base_url, GError **error)
{
  if (!g_str_has_prefix (base_url, "http://") && !g_str_has_prefix (base_url, "https://"))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "registry address \"%s\" does not start with http:// or https://", base_url);
      return NULL;
    }
  RpOciClient *client = g_new0 (RpOciClient, 1);
  const RpHttpOptions options = { 0 };
  client->http = rp_http_client_new (&options);
  client->auth = rp_auth_new (client->http);
  client->base_url = g_strdup (base_url);
  while (g_str_has_suffix (client->base_url, "/"))
    client->base_url[strlen (client->base_url) - 1] = '\0';
  client->first_delay_ms = RP_RETRY_FIRST_DELAY_MS;
  g_mutex_init (&client->lock);
  client->left = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, g_free);
  return client;
}

void
rp_oci_client_free (RpOciClient *client)
{
  if (!client)
    return;
  rp_auth_free (client->auth);
  rp_http_client_free (client->http);
  g_free (client->base_url);
  g_free (client->actor_header);
  g_mutex_clear (&client->lock);
  g_hash_table_unref (client->left);
  g_free (client);
}

void
rp_oci_client_trust (RpOciClient *client, const char *ca_file)
{
  rp_http_client_trust (client->http, ca_file);
}

void
rp_oci_client_set_actor (RpOciClient *client, const char *actor)
{
  g_free (client->actor_header);
  client->actor_header = actor ? g_strconcat ("X-Repoint-Actor: ", actor, NULL) : NULL;
}

void
rp_oci_client_set_token (RpOciClient *client, const char *token)
{
  rp_auth_set_token (client->auth, token);
}

void
rp_oci_client_set_bearer (RpOciClient *client, RpBearer *bearer)
{
  rp_auth_set_bearer (client->auth, bearer);
}

void
rp_oci_client_set_login (RpOciClient *client, const char *registry)
{
  rp_auth_set_login (client->auth, registry);
}

void
rp_oci_client_set_retry (RpOciClient *client, gint64 first_delay_ms)
{
  client->first_delay_ms = first_delay_ms;
}

RpRetry
rp_oci_client_retry (const RpOciClient *client, const gint *cancelled)
{
  return (RpRetry){ .first_delay_ms = client->first_delay_ms,
                    .in_a_row_max = RP_RETRY_IN_A_ROW_MAX,
                    .total_max = RP_RETRY_TOTAL_MAX,
                    .cancelled = cancelled };
}

/* ---- manifests ---- */

/* A complete reply of any status that does not mean "later". */
static RpHttpResponse *
send_patiently (RpOciClient *client, const char *method, const char *url, const char *repository,
                gsize limit_bytes, RpRetry *retry, GError **error)
{
  const char *const headers[] = { accept_manifests, NULL };
  const RpHttpRequest request = { .method = method,
                                  .url = url,
                                  .headers = headers,
                                  .limit_bytes = limit_bytes,
                                  .timeout_ms = MANIFEST_TIMEOUT_MS,
                                  .cancelled = retry->cancelled };
  for (;;)
    {
      g_autoptr (GError) failure = NULL;
      g_autoptr (RpHttpResponse) response
          = rp_auth_send (client->auth, &request, repository, FALSE, &failure);
      if (rp_retry_is_worth (response, failure) && rp_retry_wait (retry, response))
        continue;
      if (!response)
        g_propagate_error (error, g_steal_pointer (&failure));
      else
        rp_retry_progress (retry);
      return g_steal_pointer (&response);
    }
}

static char *
manifest_url (const RpOciClient *client, const char *repository, const char *reference)
{
  return g_strdup_printf ("%s/v2/%s/manifests/%s", client->base_url, repository, reference);
}

static gboolean
check_manifest_reply (const RpHttpResponse *response, const char *url, GError **error)
{
  if (response->status == 404)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN,
                   "%s: the registry has no such manifest", url);
      return FALSE;
    }
  if (!rp_http_response_check (response, url, error))
    return FALSE;
  if (response->status == 200)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE, "%s: unexpected status %d", url,
               response->status);
  return FALSE;
}

static GBytes *
get_manifest (RpOciClient *client, const char *repository, const char *reference, RpRetry *retry,
              GError **error)
{
  g_autofree char *url = manifest_url (client, repository, reference);
  g_autoptr (RpHttpResponse) response = send_patiently (client, "GET", url, repository, RP_MANIFEST_LIMIT, retry, error);
  if (!response || !check_manifest_reply (response, url, error))
    return NULL;
  return g_bytes_new (response->body->data, response->body->len);
}

static gboolean
resolve_by_get (RpOciClient *client, const char *repository, const char *tag, RpRetry *retry,
                RpDigest *out, GError **error)
{
  gsize size;
  g_autoptr (GBytes) bytes = get_manifest (client, repository, tag, retry, error);
  if (!bytes)
    return FALSE;
  const void *data = g_bytes_get_data (bytes, &size);
  *out = rp_digest_of (RP_DIGEST_SHA256, data, size);
  return TRUE;
}

gboolean
rp_oci_client_resolve (RpOciClient *client, const char *repository, const char *tag, RpDigest *out,
                       GError **error)
{
  RpRetry retry = rp_oci_client_retry (client, NULL);
  if (!rp_repository_check (repository, error) || !rp_tag_check (tag, error))
    return FALSE;
  g_autofree char *url = manifest_url (client, repository, tag);
  g_autoptr (RpHttpResponse) response = send_patiently (client, "HEAD", url, repository, RP_MANIFEST_LIMIT, &retry, error);
  if (!response || !check_manifest_reply (response, url, error))
    return FALSE;
  const char *text = rp_http_response_header (response, "docker-content-digest");
  if (!text) /* old registries */
    return resolve_by_get (client, repository, tag, &retry, out, error);
  if (rp_digest_parse (text, out, error))
    return TRUE;
  g_prefix_error (error, "%s: Docker-Content-Digest: ", url);
  return FALSE;
}

static void
fetched_free (gpointer data)
{
  Fetched *fetched = data;
  g_bytes_unref (fetched->bytes);
  g_free (fetched);
}

static GBytes *
find_fetched (const Pull *pull, const RpDigest *digest)
{
  for (guint i = 0; i < pull->fetched->len; i++)
    {
      const Fetched *fetched = g_ptr_array_index (pull->fetched, i);
      if (rp_digest_equal (&fetched->digest, digest))
        return g_bytes_ref (fetched->bytes);
    }
  return NULL;
}

static gboolean
check_manifest_bytes (const RpDigest *digest, GBytes *bytes, GError **error)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);
  RpDigest found = rp_digest_of (digest->algorithm, data, size);
  if (rp_digest_equal (&found, digest))
    return TRUE;
  char expected_text[RP_DIGEST_STRING_SIZE], found_text[RP_DIGEST_STRING_SIZE];
  g_set_error (error, RP_ERROR, RP_ERROR_DIGEST_MISMATCH,
               "the registry sent another manifest than was asked for: %s instead of %s",
               rp_digest_format (&found, found_text), rp_digest_format (digest, expected_text));
  return FALSE;
}

/* RpManifestLoader: what came in this pull, then the store, then the registry. Fetched manifests
 * are not stored before all that they name is. */
static GBytes *
load_manifest (const RpDigest *digest, const char *media_type, gpointer user_data, GError **error)
{
  Pull *pull = user_data;
  GBytes *known = find_fetched (pull, digest);
  if (known)
    return known;
  g_autoptr (GBytes) local = rp_store_read (pull->store, digest, RP_MANIFEST_LIMIT, NULL);
  if (local)
    return g_steal_pointer (&local);
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (GBytes) bytes = get_manifest (pull->client, pull->repository,
                                           rp_digest_format (digest, text), &pull->retry, error);
  if (!bytes || !check_manifest_bytes (digest, bytes, error))
    return NULL;
  Fetched *fetched = g_new0 (Fetched, 1);
  fetched->digest = *digest;
  fetched->bytes = g_bytes_ref (bytes);
  g_ptr_array_add (pull->fetched, fetched);
  return g_steal_pointer (&bytes);
}

GBytes *
rp_oci_client_manifest (RpOciClient *client, const char *repository, const RpDigest *digest,
                        GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  RpRetry retry = rp_oci_client_retry (client, NULL);
  if (!rp_repository_check (repository, error))
    return NULL;
  g_autoptr (GBytes) bytes
      = get_manifest (client, repository, rp_digest_format (digest, text), &retry, error);
  if (!bytes || !check_manifest_bytes (digest, bytes, error))
    return NULL;
  return g_steal_pointer (&bytes);
}

/* `/v2/a/b/tags/list` → `a/b`; NULL if the path is about no repository. */
static char *
repository_of_path (const char *path)
{
  static const char *const kinds[] = { "/tags/list", "/referrers/", "/blobs/", "/manifests/" };
  const char *name = path + strlen ("/v2/");
  const char *end = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (kinds) && end == NULL; i++)
    end = g_strrstr (name, kinds[i]);
  return end == NULL ? NULL : g_strndup (name, (gsize) (end - name));
}

RpHttpResponse *
rp_oci_client_get (RpOciClient *client, const char *path, gsize limit_bytes, GError **error)
{
  RpRetry retry = rp_oci_client_retry (client, NULL);
  g_autofree char *url = g_strconcat (client->base_url, path, NULL);
  g_autofree char *repository = repository_of_path (path);
  g_autoptr (RpHttpResponse) response
      = send_patiently (client, "GET", url, repository, limit_bytes, &retry, error);
  if (!response || !rp_http_response_check (response, url, error))
    return NULL;
  return g_steal_pointer (&response);
}

/* ---- blobs ---- */

static char *
take_left (RpOciClient *client, const RpDigest *digest)
{
  char *id = NULL;
  gpointer key = NULL;
  g_mutex_lock (&client->lock);
  g_hash_table_steal_extended (client->left, digest, &key, (gpointer *)&id);
  g_mutex_unlock (&client->lock);
  g_free (key);
  return id;
}

static void
put_left (RpOciClient *client, const RpDigest *digest, char *id)
{
  if (!id)
    return;
  g_mutex_lock (&client->lock);
  g_hash_table_insert (client->left, rp_digest_copy (digest), id);
  g_mutex_unlock (&client->lock);
}

static void
blob_progress (guint64 done_bytes, guint64 total_bytes, gpointer user_data)
{
  const Pull *pull = user_data;
  if (pull->progress)
    pull->progress (pull->done_bytes + done_bytes, pull->total_bytes, pull->progress_data);
}

static gboolean
fetch_blob (Pull *pull, const RpClosureItem *item, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autofree char *url = g_strdup_printf ("%s/v2/%s/blobs/%s", pull->client->base_url,
                                          pull->repository, rp_digest_format (&item->digest, text));
  g_autofree char *resume_id = take_left (pull->client, &item->digest);
  const RpFetch fetch = { .url = url,
                          .auth = pull->client->auth,
                          .repository = pull->repository,
                          .resume_id = resume_id,
                          .store = pull->store,
                          .digest = item->digest,
                          .size_bytes = item->size_bytes,
                          .retry = &pull->retry,
                          .progress = blob_progress,
                          .progress_data = pull };
  char *left = NULL;
  gboolean ok = rp_fetch_blob (&fetch, &left, error);
  put_left (pull->client, &item->digest, left);
  return ok;
}

static gboolean
cancelled (const Pull *pull, GError **error)
{
  if (!rp_retry_cancelled (&pull->retry))
    return FALSE;
  g_set_error (error, RP_ERROR, RP_ERROR_BUSY, "it was cancelled; what came so far is kept");
  return TRUE;
}

static gboolean
bring_blob (Pull *pull, const RpClosureItem *item, GError **error)
{
  if (cancelled (pull, error))
    return FALSE;
  if (!rp_store_verify (pull->store, &item->digest, NULL) && !fetch_blob (pull, item, error))
    return FALSE;
  blob_progress (item->size_bytes, 0, pull);
  pull->done_bytes += item->size_bytes;
  return TRUE;
}

static gboolean
bring_closure (Pull *pull, const RpClosure *closure, GError **error)
{
  pull->total_bytes = closure->total_bytes;
  for (guint i = 0; i < closure->items->len; i++)
    {
      const RpClosureItem *item = g_ptr_array_index (closure->items, i);
      if (!item->is_manifest)
        {
          if (!bring_blob (pull, item, error))
            return FALSE;
          continue;
        }
      pull->done_bytes += item->size_bytes;
    }
  return TRUE;
}

/* Backwards: each child before its parents, so that a manifest in the store is a complete one. */
static gboolean
store_manifests (Pull *pull, GError **error)
{
  for (guint i = pull->fetched->len; i > 0; i--)
    {
      const Fetched *fetched = g_ptr_array_index (pull->fetched, i - 1);
      gsize size;
      const void *data = g_bytes_get_data (fetched->bytes, &size);
      if (!rp_store_put (pull->store, &fetched->digest, data, size, error))
        return FALSE;
    }
  blob_progress (0, 0, pull);
  return TRUE;
}

static gboolean
pull_all (Pull *pull, const RpDigest *digest, const char *platform, RpDigest *out, GError **error)
{
  RpDigest run = *digest;
  if (platform && !rp_platform_pick (digest, platform, load_manifest, pull, &run, error))
    return FALSE;
  g_autoptr (RpClosure) closure = rp_closure_walk (&run, NULL, load_manifest, pull, error);
  if (!closure || !bring_closure (pull, closure, error) || !store_manifests (pull, error))
    return FALSE;
  *out = run;
  return TRUE;
}

gboolean
rp_oci_client_fetch (RpOciClient *client, const char *repository, const RpDigest *digest,
                     guint64 size_bytes, RpStore *into, GError **error)
{
  Pull pull = { .client = client,
                .repository = repository,
                .store = into,
                .retry = rp_oci_client_retry (client, NULL) };
  const RpClosureItem item = { .digest = *digest, .size_bytes = size_bytes };
  return rp_repository_check (repository, error) && bring_blob (&pull, &item, error);
}

gboolean
rp_oci_client_pull (RpOciClient *client, const char *repository, const RpDigest *digest,
                    const char *platform, RpStore *into, RpProgress progress, gpointer user_data,
                    const gint *cancelled_flag, RpDigest *out_manifest, GError **error)
{
  if (!rp_repository_check (repository, error))
    return FALSE;
  g_autoptr (GPtrArray) fetched = g_ptr_array_new_with_free_func (fetched_free);
  g_autoptr (GError) failure = NULL;
  RpDigest run;
  Pull pull = { .client = client,
                .repository = repository,
                .store = into,
                .retry = rp_oci_client_retry (client, cancelled_flag),
                .fetched = fetched,
                .progress = progress,
                .progress_data = user_data };
  if (pull_all (&pull, digest, platform, &run, &failure))
    {
      *out_manifest = run;
      return TRUE;
    }
  /* However the transfer ended, "cancelled" is then the reason. */
  if (rp_retry_cancelled (&pull.retry))
    {
      g_clear_error (&failure);
      (void)!cancelled (&pull, &failure);
    }
  char text[RP_DIGEST_STRING_SIZE];
  g_propagate_prefixed_error (error, g_steal_pointer (&failure), "pulling %s@%s: ", repository,
                              rp_digest_format (digest, text));
  return FALSE;
}
