#include "oci/upstream.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "oci/reference.h"

#define TIMEOUT_MS 15000      /* of a small answer: somebody waits for it */
#define ATTEMPTS 2            /* of one question */
#define FETCH_ATTEMPTS 3      /* without progress, of one blob */
#define PAUSE_DEFAULT_S 5     /* where 429 does not say for how long */
#define LEFT_MAX 1024         /* uploads that broke off, remembered */
#define DOCKER_HUB_HOST "registry-1.docker.io"

struct RpUpstream {
  RpHttpClient *http;
  RpAuth *auth;
  char *base_url; /* `https://host` */
  char *prefix;   /* `team/`, or "" */
  char *registry;
  const gint *cancelled;
  GMutex lock;
  /* under lock */
  gint64 pause_until_us; /* monotonic */
  GHashTable *left;      /* RpDigest → id of an upload that broke off */
};

static const char accept_manifests[]
    = "Accept: " RP_MEDIA_OCI_MANIFEST ", " RP_MEDIA_OCI_INDEX ", " RP_MEDIA_DOCKER_MANIFEST
      ", " RP_MEDIA_DOCKER_LIST;

/* ---- which registry ---- */

static gboolean
set_address (RpUpstream *upstream, const char *url, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri != NULL ? g_uri_get_scheme (uri) : "";
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;
  const char *at = strstr (url, "://");
  if (host == NULL || *host == '\0' || at == NULL || g_uri_get_userinfo (uri) != NULL
      || g_uri_get_query (uri) != NULL || g_uri_get_fragment (uri) != NULL
      || (strcmp (scheme, "https") != 0 && strcmp (scheme, "http") != 0))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "\"%.200s\" is no address of a registry, such as https://ghcr.io", url);
      return FALSE;
    }
  g_autofree char *place = g_strndup (at + 3, strcspn (at + 3, "/"));
  g_autofree char *path = g_strdup (at + 3 + strlen (place));
  while (g_str_has_suffix (path, "/"))
    path[strlen (path) - 1] = '\0';
  upstream->base_url = g_strconcat (scheme, "://", place, NULL);
  upstream->prefix = *path != '\0' ? g_strconcat (path + 1, "/", NULL) : g_strdup ("");
  upstream->registry = g_strdup (g_str_equal (place, DOCKER_HUB_HOST) ? "docker.io" : place);
  return *path == '\0' || rp_repository_check (path + 1, error);
}

RpUpstream *
rp_upstream_new (const RpUpstreamOptions *options, GError **error)
{
  g_autoptr (RpUpstream) upstream = g_new0 (RpUpstream, 1);
  g_mutex_init (&upstream->lock);
  upstream->left = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, g_free);
  upstream->cancelled = options->cancelled;
  if (!set_address (upstream, options->url, error))
    return NULL;
  const RpHttpOptions http = { .ca_file = options->ca_file };
  upstream->http = rp_http_client_new (&http);
  upstream->auth = rp_auth_new (upstream->http);
  rp_auth_set_login_file (upstream->auth, upstream->registry, options->credentials_file);
  return g_steal_pointer (&upstream);
}

void
rp_upstream_free (RpUpstream *upstream)
{
  if (upstream == NULL)
    return;
  rp_auth_free (upstream->auth);
  rp_http_client_free (upstream->http);
  g_hash_table_unref (upstream->left);
  g_mutex_clear (&upstream->lock);
  g_free (upstream->base_url);
  g_free (upstream->prefix);
  g_free (upstream->registry);
  g_free (upstream);
}

const char *
rp_upstream_registry (const RpUpstream *upstream)
{
  return upstream->registry;
}

char *
rp_upstream_name (const RpUpstream *upstream, const char *repository)
{
  gboolean official = g_str_equal (upstream->registry, "docker.io") && *upstream->prefix == '\0'
                      && strchr (repository, '/') == NULL;
  return g_strconcat (official ? "library/" : upstream->prefix, repository, NULL);
}

const char *
rp_upstream_below (const RpUpstream *upstream, const char *name)
{
  return g_str_has_prefix (name, upstream->prefix) ? name + strlen (upstream->prefix) : NULL;
}

/* ---- leaving it alone ---- */

gint64
rp_upstream_pause_s (RpUpstream *upstream)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&upstream->lock);
  gint64 left_us = upstream->pause_until_us - rp_clock_monotonic_us ();
  return left_us > 0 ? (left_us + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC : 0;
}

static void
note_pause (RpUpstream *upstream, const RpHttpResponse *response)
{
  gint64 asked_ms = rp_retry_after_ms (response);
  gint64 asked_s = asked_ms >= 0 ? asked_ms / 1000 : -1;
  if (response->status != 429 && asked_s <= 0)
    return;
  gint64 pause_s = asked_s >= 0 ? asked_s : PAUSE_DEFAULT_S;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&upstream->lock);
  upstream->pause_until_us = rp_clock_monotonic_us () + pause_s * G_USEC_PER_SEC;
}

static gboolean
check_pause (RpUpstream *upstream, GError **error)
{
  gint64 pause_s = rp_upstream_pause_s (upstream);
  if (pause_s == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_TOO_MANY,
               "%s asked not to be asked for another %" G_GINT64_FORMAT " s (429)",
               upstream->registry, pause_s);
  return FALSE;
}

/* ---- small answers ---- */

static gboolean
check_cancelled (const RpRetry *retry, GError **error)
{
  if (!rp_retry_cancelled (retry))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_BUSY, "the server is stopping; ask again");
  return FALSE;
}

static RpRetry
retry_of (const RpUpstream *upstream, guint attempts)
{
  return (RpRetry){ .first_delay_ms = RP_RETRY_FIRST_DELAY_MS,
                    .in_a_row_max = attempts,
                    .total_max = RP_RETRY_TOTAL_MAX,
                    .cancelled = upstream->cancelled };
}

/* A complete reply that is not 429. */
static RpHttpResponse *
ask (RpUpstream *upstream, const char *method, const char *url, const char *name, GError **error)
{
  const char *const headers[] = { accept_manifests, NULL };
  RpRetry retry = retry_of (upstream, ATTEMPTS);
  const RpHttpRequest request = { .method = method,
                                  .url = url,
                                  .headers = headers,
                                  .limit_bytes = RP_MANIFEST_LIMIT,
                                  .timeout_ms = TIMEOUT_MS,
                                  .cancelled = upstream->cancelled };
  while (check_pause (upstream, error))
    {
      g_autoptr (GError) failure = NULL;
      g_autoptr (RpHttpResponse) response
          = rp_auth_send (upstream->auth, &request, name, FALSE, &failure);
      if (!check_cancelled (&retry, error))
        return NULL;
      if (response != NULL && (response->status == 429 || response->status == 503))
        note_pause (upstream, response);
      if (response != NULL && response->status == 429)
        break;
      if (rp_retry_is_worth (response, failure) && rp_retry_wait (&retry, response))
        continue;
      if (response == NULL)
        g_propagate_error (error, g_steal_pointer (&failure));
      return g_steal_pointer (&response);
    }
  if (error == NULL || *error == NULL)
    g_set_error (error, RP_ERROR, RP_ERROR_TOO_MANY, "%s has had too many requests (429)",
                 upstream->registry);
  return NULL;
}

static gboolean
check_reply (const RpHttpResponse *response, RpErrorCode absent, const char *url, GError **error)
{
  if (response->status == 200)
    return TRUE;
  if (response->status == 404)
    g_set_error (error, RP_ERROR, absent, "%s: the registry has none", url);
  else if (response->status == 401 || response->status == 403)
    g_set_error (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                 "%s: the registry refuses to show it to this server (%d)", url, response->status);
  else
    g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE, "%s: unexpected status %d", url,
                 response->status);
  return FALSE;
}

static char *
url_of (const RpUpstream *upstream, const char *name, const char *kind, const char *reference)
{
  return g_strconcat (upstream->base_url, "/v2/", name, "/", kind, "/", reference, NULL);
}

static RpHttpResponse *
ask_manifest (RpUpstream *upstream, const char *method, const char *repository,
              const char *reference, GError **error)
{
  g_autofree char *name = rp_upstream_name (upstream, repository);
  g_autofree char *url = url_of (upstream, name, "manifests", reference);
  g_autoptr (RpHttpResponse) response = ask (upstream, method, url, name, error);
  if (response == NULL || !check_reply (response, RP_ERROR_MANIFEST_UNKNOWN, url, error))
    return NULL;
  return g_steal_pointer (&response);
}

void
rp_upstream_manifest_clear (RpUpstreamManifest *manifest)
{
  g_clear_pointer (&manifest->media_type, g_free);
  g_clear_pointer (&manifest->bytes, g_bytes_unref);
}

/* What the bytes should be: what was asked for, or what the registry says that it sends; FALSE if nobody says. */
static gboolean
expected_digest (const RpHttpResponse *response, const char *reference, RpDigest *out)
{
  const char *told = rp_http_response_header (response, "docker-content-digest");
  if (strchr (reference, ':') != NULL)
    return rp_digest_parse (reference, out, NULL);
  return told != NULL && rp_digest_parse (told, out, NULL);
}

gboolean
rp_upstream_manifest (RpUpstream *upstream, const char *repository, const char *reference,
                      RpUpstreamManifest *out, GError **error)
{
  g_autoptr (RpHttpResponse) response
      = ask_manifest (upstream, "GET", repository, reference, error);
  if (response == NULL)
    return FALSE;
  RpDigest expected;
  gboolean told = expected_digest (response, reference, &expected);
  RpDigest found = rp_digest_of (told ? expected.algorithm : RP_DIGEST_SHA256,
                                 response->body->data, response->body->len);
  if (told && !rp_digest_equal (&found, &expected))
    {
      char found_text[RP_DIGEST_STRING_SIZE], expected_text[RP_DIGEST_STRING_SIZE];
      g_set_error (error, RP_ERROR, RP_ERROR_DIGEST_MISMATCH,
                   "%s sent a manifest that is %s instead of %s", upstream->registry,
                   rp_digest_format (&found, found_text),
                   rp_digest_format (&expected, expected_text));
      return FALSE;
    }
  *out = (RpUpstreamManifest){
    .digest = found,
    .media_type = g_strdup (rp_http_response_header (response, "content-type")),
    .bytes = g_bytes_new (response->body->data, response->body->len),
  };
  return TRUE;
}

gboolean
rp_upstream_resolve (RpUpstream *upstream, const char *repository, const char *reference,
                     gboolean *out_told, RpDigest *out, GError **error)
{
  g_autoptr (RpHttpResponse) response
      = ask_manifest (upstream, "HEAD", repository, reference, error);
  if (response == NULL)
    return FALSE;
  const char *told = rp_http_response_header (response, "docker-content-digest");
  *out_told = told != NULL && rp_digest_parse (told, out, NULL);
  return TRUE;
}

/* ---- blobs ---- */

gboolean
rp_upstream_blob_size (RpUpstream *upstream, const char *repository, const RpDigest *digest,
                       guint64 *out_bytes, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autofree char *name = rp_upstream_name (upstream, repository);
  g_autofree char *url = url_of (upstream, name, "blobs", rp_digest_format (digest, text));
  g_autoptr (RpHttpResponse) response = ask (upstream, "HEAD", url, name, error);
  if (response == NULL || !check_reply (response, RP_ERROR_BLOB_UNKNOWN, url, error))
    return FALSE;
  const char *length = rp_http_response_header (response, "content-length");
  if (length != NULL && g_ascii_string_to_unsigned (length, 10, 0, G_MAXINT64, out_bytes, NULL))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE, "%s: the registry does not say how large it is",
               url);
  return FALSE;
}

static char *
take_left (RpUpstream *upstream, const RpDigest *digest)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&upstream->lock);
  gpointer key = NULL, id = NULL;
  g_hash_table_steal_extended (upstream->left, digest, &key, &id);
  g_free (key);
  return id;
}

static void
put_left (RpUpstream *upstream, const RpDigest *digest, char *id)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&upstream->lock);
  if (g_hash_table_size (upstream->left) >= LEFT_MAX)
    g_hash_table_remove_all (upstream->left); /* the janitor deletes what is forgotten */
  g_hash_table_insert (upstream->left, rp_digest_copy (digest), id);
}

gboolean
rp_upstream_fetch (RpUpstream *upstream, const char *repository, RpFetch *fetch, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autofree char *name = rp_upstream_name (upstream, repository);
  g_autofree char *url = url_of (upstream, name, "blobs", rp_digest_format (&fetch->digest, text));
  g_autofree char *resume_id = take_left (upstream, &fetch->digest);
  RpRetry retry = retry_of (upstream, FETCH_ATTEMPTS);
  char *left = NULL;
  fetch->url = url;
  fetch->auth = upstream->auth;
  fetch->repository = name;
  fetch->resume_id = resume_id;
  fetch->retry = &retry;
  if (!check_pause (upstream, error))
    {
      if (resume_id != NULL)
        put_left (upstream, &fetch->digest, g_steal_pointer (&resume_id));
      return FALSE;
    }
  gboolean ok = rp_fetch_blob (fetch, &left, error);
  if (left != NULL)
    put_left (upstream, &fetch->digest, left);
  return ok;
}
