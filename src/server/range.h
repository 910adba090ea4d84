/* Byte ranges: `Range` of requests (RFC 9110, 14.2) and `Content-Range` of upload chunks
 * (distribution-spec, "Pushing a blob in chunks").  Pure functions over untrusted text.
 */
#pragma once

#include <glib.h>

typedef struct {
  guint64 first;
  guint64 last; /* inclusive */
} RpByteRange;

typedef enum {
  RP_RANGE_WHOLE,        /* no range, or one that is to be ignored: send everything */
  RP_RANGE_PART,         /* *out is within the object */
  RP_RANGE_UNSATISFIABLE /* 416 */
} RpRangeKind;

/* `header` may be NULL. Several ranges at once are ignored. `5-0` is unsatisfiable rather than
 * ignored, as registry clients expect. */
RpRangeKind rp_range_parse (const char *header, guint64 size_bytes, RpByteRange *out);

/* `a-b` or `bytes a-b/total` (total is not looked at): RP_ERROR_UPLOAD_INVALID. */
gboolean rp_content_range_parse (const char *header, RpByteRange *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
