/* What an agent was asked for in the answer to its poll: the bytes of a blob that is damaged here. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/api.h"
#include "server/request.h"

typedef struct {
  RpWishes *wishes;
  RpPatient patient;
  RpUpload *upload; /* NULL: it has ended */
} Gift;

static char *
target_of (const RpRequest *request)
{
  return g_strdup_printf ("%s/%s/%s", rp_request_param (request, "app"),
                          rp_request_param (request, "environment"),
                          rp_request_param (request, "target"));
}

static void
drop_upload (Gift *gift)
{
  g_autoptr (GError) error = NULL;

  if (gift->upload != NULL && !rp_upload_cancel (gift->upload, &error))
    rp_log_warning ("registry", "%s", error->message);
  g_clear_pointer (&gift->upload, rp_upload_close);
}

static void
gift_free (gpointer data)
{
  Gift *gift = data;

  drop_upload (gift);
  rp_wishes_end (gift->wishes, &gift->patient.digest);
  g_free (gift);
}

/* No more than is missing: so nobody fills the disk through this door. */
static gboolean
take_piece (gpointer data, const void *piece, gsize size, GError **error)
{
  const Gift *gift = data;

  if (rp_upload_size (gift->upload) + size <= gift->patient.size_bytes)
    return rp_upload_append (gift->upload, piece, size, error);
  g_set_error (error, RP_ERROR, RP_ERROR_SIZE_INVALID,
               "more than the %" G_GUINT64_FORMAT " bytes that are asked for came", gift->patient.size_bytes);
  return FALSE;
}

gboolean
rp_api_wanted_begin (RpRequest *request, GError **error)
{
  const RpServices *services = rp_request_services (request);
  g_autofree char *target = target_of (request);
  RpPatient patient;
  RpDigest digest;
  RpUpload *upload;
  Gift *gift;

  if (!rp_digest_parse (rp_request_param (request, "digest"), &digest, error)
      || !rp_wishes_begin (services->wishes, target, &digest, &patient, error))
    return FALSE;
  upload = rp_upload_new (services->store, "wanted", error);
  if (upload == NULL)
    {
      rp_wishes_end (services->wishes, &digest);
      return FALSE;
    }
  gift = g_new0 (Gift, 1);
  gift->wishes = services->wishes;
  gift->patient = patient;
  gift->upload = upload;
  rp_request_set_sink (request, take_piece, gift, gift_free);
  return TRUE;
}

static gboolean
take_gift (const RpServices *services, Gift *gift, const char *target, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autofree char *by = g_strconcat ("agent:", target, NULL);

  if (!rp_upload_commit (gift->upload, &gift->patient.digest, error))
    return FALSE;
  g_clear_pointer (&gift->upload, rp_upload_close);
  if (!rp_registry_take_healed (services->registry, &gift->patient, by, error))
    return FALSE;
  rp_log_warning ("registry", "%s was damaged and is healed by the agent of %s",
                  rp_digest_format (&gift->patient.digest, text), target);
  rp_wishes_fulfil (services->wishes, &gift->patient.digest);
  return TRUE;
}

gboolean
rp_api_wanted_put (RpRequest *request, GError **error)
{
  const RpServices *services = rp_request_services (request);
  Gift *gift = rp_request_sink_data (request);
  g_autofree char *target = target_of (request);
  g_autoptr (GError) failure = NULL;
  char text[RP_DIGEST_STRING_SIZE];

  if (take_gift (services, gift, target, &failure))
    {
      rp_respond_empty (request, 204);
      return TRUE;
    }
  rp_log_warning ("registry", "%s is damaged and could not be healed by the agent of %s: %s",
                  rp_digest_format (&gift->patient.digest, text), target, failure->message);
  if (g_error_matches (failure, RP_ERROR, RP_ERROR_DIGEST_MISMATCH))
    rp_wishes_lacking (services->wishes, target, &gift->patient.digest, rp_clock_monotonic_us ());
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

gboolean
rp_api_wanted_lacking (RpRequest *request, GError **error)
{
  g_autofree char *target = target_of (request);
  RpDigest digest;

  if (!rp_digest_parse (rp_request_param (request, "digest"), &digest, error))
    return FALSE;
  rp_wishes_lacking (rp_request_services (request)->wishes, target, &digest, rp_clock_monotonic_us ());
  rp_respond_empty (request, 204);
  return TRUE;
}
