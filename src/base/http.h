/* HTTP client over libcurl: blocking, one request a call, connections reused within a client.
 * A client may be used by several threads at once (it keeps a pool of handles).
 */
#pragma once

#include <glib.h>

typedef struct RpHttpClient RpHttpClient;

typedef struct {
  const char *unix_socket;   /* path, or NULL for TCP */
  const char *ca_file;       /* trusted too, beside the system's; or NULL */
  const char *user_agent;    /* or NULL for repoint/VERSION */
  gint64 connect_timeout_ms; /* 0: 5000 */
} RpHttpOptions;

RpHttpClient *rp_http_client_new (const RpHttpOptions *options);
void rp_http_client_free (RpHttpClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpHttpClient, rp_http_client_free)

/* Called with pieces of the body of a 2xx reply; FALSE with error set aborts the transfer. */
typedef gboolean (*RpHttpSink) (const void *data, gsize size, gpointer user_data, GError **error);
/* Fills `buffer`; returns the number of bytes, 0 at the end, -1 with error set. */
typedef gssize (*RpHttpSource) (void *buffer, gsize size, gpointer user_data, GError **error);

typedef struct {
  const char *method; /* "GET" … */
  const char *url;
  const char *const *headers; /* NULL-ended "Name: value" lines, or NULL */
  const void *body;           /* or NULL */
  gsize body_size;
  RpHttpSource source; /* instead of body, of `source_size` bytes (-1: chunked) */
  gint64 source_size;
  gpointer source_data;
  RpHttpSink sink; /* or NULL: the body goes to the response */
  gpointer sink_data;
  gsize limit_bytes;        /* of a body held in memory; 0: 16 MiB; more is RP_ERROR_TOO_LARGE */
  gint64 timeout_ms;        /* whole request; 0: none (then a stall limit of 60 s holds) */
  gboolean stay;            /* a redirection is answered as it is, instead of followed */
  const gint *cancelled;    /* or NULL: an int that another thread sets to 1 to abort the wait */
} RpHttpRequest;

typedef struct {
  int status;
  GHashTable *headers; /* lower-case name → last value */
  GByteArray *body;    /* also of error replies, with a sink too; ends with an extra NUL */
} RpHttpResponse;

/* Trusts what is signed by the certificates in this PEM file too. Call before the client is shared. */
void rp_http_client_trust (RpHttpClient *client, const char *ca_file);

/* RP_ERROR_UNREACHABLE or RP_ERROR_TIMEOUT if there was no complete reply; RP_ERROR_UNTRUSTED if the peer could not
 * show who it is.  Any status is a success
 * here; see rp_http_response_check(). */
RpHttpResponse *rp_http_send (RpHttpClient *client, const RpHttpRequest *request, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_http_response_free (RpHttpResponse *response);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpHttpResponse, rp_http_response_free)

/* Does this URL name our own host? */
gboolean rp_http_is_loopback (const char *url);

const char *rp_http_response_header (const RpHttpResponse *response, const char *lower_name);

/* FALSE for a status of 400 and over: the error is taken from repoint's envelope
 * {"error":{"code","message","detail"}}, the registry's {"errors":[{"code","message"}]}, an engine's
 * {"message"} or the status, prefixed with `what`. */
gboolean rp_http_response_check (const RpHttpResponse *response, const char *what, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
