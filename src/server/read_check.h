/* Hashes a share of the blobs that are sent whole, while they are sent.  Where the bytes turn out wrong the last of
 * them are held back and the connection is cut: nobody has got all of a damaged blob then.  It goes to quarantine, and
 * into the ledger, right after.  Thread-safe.
 */
#pragma once

#include <microhttpd.h>

#include "registry/registry.h"

#define RP_READ_SHARE_ALL 1000000 /* shares are in millionths */

typedef struct RpReadCheck RpReadCheck;

RpReadCheck *rp_read_check_new (RpRegistry *registry); /* borrowed */
/* When no response is left. Blocks until what was found is recorded; NULL is fine. */
void rp_read_check_free (RpReadCheck *check);
void rp_read_check_set (RpReadCheck *check, gint64 share);
/* Is it the turn of this read? By chance. */
gboolean rp_read_check_wants (RpReadCheck *check);
/* Sends all of `fd`, which is taken over. NULL, and `fd` is closed, if that cannot be. */
struct MHD_Response *rp_read_check_response (RpReadCheck *check, const RpDigest *digest, int fd,
                                             guint64 size_bytes);
/* Prometheus. */
void rp_read_check_print (const RpReadCheck *check, GString *out);
