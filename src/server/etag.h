/* Entity tags (RFC 9110): what an answer is a version of, so that a change can say what it rests on. */
#pragma once

#include <glib.h>

/* Does If-None-Match, `header`, name `etag` (with its quotes)? Weak comparison. */
gboolean rp_etag_listed (const char *header, const char *etag);

/* The tag of a pointer: its revision, `"7"`; 0 where nothing was deployed yet. g_free(). */
char *rp_etag_of_revision (gint64 revision);
/* If-Match, `header`: one such tag. `*` is RP_ERROR_INVALID too: it would rest on nothing. */
gboolean rp_etag_parse_revision (const char *header, gint64 *out_revision,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
