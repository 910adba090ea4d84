/* Facts as people read them: short digests, ages, sizes, and a release or a revision in a few
 * words. All results are g_free().  Inputs may be NULL where the API may have null.
 */
#pragma once

#include <glib.h>

#include "base/json.h"
#include "cli/term.h"

char *rp_humane_digest (const char *digest); /* `sha256:9f2c1ab34d5e` */
char *rp_humane_text (const char *text); /* with every digest in it shortened */
char *rp_humane_commit (const char *commit); /* 8 digits; other texts stay */
char *rp_humane_size (gint64 bytes);         /* `12.3 MB` */
char *rp_humane_duration (gint64 ms);        /* `12 min` */
char *rp_humane_ago (const char *at);        /* `12 min ago`, of an RFC 3339 time */
char *rp_humane_verified (const char *at);   /* `verified 3 min ago`, `never verified` */

char *rp_humane_list (const json_t *names);  /* `web-1, web-2`, of an array of strings */

/* `revision 7 (1.2.0)` of a Revision. */
char *rp_humane_revision (const json_t *revision);

/* `3 blobs, 12.3 MB, verified 3 min ago` of a "bytes" object. */
char *rp_humane_bytes (const json_t *bytes);

RpStyle rp_humane_outcome_style (const char *outcome); /* of a Revision */
RpStyle rp_humane_state_style (const char *state);     /* of a TargetState */
