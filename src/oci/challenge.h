/* WWW-Authenticate of a registry (RFC 9110, 11.6.1): `Basic realm="…"` or `Bearer realm="…",service="…",scope="…"`.
 * Pure.
 */
#pragma once

#include <glib.h>

typedef struct {
  char *realm;   /* where a Bearer ticket is to be had; NULL: Basic, or nothing that is understood */
  char *service; /* or NULL */
} RpChallenge;
void rp_challenge_clear (RpChallenge *challenge);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpChallenge, rp_challenge_clear)

/* `text` may be NULL, and anything: what is not understood is left out. */
void rp_challenge_parse (const char *text, RpChallenge *out);
