/* What libcurl could not do, in words that say what to do about it.  Private to the HTTP client. */
#pragma once

#include <curl/curl.h>
#include <glib.h>

typedef struct {
  CURLcode code;      /* not CURLE_OK */
  const char *detail; /* of the error buffer; may be "" */
  long verify_result; /* X509_V_… of OpenSSL, 0 if it had nothing to object */
  long os_errno;      /* of the connection that could not be made, or 0 */
} RpHttpFailure;

/* `what`: `GET https://host/path`. Always sets the error. */
void rp_http_explain (const RpHttpFailure *failure, const char *what, const char *ca_file,
                      GError **error);
