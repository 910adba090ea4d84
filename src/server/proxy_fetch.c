/* What a flight does: asks, and keeps what comes by the ways of an ordinary push. */
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "registry/origin.h"
#include "server/parts.h"
#include "server/proxy_priv.h"

#define FOLLOW_BYTES (256 * 1024) /* a smaller blob is waited for whole */

static RpRegistry *
registry_of (const RpFlight *flight)
{
  const RpProxyPlace *place = flight->place;

  return place->proxy->server->services.registry;
}

/* The name upstream, below its path. */
static const char *
asked_name (const RpFlight *flight)
{
  const RpProxyPlace *place = flight->place;

  return flight->repository + strlen (place->rule->strip);
}

static void
fail (RpProxyResult *result, GError *error)
{
  result->outcome = RP_FLIGHT_FAILED;
  result->error = error;
}

/* What is here is served. */
static void
go_on_with_kept (RpProxyResult *result, GError *error)
{
  gboolean gone = g_error_matches (error, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN);

  result->outcome = RP_FLIGHT_STALE;
  result->error = error;
  result->fresh = gone;
  result->warning = gone ? g_strdup_printf ("199 repoint \"kept here, but gone upstream: %s\"", error->message)
                         : g_strdup_printf ("111 repoint \"%s\"", error->message);
}

/* ---- manifests ---- */

static void
moved_upstream (RpProxyResult *result, const RpFlight *flight, const RpDigest *there)
{
  char text[RP_DIGEST_STRING_SIZE];

  result->outcome = RP_FLIGHT_CONFIRMED;
  result->fresh = TRUE;
  result->warning = g_strdup_printf (
      "199 repoint \"tag %s means %s upstream by now; tags of %s are write-once, so it stays what it was\"",
      flight->reference, rp_digest_format (there, text), flight->repository);
}

static gboolean
record_origin (const RpFlight *flight, const RpDigest *digest, const char *tag, GError **error)
{
  const RpProxyPlace *place = flight->place;
  g_autofree char *name = rp_upstream_name (place->upstream, asked_name (flight));
  const RpOrigin origin = { .repository = flight->repository,
                            .digest = *digest,
                            .upstream_registry = rp_upstream_registry (place->upstream),
                            .upstream_repository = name,
                            .upstream_tag = tag };
  gboolean recorded;

  return rp_origin_record (registry_of (flight), &origin, flight->actor, &recorded, error);
}

static void
keep_manifest (RpFlight *flight, const char *tag, const RpUpstreamManifest *manifest,
               gboolean kept, RpProxyResult *result)
{
  gsize size;
  const void *data = g_bytes_get_data (manifest->bytes, &size);
  GError *error = NULL;

  result->fresh = TRUE;
  if (rp_registry_manifest_keep (registry_of (flight), flight->repository, &manifest->digest, tag,
                                 manifest->media_type, data, size, flight->actor, &error)
      && record_origin (flight, &manifest->digest, tag, &error))
    {
      result->outcome = RP_FLIGHT_MISS;
      return;
    }
  if (kept && g_error_matches (error, RP_ERROR, RP_ERROR_TAG_IMMUTABLE))
    {
      moved_upstream (result, flight, &manifest->digest);
      g_error_free (error);
    }
  else if (kept)
    go_on_with_kept (result, error);
  else
    fail (result, error);
}

/* Whether upstream still means by the tag what is here. FALSE: the manifest is to be fetched. */
static gboolean
confirm (RpFlight *flight, const RpDigest *here, RpProxyResult *result)
{
  const RpProxyPlace *place = flight->place;
  gboolean told = FALSE, may_move = TRUE;
  GError *error = NULL;
  RpDigest there;

  if (!rp_upstream_resolve (place->upstream, asked_name (flight), flight->reference, &told, &there,
                            &error)
      || (told
          && !rp_registry_tag_may_move (registry_of (flight), flight->repository,
                                        flight->reference, &may_move, &error)))
    {
      go_on_with_kept (result, error);
      return TRUE;
    }
  if (told && rp_digest_equal (&there, here))
    {
      result->outcome = RP_FLIGHT_CONFIRMED;
      result->fresh = TRUE;
      return TRUE;
    }
  if (!told || may_move)
    return FALSE;
  moved_upstream (result, flight, &there);
  return TRUE;
}

static void
fly_manifest (RpFlight *flight, RpProxyResult *result)
{
  const RpProxyPlace *place = flight->place;
  const char *tag = strchr (flight->reference, ':') == NULL ? flight->reference : NULL;
  g_auto (RpManifestInfo) here = { 0 };
  g_auto (RpUpstreamManifest) manifest = { 0 };
  GError *error = NULL;
  gboolean kept = rp_registry_manifest_get (registry_of (flight), flight->repository,
                                            flight->reference, &here, NULL, NULL);

  if (kept && tag != NULL && confirm (flight, &here.digest, result))
    return;
  if (rp_upstream_manifest (place->upstream, asked_name (flight), flight->reference, &manifest,
                            &error))
    keep_manifest (flight, tag, &manifest, kept, result);
  else if (kept)
    go_on_with_kept (result, error);
  else
    fail (result, error);
}

/* ---- blobs ---- */

typedef struct {
  RpFlight *flight;
  guint64 size_bytes;
} Blob;

static gboolean
begin (RpUpload *upload, gpointer data, GError **error)
{
  const Blob *blob = data;
  int fd;

  if (blob->size_bytes < FOLLOW_BYTES)
    return TRUE;
  fd = rp_upload_reader (upload, error);
  if (fd < 0)
    return FALSE;
  rp_flight_flow (blob->flight, fd, blob->size_bytes);
  rp_flight_progress (blob->flight, rp_upload_size (upload));
  return TRUE;
}

static void
progress (guint64 done_bytes, guint64 total_bytes, gpointer data)
{
  const Blob *blob = data;

  (void) total_bytes;
  rp_flight_progress (blob->flight, done_bytes);
}

static gboolean
commit (RpUpload *upload, const RpDigest *expected, gpointer data, GError **error)
{
  const Blob *blob = data;

  return rp_registry_blob_commit (registry_of (blob->flight), blob->flight->repository, upload,
                                  expected, blob->flight->actor, error);
}

/* Of bytes that another repository has already only the membership is missing: upstream has said that they belong here. */
static gboolean
bring_blob (RpFlight *flight, const RpDigest *digest, guint64 size_bytes, GError **error)
{
  const RpProxyPlace *place = flight->place;
  RpProxy *proxy = place->proxy;
  Blob blob = { flight, size_bytes };
  gboolean mounted = FALSE;
  RpFetch fetch = { .store = proxy->server->services.store,
                    .digest = *digest,
                    .size_bytes = size_bytes,
                    .progress = progress,
                    .progress_data = &blob,
                    .begin = begin,
                    .commit = commit,
                    .data = &blob };

  if (!rp_registry_blob_mount (registry_of (flight), flight->repository, NULL, digest,
                               flight->actor, &mounted, error))
    return FALSE;
  if (mounted)
    return TRUE;
  if (!rp_upstream_fetch (place->upstream, asked_name (flight), &fetch, error))
    return FALSE;
  atomic_fetch_add (&proxy->fetched_bytes, size_bytes);
  return TRUE;
}

static void
fly_blob (RpFlight *flight, RpProxyResult *result)
{
  const RpProxyPlace *place = flight->place;
  GError *error = NULL;
  RpDigest digest;
  guint64 size;

  if (!rp_digest_parse (flight->reference, &digest, &error)
      || !rp_upstream_blob_size (place->upstream, asked_name (flight), &digest, &size, &error)
      || (flight->kind == RP_FLIGHT_BLOB && !bring_blob (flight, &digest, size, &error)))
    {
      fail (result, error);
      return;
    }
  if (flight->kind == RP_FLIGHT_BLOB_SIZE)
    flight->size_bytes = size; /* nobody looks before it has landed */
  result->outcome = RP_FLIGHT_MISS;
  result->fresh = TRUE;
}

void
rp_proxy_fly (RpFlight *flight, RpProxyResult *result)
{
  const RpProxyPlace *place = flight->place;

  if (g_atomic_int_get (&place->proxy->cancelled))
    fail (result, g_error_new (RP_ERROR, RP_ERROR_BUSY, "the server is stopping; ask again"));
  else if (flight->kind == RP_FLIGHT_MANIFEST)
    fly_manifest (flight, result);
  else
    fly_blob (flight, result);
}
