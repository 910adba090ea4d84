/* A token that lies in a file, as the file has it now: somebody who rotates tokens writes the new one there, and it
 * counts from the next request on.  Thread-safe; blocks for the look at the file.
 */
#pragma once

#include <glib.h>

typedef struct RpBearer RpBearer;

/* RP_ERROR_NOT_FOUND and the like; RP_ERROR_INVALID if there is no token in it. */
RpBearer *rp_bearer_open (const char *file, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_bearer_free (RpBearer *bearer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpBearer, rp_bearer_free)

/* The token, read again where the file is another one than at the last look. A file that is gone or holds no token
 * is a line on the log, once, and the token that was known goes on. NULL for NULL. g_free(). */
char *rp_bearer_secret (RpBearer *bearer);
/* The same as `Authorization: Bearer …`. */
char *rp_bearer_header (RpBearer *bearer);
