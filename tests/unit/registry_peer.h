/* A registry for tests: what was put is served under /v2/<repository>/, with faults to order. */
#pragma once

#include "base/digest.h"
#include "http_peer.h"
#include "oci/manifest.h"

#include <jansson.h>
#include <stdio.h>

#define REPOSITORY "shop/web"

typedef enum {
  FAULT_NONE,
  FAULT_DROP,         /* no answer at all */
  FAULT_CUT,          /* only `amount` bytes of the body */
  FAULT_STATUS,       /* `amount` instead, with `headers` */
  FAULT_IGNORE_RANGE, /* 200 and all of it */
  FAULT_WRONG_RANGE,  /* 206, but from another place */
  FAULT_GARBLE,       /* the first byte is another */
  FAULT_CANCEL        /* sets `cancel`, then cuts after `amount` bytes */
} FaultKind;

typedef struct {
  const char *on; /* part of the path */
  FaultKind kind;
  gssize amount;
  const char *headers;
  int times; /* -1: for ever */
} Fault;

typedef struct {
  Peer *peer;
  char *url, *host;
  GMutex lock;
  GHashTable *things;  /* path → GBytes */
  GHashTable *types;   /* path → Content-Type */
  Fault faults[8];
  GPtrArray *requests; /* `GET /v2/… 5-` */
  gint cancel;
  gboolean hide_digest;
} Registry;

static inline GBytes *
registry_part (GBytes *whole, const PeerRequest *request, gsize shift, char *headers, gsize room)
{
  gsize size, from = 0;
  const guint8 *data = g_bytes_get_data (whole, &size);
  g_assert (sscanf (request->range, "%zu-", &from) == 1 && from < size);
  from -= MIN (from, shift);
  g_snprintf (headers, room, "Content-Range: bytes %zu-%zu/%zu\r\n", from, size - 1, size);
  return g_bytes_new (data + from, size - from);
}

static inline Fault *
registry_fault (Registry *registry, const char *path)
{
  for (gsize i = 0; i < G_N_ELEMENTS (registry->faults); i++) {
    Fault *fault = &registry->faults[i];
    if (fault->kind == FAULT_NONE || fault->times == 0 || !strstr (path, fault->on))
      continue;
    if (fault->times > 0)
      fault->times--;
    return fault;
  }
  return NULL;
}

static inline void
registry_garble (PeerReply *reply)
{
  gsize size;
  g_autofree guint8 *data = g_memdup2 (g_bytes_get_data (reply->body, &size), g_bytes_get_size (reply->body));
  size = g_bytes_get_size (reply->body);
  data[0] ^= 1;
  g_bytes_unref (reply->body);
  reply->body = g_bytes_new (data, size);
}

static inline void
registry_apply (Registry *registry, const Fault *fault, PeerReply *reply)
{
  switch (fault->kind) {
  case FAULT_DROP:
    reply->status = 0;
    break;
  case FAULT_CANCEL:
    g_atomic_int_set (&registry->cancel, 1);
    reply->cut_after = fault->amount;
    break;
  case FAULT_CUT:
    reply->cut_after = fault->amount;
    break;
  case FAULT_STATUS:
    reply->status = (int) fault->amount;
    reply->headers = fault->headers;
    g_clear_pointer (&reply->body, g_bytes_unref);
    break;
  case FAULT_GARBLE:
    registry_garble (reply);
    break;
  default:
    break;
  }
}

static inline void
registry_handle (const PeerRequest *request, PeerReply *reply, gpointer user_data)
{
  static char headers[512]; /* one request at a time */
  Registry *registry = user_data;
  g_mutex_lock (&registry->lock);
  g_ptr_array_add (registry->requests,
                   g_strjoin (" ", request->method, request->path, request->range, NULL));
  GBytes *whole = g_hash_table_lookup (registry->things, request->path);
  Fault *fault = registry_fault (registry, request->path);
  if (whole) {
    gboolean part = request->range && !(fault && fault->kind == FAULT_IGNORE_RANGE);
    gsize shift = fault && fault->kind == FAULT_WRONG_RANGE ? 1 : 0;
    reply->status = part ? 206 : 200;
    if (part) {
      reply->body = registry_part (whole, request, shift, headers, sizeof headers);
      reply->headers = headers;
    } else {
      RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, g_bytes_get_data (whole, NULL),
                                      g_bytes_get_size (whole));
      g_autofree char *text = rp_digest_to_string (&digest);
      g_snprintf (headers, sizeof headers, "Content-Type: %s\r\n%s%s%s",
                  (char *) g_hash_table_lookup (registry->types, request->path),
                  registry->hide_digest ? "" : "Docker-Content-Digest: ",
                  registry->hide_digest ? "" : text, registry->hide_digest ? "" : "\r\n");
      reply->headers = headers;
      reply->body = g_bytes_ref (whole);
    }
  }
  if (fault)
    registry_apply (registry, fault, reply);
  g_mutex_unlock (&registry->lock);
}

static inline Registry *
registry_start (void)
{
  Registry *registry = g_new0 (Registry, 1);
  g_mutex_init (&registry->lock);
  registry->things
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  registry->types = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  registry->requests = g_ptr_array_new_with_free_func (g_free);
  registry->peer = peer_start (NULL, registry_handle, registry);
  registry->host = g_strdup_printf ("127.0.0.1:%u", registry->peer->port);
  registry->url = g_strdup_printf ("http://%s", registry->host);
  return registry;
}

static inline void
registry_stop (Registry *registry)
{
  if (registry->peer)
    peer_stop (registry->peer);
  g_hash_table_unref (registry->things);
  g_hash_table_unref (registry->types);
  g_ptr_array_unref (registry->requests);
  g_mutex_clear (&registry->lock);
  g_free (registry->host);
  g_free (registry->url);
  g_free (registry);
}

static inline void
registry_set (Registry *registry, const char *path, const char *type, GBytes *bytes)
{
  g_mutex_lock (&registry->lock);
  g_hash_table_insert (registry->things, g_strdup (path), g_bytes_ref (bytes));
  g_hash_table_insert (registry->types, g_strdup (path), g_strdup (type));
  g_mutex_unlock (&registry->lock);
}

/* `kind` is "blobs" or "manifests". */
static inline RpDigest
registry_put (Registry *registry, const char *kind, const char *type, GBytes *bytes)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, data, size);
  g_autofree char *text = rp_digest_to_string (&digest);
  g_autofree char *path = g_strdup_printf ("/v2/" REPOSITORY "/%s/%s", kind, text);
  registry_set (registry, path, type, bytes);
  return digest;
}

static inline json_t *
registry_descriptor (const RpDigest *digest, const char *type, gsize size)
{
  char text[RP_DIGEST_STRING_SIZE];
  return json_pack ("{s:s,s:s,s:I}", "mediaType", type, "digest", rp_digest_format (digest, text),
                    "size", (json_int_t) size);
}

static inline RpDigest
registry_put_json (Registry *registry, const char *type, json_t *document, gsize *out_size)
{
  char *text = json_dumps (document, JSON_COMPACT);
  g_autoptr (GBytes) bytes = g_bytes_new_with_free_func (text, strlen (text), free, text);
  json_decref (document);
  if (out_size)
    *out_size = strlen (text);
  return registry_put (registry, "manifests", type, bytes);
}

/* An image manifest of the layers; `out_size` may be NULL. */
static inline RpDigest
registry_put_image (Registry *registry, GBytes *const *layers, gsize n, gsize *out_size)
{
  g_autoptr (GBytes) config = g_bytes_new_static ("{}", 2);
  RpDigest config_digest = registry_put (registry, "blobs", "application/json", config);
  json_t *list = json_array ();
  for (gsize i = 0; i < n; i++) {
    RpDigest digest = registry_put (registry, "blobs", "application/x-tar", layers[i]);
    json_array_append_new (list,
                           registry_descriptor (&digest, "application/vnd.oci.image.layer.v1.tar",
                                                g_bytes_get_size (layers[i])));
  }
  return registry_put_json (
      registry, RP_MEDIA_OCI_MANIFEST,
      json_pack ("{s:i,s:s,s:o,s:o}", "schemaVersion", 2, "mediaType", RP_MEDIA_OCI_MANIFEST,
                 "config",
                 registry_descriptor (&config_digest, "application/vnd.oci.image.config.v1+json", 2),
                 "layers", list),
      out_size);
}
