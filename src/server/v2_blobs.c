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

static void
respond_part (RpRequest *request, int fd, const RpByteRange *range, guint64 size)
{
  g_autofree char *value
      = g_strdup_printf ("bytes %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT,
                         range->first, range->last, size);

  rp_respond_header (request, "Content-Range", value);
  rp_respond_fd (request, 206, BLOB_TYPE, fd, range->first, range->last - range->first + 1);
}

/* The kernel sends it, unless it is one of those that are looked at. */
static void
respond_whole (RpRequest *request, const RpDigest *digest, int fd, guint64 size)
{
  RpReadCheck *check = rp_request_server (request)->read_check;

  if (size > 0 && !request->is_head && rp_read_check_wants (check))
    rp_respond_with (request, BLOB_TYPE, rp_read_check_response (check, digest, fd, size), size);
  else
    rp_respond_fd (request, 200, BLOB_TYPE, fd, 0, size);
}

static gboolean
refuse_range (RpRequest *request, int fd, guint64 size, GError **error)
{
  g_autofree char *value = g_strdup_printf ("bytes */%" G_GUINT64_FORMAT, size);

  close (fd);
  rp_respond_header (request, "Content-Range", value);
  g_set_error (error, RP_ERROR, RP_ERROR_RANGE,
               "the blob has %" G_GUINT64_FORMAT " bytes; none of them is in the range asked for",
               size);
  return FALSE;
}

gboolean
rp_v2_blob_get (RpRequest *request, GError **error)
{
  RpRegistry *registry = rp_request_services (request)->registry;
  const char *repository = rp_v2_repository (request, error);
  RpByteRange range;
  RpDigest digest;
  guint64 size;
  int fd;

  if (repository == NULL || !rp_v2_digest_param (request, &digest, error))
    return FALSE;
  fd = rp_registry_blob_open (registry, repository, &digest, &size, error);
  if (fd < 0)
    return FALSE;
  rp_v2_digest_header (request, "Docker-Content-Digest", &digest);
  rp_respond_header (request, "Accept-Ranges", "bytes");
  if (rp_v2_not_modified (request, &digest, TRUE))
    {
      close (fd);
      rp_respond_empty (request, 304);
      return TRUE;
    }
  switch (rp_range_parse (wanted_range (request, &digest), size, &range))
    {
    case RP_RANGE_PART:
      respond_part (request, fd, &range, size);
      break;
    case RP_RANGE_UNSATISFIABLE:
      return refuse_range (request, fd, size, error);
    case RP_RANGE_WHOLE:
      respond_whole (request, &digest, fd, size);
      break;
    }
  return TRUE;
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
