/* Names on the wire: repository names, tags, references (distribution-spec, "Pulling manifests").
 * All functions are pure and thread-safe.
 */
#pragma once

#include "base/digest.h"

#define RP_REPOSITORY_MAX 255 /* bytes */

/* RP_ERROR_NAME_INVALID unless [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/…)* and at most 255 bytes. */
gboolean rp_repository_check (const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RP_ERROR_MANIFEST_INVALID unless [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}. */
gboolean rp_tag_check (const char *tag, GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct {
  char *registry;   /* `127.0.0.1:5000`, or NULL: this repoint */
  char *repository; /* `shop/web` */
  char *tag;        /* or NULL */
  gboolean has_digest;
  RpDigest digest;
} RpReference;

/* `[host[:port]/]repository[:tag][@digest]`; the first part is a host if it has a dot or a colon or is
 * `localhost`. At least one of tag and digest. RP_ERROR_INVALID says which part is wrong. */
gboolean rp_reference_parse (const char *text, RpReference *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_reference_clear (RpReference *reference);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpReference, rp_reference_clear)
char *rp_reference_to_string (const RpReference *reference); /* g_free() */
