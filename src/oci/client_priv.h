/* What client.c and push.c share.  Private to this room. */
#pragma once

#include "oci/auth.h"
#include "oci/client.h"
#include "oci/retry.h"

struct RpOciClient {
  RpHttpClient *http;
  char *base_url; /* without a slash at the end */
  char *actor_header;  /* or NULL */
  RpAuth *auth;
  gint64 first_delay_ms;
  GMutex lock;      /* over `left` */
  GHashTable *left; /* RpDigest → upload id: what broke off, for the next pull */
};

RpRetry rp_oci_client_retry (const RpOciClient *client, const gint *cancelled);
