#include "oci/push.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "oci/client_priv.h"
#include "oci/reference.h"

#define TIMEOUT_MS 30000 /* of requests without a large body */

typedef struct {
  const RpPush *push;
  RpRetry retry;
} Job;

/* ---- requests ---- */

static gboolean
unexpected (const RpHttpResponse *response, const char *what, GError **error)
{
  if (rp_http_response_check (response, what, error))
    g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE, "%s: unexpected status %d", what,
                 response->status);
  return FALSE;
}

/* Those that are there, borrowed; NULL-ended. */
static GPtrArray *
header_list (const char *first, const char *second)
{
  const char *const all[] = { first, second };
  GPtrArray *list = g_ptr_array_new ();
  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    if (all[i])
      g_ptr_array_add (list, (gpointer)all[i]);
  g_ptr_array_add (list, NULL);
  return list;
}

static RpHttpResponse *
send_small (Job *job, const char *method, const char *url, const char *type, GBytes *body,
            GError **error)
{
  gsize size = 0;
  g_autofree char *header = type ? g_strconcat ("Content-Type: ", type, NULL) : NULL;
  const RpOciClient *client = job->push->client;
  g_autoptr (GPtrArray) headers = header_list (client->actor_header, header);
  const void *data = body ? g_bytes_get_data (body, &size) : NULL;
  const RpHttpRequest request = { .method = method,
                                  .url = url,
                                  .headers = (const char *const *)headers->pdata,
                                  .body = body ? data : "",
                                  .body_size = size,
                                  .timeout_ms = TIMEOUT_MS };
  const RpHttpRequest bare = { .method = method,
                               .url = url,
                               .timeout_ms = TIMEOUT_MS };
  for (;;)
    {
      g_autoptr (GError) failure = NULL;
      gboolean is_head = g_str_equal (method, "HEAD");
      g_autoptr (RpHttpResponse) response
          = rp_auth_send (client->auth, is_head ? &bare : &request, job->push->repository, TRUE,
                          &failure);
      if (rp_retry_is_worth (response, failure) && rp_retry_wait (&job->retry, response))
        continue;
      if (!response)
        g_propagate_error (error, g_steal_pointer (&failure));
      else
        rp_retry_progress (&job->retry);
      return g_steal_pointer (&response);
    }
}

/* ---- one blob ---- */

static gboolean
has_blob (Job *job, const char *digest, gboolean *out, GError **error)
{
  const RpPush *push = job->push;
  g_autofree char *url
      = g_strdup_printf ("%s/v2/%s/blobs/%s", push->client->base_url, push->repository, digest);
  g_autoptr (RpHttpResponse) response = send_small (job, "HEAD", url, NULL, NULL, error);
  if (!response)
    return FALSE;
  *out = response->status == 200;
  return *out || response->status == 404 || unexpected (response, url, error);
}

/* The address that an upload goes to: the registry says where, whole or without its own name. */
static char *
upload_url (const Job *job, const RpHttpResponse *response, const char *digest, GError **error)
{
  const char *location = rp_http_response_header (response, "location");
  if (!location || !*location)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE,
                   "%s answered the start of an upload without a Location",
                   job->push->client->base_url);
      return NULL;
    }
  const char *base = *location == '/' ? job->push->client->base_url : "";
  return g_strconcat (base, location, strchr (location, '?') ? "&" : "?", "digest=", digest, NULL);
}

/* *out_url is where to upload to, or NULL if the blob was mounted. */
static gboolean
begin (Job *job, const char *digest, char **out_url, GError **error)
{
  const RpPush *push = job->push;
  g_autoptr (GString) url = g_string_new (NULL);
  g_string_append_printf (url, "%s/v2/%s/blobs/uploads/", push->client->base_url,
                          push->repository);
  if (push->mount_from)
    {
      g_autofree char *from = g_uri_escape_string (push->mount_from, NULL, FALSE);
      g_string_append_printf (url, "?mount=%s&from=%s", digest, from);
    }
  g_autoptr (RpHttpResponse) response = send_small (job, "POST", url->str, NULL, NULL, error);
  *out_url = NULL;
  if (!response)
    return FALSE;
  if (response->status == 201 && push->mount_from)
    return TRUE;
  if (response->status != 202)
    return unexpected (response, url->str, error);
  *out_url = upload_url (job, response, digest, error);
  return *out_url != NULL;
}

typedef struct {
  int fd;
  guint64 offset, size_bytes;
} Source;

static gssize
read_source (void *buffer, gsize size, gpointer user_data, GError **error)
{
  Source *source = user_data;
  gsize wanted = (gsize) MIN ((guint64) size, source->size_bytes - source->offset);
  gssize n;
  do
    n = wanted == 0 ? 0 : pread (source->fd, buffer, wanted, (off_t) source->offset);
  while (n < 0 && errno == EINTR);
  if (n < 0 || (n == 0 && wanted > 0))
    {
      rp_error_set_errno (error, n < 0 ? errno : EIO, "reading what is to be pushed");
      return -1;
    }
  source->offset += (guint64) n;
  return n;
}

static RpHttpResponse *
send_blob (Job *job, const char *url, int fd, guint64 size_bytes, GError **error)
{
  const RpOciClient *client = job->push->client;
  g_autoptr (GPtrArray) list = header_list ("Content-Type: application/octet-stream",
                                            client->actor_header);
  const char *const *headers = (const char *const *)list->pdata;
  Source source = { fd, 0, size_bytes };
  RpHttpRequest request = { .method = "PUT",
                            .url = url,
                            .headers = headers,
                            .source = read_source,
                            .source_size = (gint64) size_bytes,
                            .source_data = &source };
  if (size_bytes == 0)
    request = (RpHttpRequest){ .method = "PUT", .url = url, .headers = headers, .body = "" };
  return rp_auth_send (client->auth, &request, job->push->repository, TRUE, error);
}

/* An upload that broke off is begun anew: where it stopped is the registry's secret more often than
 * not. The bytes are asked for only if the registry has no blob to mount. */
static gboolean
upload (Job *job, const RpClosureItem *item, const char *digest, GError **error)
{
  const RpPush *push = job->push;
  rp_autofd int fd = -1;
  for (gboolean refused = FALSE;;)
    {
      g_autoptr (GError) failure = NULL;
      g_autofree char *url = NULL;
      if (!begin (job, digest, &url, error))
        return FALSE;
      if (!url)
        return TRUE;
      if (fd < 0)
        fd = push->open (&item->digest, item->size_bytes, push->user_data, error);
      if (fd < 0)
        return FALSE;
      g_autoptr (RpHttpResponse) response = send_blob (job, url, fd, item->size_bytes, &failure);
      if (response && response->status == 201)
        {
          rp_retry_progress (&job->retry);
          return TRUE;
        }
      if (response && response->status == 401 && !refused)
        {
          refused = TRUE; /* the ticket ended meanwhile: beginning anew gets another */
          continue;
        }
      if (rp_retry_is_worth (response, failure) && rp_retry_wait (&job->retry, response))
        continue;
      if (response)
        return unexpected (response, url, error);
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
}

static gboolean
push_blob (Job *job, const RpClosureItem *item, GError **error)
{
  char digest[RP_DIGEST_STRING_SIZE];
  gboolean there = FALSE;
  if (!has_blob (job, rp_digest_format (&item->digest, digest), &there, error))
    return FALSE;
  return there || upload (job, item, digest, error);
}

gboolean
rp_oci_push_blob (const RpPush *push, const RpDigest *digest, guint64 size_bytes, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  const RpClosureItem item = { .digest = *digest, .size_bytes = size_bytes };
  Job job = { push, rp_oci_client_retry (push->client, NULL) };
  return rp_repository_check (push->repository, error)
         && upload (&job, &item, rp_digest_format (digest, text), error);
}

/* ---- manifests ---- */

static gboolean
check_answer (const RpHttpResponse *response, const char *url, const char *digest, GError **error)
{
  const char *found = rp_http_response_header (response, "docker-content-digest");
  if (response->status != 201)
    return unexpected (response, url, error);
  if (!found || g_str_equal (found, digest))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DIGEST_MISMATCH,
               "%s: the registry took %s for %.140s; do not use what it has", url, digest, found);
  return FALSE;
}

static gboolean
put_manifest (Job *job, GBytes *bytes, const char *media_type, const RpDigest *digest,
              const char *reference, GError **error)
{
  const RpPush *push = job->push;
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (RpManifest) manifest = rp_manifest_parse (
      g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), media_type, error);
  if (!manifest)
    return FALSE;
  (void) rp_digest_format (digest, text);
  g_autofree char *url = g_strdup_printf ("%s/v2/%s/manifests/%s", push->client->base_url,
                                          push->repository, reference ? reference : text);
  g_autoptr (RpHttpResponse) response
      = send_small (job, "PUT", url, manifest->media_type, bytes, error);
  return response && check_answer (response, url, text, error);
}

static gboolean
push_manifest (Job *job, const RpClosureItem *item, const char *tag, GError **error)
{
  const RpPush *push = job->push;
  g_autoptr (GBytes) bytes = push->load (&item->digest, item->media_type, push->user_data, error);
  return bytes && put_manifest (job, bytes, item->media_type, &item->digest, tag, error);
}

gboolean
rp_oci_push_manifest (RpOciClient *client, const char *repository, const char *reference,
                      GBytes *bytes, const RpDigest *digest, GError **error)
{
  const RpPush push = { .client = client, .repository = repository };
  Job job = { &push, rp_oci_client_retry (client, NULL) };
  return put_manifest (&job, bytes, NULL, digest, reference, error);
}

/* ---- all blobs, several at once ---- */

typedef struct {
  const RpPush *push;
  GMutex lock;
  GError *failure; /* under lock: the first one; what is not begun then never is */
} Crew;

static void
push_one (gpointer data, gpointer user_data)
{
  Crew *crew = user_data;
  g_autoptr (GError) failure = NULL;
  Job job = { crew->push, rp_oci_client_retry (crew->push->client, NULL) };
  g_mutex_lock (&crew->lock);
  gboolean failed = crew->failure != NULL;
  g_mutex_unlock (&crew->lock);
  if (failed || push_blob (&job, data, &failure))
    return;
  g_mutex_lock (&crew->lock);
  if (!crew->failure)
    crew->failure = g_steal_pointer (&failure);
  g_mutex_unlock (&crew->lock);
}

static gboolean
push_blobs (const RpPush *push, const RpClosure *closure, GError **error)
{
  Crew crew = { .push = push };
  GThreadPool *pool
      = g_thread_pool_new (push_one, &crew, (gint) MAX (push->parallel, 1), TRUE, error);
  if (!pool)
    return FALSE;
  g_mutex_init (&crew.lock);
  for (guint i = 0; i < closure->items->len; i++)
    {
      RpClosureItem *item = g_ptr_array_index (closure->items, i);
      if (!item->is_manifest)
        g_thread_pool_push (pool, item, NULL); /* has its threads already: cannot fail */
    }
  g_thread_pool_free (pool, FALSE, TRUE);
  g_mutex_clear (&crew.lock);
  if (crew.failure)
    g_propagate_error (error, crew.failure);
  return !crew.failure;
}

static gboolean
push_all (Job *job, const RpDigest *root, GError **error)
{
  const RpPush *push = job->push;
  g_autoptr (RpClosure) closure
      = rp_closure_walk (root, NULL, push->load, push->user_data, error);
  if (!closure || !push_blobs (push, closure, error))
    return FALSE;
  for (guint i = 0; i < closure->items->len; i++)
    {
      const RpClosureItem *item = g_ptr_array_index (closure->items, i);
      const char *tag = i + 1 == closure->items->len ? push->tag : NULL;
      if (item->is_manifest && !push_manifest (job, item, tag, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
rp_oci_push (const RpPush *push, const RpDigest *root, GError **error)
{
  Job job = { push, rp_oci_client_retry (push->client, NULL) };
  if (!rp_repository_check (push->repository, error)
      || (push->tag && !rp_tag_check (push->tag, error)))
    return FALSE;
  if (push_all (&job, root, error))
    return TRUE;
  g_prefix_error (error, "pushing to %s: ", push->repository);
  return FALSE;
}
