#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "server/parts.h"
#include "server/range.h"
#include "server/v2.h"

#define BLOB_TYPE "application/octet-stream"

/* A range is only of use to somebody whose beginning is of the same bytes. */
static const char *
wanted_range (const RpRequest *request, const RpDigest *digest)
{
  const char *condition = rp_request_header (request, "If-Range");
  char text[RP_DIGEST_STRING_SIZE];
  g_autofree char *etag = g_strconcat ("\"", rp_digest_format (digest, text), "\"", NULL);

  if (condition != NULL && strcmp (condition, etag) != 0)
    return NULL;
  return rp_request_header (request, "Range");
}

/* Where the bytes of an answer are: here, or on their way from another registry. */
typedef struct {
  int fd; /* -1: what request->flight brings */
  guint64 size;
} Source;

static void
respond_with (RpRequest *request, int status, const Source *source, guint64 offset, guint64 size)
{
  if (source->fd >= 0)
    rp_respond_fd (request, status, BLOB_TYPE, source->fd, offset, size);
  else
    rp_flight_follow (request->flight, request, status, BLOB_TYPE, offset, size);
}

static void
drop (const Source *source)
{
  if (source->fd >= 0)
    close (source->fd);
}

static void
respond_part (RpRequest *request, const Source *source, const RpByteRange *range)
{
  g_autofree char *value
      = g_strdup_printf ("bytes %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT,
                         range->first, range->last, source->size);

  rp_respond_header (request, "Content-Range", value);
  respond_with (request, 206, source, range->first, range->last - range->first + 1);
}

/* The kernel sends it, unless it is one of those that are looked at. */
static void
respond_whole (RpRequest *request, const RpDigest *digest, const Source *source)
{
  RpReadCheck *check = rp_request_server (request)->read_check;

  if (source->fd >= 0 && source->size > 0 && !request->is_head && rp_read_check_wants (check))
    rp_respond_with (request, 200, BLOB_TYPE,
                     rp_read_check_response (check, digest, source->fd, source->size),
                     source->size);
  else
    respond_with (request, 200, source, 0, source->size);
}

static gboolean
refuse_range (RpRequest *request, const Source *source, GError **error)
{
  g_autofree char *value = g_strdup_printf ("bytes */%" G_GUINT64_FORMAT, source->size);

  drop (source);
  rp_respond_header (request, "Content-Range", value);
  g_set_error (error, RP_ERROR, RP_ERROR_RANGE,
               "the blob has %" G_GUINT64_FORMAT " bytes; none of them is in the range asked for",
               source->size);
  return FALSE;
}

static RpProxyWay
find_source (RpRequest *request, const char *repository, const RpDigest *digest, Source *out,
             GError **error)
{
  RpFlightKind kind = request->is_head ? RP_FLIGHT_BLOB_SIZE : RP_FLIGHT_BLOB;
  char text[RP_DIGEST_STRING_SIZE];
  GError *local = NULL;

  out->fd = rp_registry_blob_open (rp_request_services (request)->registry, repository, digest,
                                   &out->size, &local);
  if (out->fd >= 0)
    return RP_PROXY_FLOWS;
  return rp_proxy_missed (request, kind, repository, rp_digest_format (digest, text), local,
                          &out->size, error);
}

static gboolean
respond_blob (RpRequest *request, const RpDigest *digest, const Source *source, GError **error)
{
  RpByteRange range;

  rp_v2_digest_header (request, "Docker-Content-Digest", digest);
  rp_respond_header (request, "Accept-Ranges", "bytes");
  if (rp_v2_not_modified (request, digest, TRUE))
    {
      drop (source);
      rp_respond_empty (request, 304);
      return TRUE;
    }
  switch (rp_range_parse (wanted_range (request, digest), source->size, &range))
    {
    case RP_RANGE_PART:
      respond_part (request, source, &range);
      break;
    case RP_RANGE_UNSATISFIABLE:
      return refuse_range (request, source, error);
    case RP_RANGE_WHOLE:
      respond_whole (request, digest, source);
      break;
    }
  return TRUE;
}

gboolean
rp_v2_blob_get (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  char text[RP_DIGEST_STRING_SIZE];
  RpDigest digest;
  Source source;

  if (repository == NULL || !rp_v2_digest_param (request, &digest, error))
    return FALSE;
  switch (find_source (request, repository, &digest, &source, error))
    {
    case RP_PROXY_NONE:
      return FALSE;
    case RP_PROXY_AWAY:
      return TRUE;
    case RP_PROXY_FLOWS:
      break;
    }
  rp_proxy_served (request, repository, rp_digest_format (&digest, text));
  return respond_blob (request, &digest, &source, error);
}

gboolean
rp_v2_blob_delete (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  g_autoptr (GError) local = NULL;
  json_t *detail = NULL;
  RpDigest digest;

  if (repository == NULL || !rp_v2_digest_param (request, &digest, error))
    return FALSE;
  if (rp_registry_blob_delete (rp_request_services (request)->registry, repository, &digest,
                               rp_request_actor (request), &detail, &local))
    rp_respond_empty (request, 202);
  else
    return rp_v2_refused (request, g_steal_pointer (&local), detail, error);
  return TRUE;
}
