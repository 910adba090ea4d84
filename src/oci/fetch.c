#include "oci/fetch.h"

#include "base/error.h"

#include <string.h>

typedef struct {
  const RpFetch *job;
  RpUpload *upload;
  gboolean resume;   /* ask for the rest only; off once the server proved not to know how */
  gboolean stitched; /* the upload holds pieces of more than one reply */
  gboolean overflow; /* more came than there should be */
} Fetch;

static gboolean
take (const void *data, gsize size, gpointer user_data, GError **error)
{
  Fetch *fetch = user_data;
  const RpFetch *job = fetch->job;
  guint64 have = rp_upload_size (fetch->upload);
  if (size > job->size_bytes - have)
    {
      fetch->overflow = TRUE;
      g_set_error (error, RP_ERROR, RP_ERROR_SIZE_INVALID,
                   "%s sent more than the %" G_GUINT64_FORMAT " bytes the manifest says", job->url,
                   job->size_bytes);
      return FALSE;
    }
  if (!rp_upload_append (fetch->upload, data, size, error))
    return FALSE;
  rp_retry_progress (job->retry);
  if (job->progress)
    job->progress (have + size, job->size_bytes, job->progress_data);
  return TRUE;
}

static gboolean
announce (Fetch *fetch, GError **error)
{
  const RpFetch *job = fetch->job;
  return job->begin == NULL || job->begin (fetch->upload, job->data, error);
}

static gboolean
commit (Fetch *fetch, GError **error)
{
  const RpFetch *job = fetch->job;
  return job->commit != NULL ? job->commit (fetch->upload, &job->digest, job->data, error)
                             : rp_upload_commit (fetch->upload, &job->digest, error);
}

/* Drops what came so far. */
static gboolean
start_over (Fetch *fetch, GError **error)
{
  if (fetch->upload && !rp_upload_cancel (fetch->upload, error))
    return FALSE;
  g_clear_pointer (&fetch->upload, rp_upload_close);
  fetch->upload = rp_upload_new (fetch->job->store, fetch->job->repository, error);
  fetch->stitched = fetch->overflow = FALSE;
  return fetch->upload != NULL && announce (fetch, error);
}

/* The server answered a request for the rest with something else: from now on ask for all. */
static gboolean
give_up_resuming (Fetch *fetch, GError **error)
{
  fetch->resume = FALSE;
  return start_over (fetch, error);
}

static gboolean
starts_at (const RpHttpResponse *response, guint64 offset)
{
  const char *range = rp_http_response_header (response, "content-range");
  g_autofree char *expected = g_strdup_printf ("bytes %" G_GUINT64_FORMAT "-", offset);
  return range && g_ascii_strncasecmp (range, expected, strlen (expected)) == 0;
}

static RpHttpResponse *
request_from (Fetch *fetch, guint64 offset, GError **error)
{
  g_autofree char *range = g_strdup_printf ("Range: bytes=%" G_GUINT64_FORMAT "-", offset);
  const char *const headers[] = { offset > 0 ? range : NULL, NULL };
  const RpHttpRequest request = { .method = "GET",
                                  .url = fetch->job->url,
                                  .headers = headers,
                                  .sink = take,
                                  .sink_data = fetch,
                                  .cancelled = fetch->job->retry->cancelled };
  return rp_auth_send (fetch->job->auth, &request, fetch->job->repository, FALSE, error);
}

static gboolean
refused (const RpFetch *job, const RpHttpResponse *response, GError **error)
{
  if (response->status == 404)
    {
      char text[RP_DIGEST_STRING_SIZE];
      g_set_error (error, RP_ERROR, RP_ERROR_BLOB_UNKNOWN,
                   "%s: the registry does not have %s any more; push the artifact again", job->url,
                   rp_digest_format (&job->digest, text));
      return FALSE;
    }
  if (!rp_http_response_check (response, job->url, error))
    return FALSE;
  g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE, "%s: unexpected status %d", job->url,
               response->status);
  return FALSE;
}

/* What to do after a try: TRUE goes on (the loop looks at the size), FALSE ends it with `error`. */
static gboolean
after_try (Fetch *fetch, guint64 offset, const RpHttpResponse *response, GError *failure,
           GError **error)
{
  gboolean whole = offset == 0 && response && response->status == 200;
  gboolean rest = offset > 0 && response && response->status == 206 && starts_at (response, offset);
  if (whole || rest)
    {
      if (rp_upload_size (fetch->upload) == fetch->job->size_bytes)
        return TRUE;
      g_set_error (error, RP_ERROR, RP_ERROR_SIZE_INVALID,
                   "%s: the registry has %" G_GUINT64_FORMAT
                   " bytes, the manifest says %" G_GUINT64_FORMAT,
                   fetch->job->url, rp_upload_size (fetch->upload), fetch->job->size_bytes);
      return FALSE;
    }
  if (offset > 0
      && (fetch->overflow || (response && (response->status < 300 || response->status == 416))))
    return give_up_resuming (fetch, error);
  if (rp_retry_is_worth (response, failure) && rp_retry_wait (fetch->job->retry, response))
    return TRUE;
  if (response)
    return refused (fetch->job, response, error);
  g_propagate_error (error, g_error_copy (failure));
  return FALSE;
}

static gboolean
fetch_all (Fetch *fetch, GError **error)
{
  while (rp_upload_size (fetch->upload) < fetch->job->size_bytes)
    {
      if (!fetch->resume && rp_upload_size (fetch->upload) > 0 && !start_over (fetch, error))
        return FALSE;
      guint64 offset = rp_upload_size (fetch->upload);
      g_autoptr (GError) failure = NULL;
      fetch->stitched |= offset > 0;
      g_autoptr (RpHttpResponse) response = request_from (fetch, offset, &failure);
      if (!after_try (fetch, offset, response, failure, error))
        return FALSE;
    }
  return TRUE;
}

/* Wrong bytes may be the fault of stitching pieces together, so these are fetched once more whole.
 */
static gboolean
fetch_verified (Fetch *fetch, GError **error)
{
  g_autoptr (GError) failure = NULL;
  if (!fetch_all (fetch, error))
    return FALSE;
  if (commit (fetch, &failure))
    return TRUE;
  if (fetch->stitched && g_error_matches (failure, RP_ERROR, RP_ERROR_DIGEST_MISMATCH))
    return give_up_resuming (fetch, error) && fetch_all (fetch, error)
           && commit (fetch, error);
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

/* Bytes are worth keeping for another try unless they are wrong. */
static char *
leave (Fetch *fetch, const GError *failure)
{
  gboolean wrong = g_error_matches (failure, RP_ERROR, RP_ERROR_DIGEST_MISMATCH)
                   || g_error_matches (failure, RP_ERROR, RP_ERROR_SIZE_INVALID);
  if (!fetch->upload)
    return NULL;
  if (!wrong && rp_upload_size (fetch->upload) > 0)
    return g_strdup (rp_upload_id (fetch->upload));
  g_autoptr (GError) ignored = NULL; /* the failure that brought us here is the one to tell */
  (void)!rp_upload_cancel (fetch->upload, &ignored);
  return NULL;
}

static gboolean
take_up (Fetch *fetch, GError **error)
{
  const RpFetch *job = fetch->job;
  if (job->resume_id)
    fetch->upload = rp_upload_open (job->store, job->repository, job->resume_id, NULL);
  if (!fetch->upload || rp_upload_size (fetch->upload) > job->size_bytes)
    return start_over (fetch, error);
  fetch->stitched = rp_upload_size (fetch->upload) > 0;
  return announce (fetch, error);
}

gboolean
rp_fetch_blob (const RpFetch *job, char **out_left, GError **error)
{
  g_autoptr (GError) failure = NULL;
  Fetch fetch = { .job = job, .resume = TRUE };
  *out_left = NULL;
  gboolean ok = take_up (&fetch, &failure) && fetch_verified (&fetch, &failure);
  if (!ok)
    {
      *out_left = leave (&fetch, failure);
      g_propagate_error (error, g_steal_pointer (&failure));
    }
  rp_upload_close (fetch.upload);
  return ok;
}
