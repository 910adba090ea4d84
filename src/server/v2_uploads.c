#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "server/range.h"
#include "server/v2.h"

/* An upload in the hands of one request. */
typedef struct {
  char *repository;
  RpUpload *upload;
  gboolean has_range;
  RpByteRange range; /* what this piece claims to be */
  gboolean temporary; /* whole in one request: not worth keeping if it comes to nothing */
} Transfer;

/* Whatever becomes of the request, an upload that has not ended can be gone on with. */
static void
free_transfer (gpointer data)
{
  Transfer *transfer = data;
  g_autoptr (GError) error = NULL;

  if (transfer->upload != NULL && transfer->temporary
      && !rp_upload_cancel (transfer->upload, &error))
    rp_log_warning ("upload", "%s", error->message);
  rp_upload_close (transfer->upload);
  g_free (transfer->repository);
  g_free (transfer);
}

static gboolean
append_piece (gpointer data, const void *piece, gsize size, GError **error)
{
  Transfer *transfer = data;

  if (transfer->has_range && rp_upload_size (transfer->upload) + size > transfer->range.last + 1)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_UPLOAD_RANGE,
                           "the chunk is longer than its Content-Range");
      return FALSE;
    }
  return rp_upload_append (transfer->upload, piece, size, error);
}

static Transfer *
attach_transfer (RpRequest *request, const char *repository, RpUpload *upload)
{
  Transfer *transfer = g_new0 (Transfer, 1);

  transfer->repository = g_strdup (repository);
  transfer->upload = upload;
  rp_request_set_sink (request, append_piece, transfer, free_transfer);
  return transfer;
}

/* Ends the request's hold on an upload that is over. */
static void
end_transfer (Transfer *transfer)
{
  g_clear_pointer (&transfer->upload, rp_upload_close);
}

/* Location, Docker-Upload-UUID and `Range: 0-LAST`; an empty upload has to say 0-0, for want of
 * anything better. */
static void
describe_upload (RpRequest *request, const char *repository, const RpUpload *upload)
{
  guint64 size = rp_upload_size (upload);
  g_autofree char *range = g_strdup_printf ("0-%" G_GUINT64_FORMAT, size > 0 ? size - 1 : 0);

  rp_v2_location (request, repository, "blobs/uploads", rp_upload_id (upload));
  rp_respond_header (request, "Docker-Upload-UUID", rp_upload_id (upload));
  rp_respond_header (request, "Range", range);
}

static void
respond_stored (RpRequest *request, const char *repository, const RpDigest *digest)
{
  char text[RP_DIGEST_STRING_SIZE];

  rp_v2_location (request, repository, "blobs", rp_digest_format (digest, text));
  rp_v2_digest_header (request, "Docker-Content-Digest", digest);
  rp_respond_empty (request, 201);
}

/* ---- POST ---- */

/* `?digest-algorithm=` announces what the blob will be named by.  Both are computed anyway, so all
 * there is to do is to refuse at once what could only fail at the end. */
static gboolean
check_algorithm (const RpRequest *request, GError **error)
{
  const char *name = rp_request_query (request, "digest-algorithm");

  if (name == NULL || strcmp (name, rp_digest_algorithm_name (RP_DIGEST_SHA256)) == 0
      || strcmp (name, rp_digest_algorithm_name (RP_DIGEST_SHA512)) == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DIGEST_INVALID,
               "?digest-algorithm=%.64s: sha256 and sha512 are known here", name);
  return FALSE;
}

/* So little is sent sooner than it is asked whether there is room for it, which the commit does again. */
enum { UNASKED_BYTES = 64 * 1024 };

/* A blob whose name and size are announced need not be sent if there is no room for it. */
static gboolean
check_room (const RpRequest *request, const char *repository, const RpDigest *digest,
            guint64 have_bytes, GError **error)
{
  gint64 length = rp_request_content_length (request);

  return length < 0 || have_bytes + (guint64) length <= UNASKED_BYTES
         || rp_registry_check_room (rp_request_services (request)->registry, repository, digest,
                                    have_bytes + (guint64) length, error);
}

/* Only a POST that brings the whole blob has a use for its body. */
gboolean
rp_v2_upload_post_begin (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_pushed_repository (request, error);
  const char *text = rp_request_query (request, "digest");
  RpDigest digest;
  RpUpload *upload;

  if (repository == NULL || !check_algorithm (request, error)
      || (text != NULL && !rp_digest_parse (text, &digest, error)))
    return FALSE;
  if (text == NULL || rp_request_query (request, "mount") != NULL)
    return TRUE;
  if (!check_room (request, repository, &digest, 0, error))
    return FALSE;
  upload = rp_upload_new (rp_request_services (request)->store, repository, error);
  if (upload == NULL)
    return FALSE;
  attach_transfer (request, repository, upload)->temporary = TRUE;
  return TRUE;
}

static gboolean
commit_transfer (RpRequest *request, const char *repository, const char *text, GError **error)
{
  Transfer *transfer = rp_request_sink_data (request);
  RpDigest digest;

  g_autoptr (GError) local = NULL;

  if (!rp_digest_parse (text, &digest, error))
    return FALSE;
  if (!rp_registry_blob_commit (rp_request_services (request)->registry, repository,
                                transfer->upload, &digest, rp_request_actor (request), &local))
    {
      /* Kept, refused bytes would fill the disk that a quota is to spare. */
      transfer->temporary |= g_error_matches (local, RP_ERROR, RP_ERROR_QUOTA);
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  end_transfer (transfer);
  respond_stored (request, repository, &digest);
  return TRUE;
}

static gboolean
try_mount (RpRequest *request, const char *repository, gboolean *out_mounted, GError **error)
{
  const char *text = rp_request_query (request, "mount");
  const char *from = rp_request_query (request, "from");
  RpDigest digest;

  *out_mounted = FALSE;
  if (from != NULL && *from == '\0')
    from = NULL;
  if (text == NULL || !rp_request_may (request, RP_ACTION_PULL, from))
    return TRUE; /* what one may not pull is not there: the client uploads */
  if (!rp_digest_parse (text, &digest, error)
      || !rp_registry_blob_mount (rp_request_services (request)->registry, repository,
                                  from, &digest, rp_request_actor (request), out_mounted, error))
    return FALSE;
  if (*out_mounted)
    respond_stored (request, repository, &digest);
  return TRUE;
}

gboolean
rp_v2_upload_post (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  const char *digest = rp_request_query (request, "digest");
  gboolean mounted;
  RpUpload *upload;

  if (repository == NULL)
    return FALSE;
  if (rp_request_sink_data (request) != NULL)
    return commit_transfer (request, repository, digest, error);
  if (!try_mount (request, repository, &mounted, error) || mounted)
    return mounted;
  upload = rp_upload_new (rp_request_services (request)->store, repository, error);
  if (upload == NULL)
    return FALSE;
  attach_transfer (request, repository, upload);
  describe_upload (request, repository, upload);
  rp_respond_empty (request, 202);
  return TRUE;
}

/* ---- the session ---- */

static RpUpload *
open_upload (const RpRequest *request, const char *repository, GError **error)
{
  return rp_upload_open (rp_request_services (request)->store, repository,
                         rp_request_param (request, "id"), error);
}

/* Out of order or of another length than it says: refused before a byte of it is taken, the upload
 * as it was. */
static gboolean
check_range (RpRequest *request, Transfer *transfer, GError **error)
{
  const char *header = rp_request_header (request, "Content-Range");
  gint64 length = rp_request_content_length (request);
  guint64 have = rp_upload_size (transfer->upload);

  if (header == NULL)
    return TRUE;
  if (!rp_content_range_parse (header, &transfer->range, error))
    return FALSE;
  transfer->has_range = TRUE;
  if (transfer->range.first == have
      && (length < 0 || (guint64) length == transfer->range.last - transfer->range.first + 1))
    return TRUE;
  describe_upload (request, transfer->repository, transfer->upload);
  if (transfer->range.first != have)
    g_set_error (error, RP_ERROR, RP_ERROR_UPLOAD_RANGE,
                 "the upload has %" G_GUINT64_FORMAT " bytes, which is where the next chunk "
                 "begins, not at %" G_GUINT64_FORMAT,
                 have, transfer->range.first);
  else
    g_set_error (error, RP_ERROR, RP_ERROR_UPLOAD_RANGE,
                 "Content-Range and Content-Length (%" G_GINT64_FORMAT ") disagree", length);
  return FALSE;
}

/* Of a PUT, which names the blob; what is wrong with the name is said when it comes to that. */
static gboolean
check_last_piece (RpRequest *request, Transfer *transfer, GError **error)
{
  const char *text = rp_request_query (request, "digest");
  RpDigest digest;

  if (text == NULL || !rp_digest_parse (text, &digest, NULL)
      || check_room (request, transfer->repository, &digest, rp_upload_size (transfer->upload),
                     error))
    return TRUE;
  transfer->temporary = TRUE;
  return FALSE;
}

gboolean
rp_v2_upload_begin (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  Transfer *transfer;
  RpUpload *upload;

  if (repository == NULL)
    return FALSE;
  upload = open_upload (request, repository, error);
  if (upload == NULL)
    return FALSE;
  transfer = attach_transfer (request, repository, upload);
  return check_range (request, transfer, error) && check_last_piece (request, transfer, error);
}

/* A chunked body that ended before its Content-Range did. */
static gboolean
check_complete (RpRequest *request, const Transfer *transfer, GError **error)
{
  if (!transfer->has_range || rp_upload_size (transfer->upload) == transfer->range.last + 1)
    return TRUE;
  describe_upload (request, transfer->repository, transfer->upload);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_SIZE_INVALID,
                       "the chunk is shorter than its Content-Range");
  return FALSE;
}

gboolean
rp_v2_upload_patch (RpRequest *request, GError **error)
{
  Transfer *transfer = rp_request_sink_data (request);

  if (!check_complete (request, transfer, error))
    return FALSE;
  describe_upload (request, transfer->repository, transfer->upload);
  rp_respond_empty (request, 202);
  return TRUE;
}

gboolean
rp_v2_upload_put (RpRequest *request, GError **error)
{
  Transfer *transfer = rp_request_sink_data (request);
  const char *digest = rp_request_query (request, "digest");

  if (!check_complete (request, transfer, error))
    return FALSE;
  if (digest == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_DIGEST_INVALID,
                           "an upload is completed with ?digest=sha256:…, which is missing");
      return FALSE;
    }
  return commit_transfer (request, transfer->repository, digest, error);
}

/* A GET may come with the query of the request that failed; only the upload's name counts. */
gboolean
rp_v2_upload_get (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  g_autoptr (RpUpload) upload = NULL;

  if (repository == NULL)
    return FALSE;
  upload = open_upload (request, repository, error);
  if (upload == NULL)
    return FALSE;
  describe_upload (request, repository, upload);
  rp_respond_empty (request, 204);
  return TRUE;
}

gboolean
rp_v2_upload_delete (RpRequest *request, GError **error)
{
  const char *repository = rp_v2_repository (request, error);
  g_autoptr (RpUpload) upload = NULL;

  if (repository == NULL)
    return FALSE;
  upload = open_upload (request, repository, error);
  if (upload == NULL || !rp_upload_cancel (upload, error))
    return FALSE;
  rp_respond_empty (request, 204);
  return TRUE;
}
