/* Files of certificates of authorities that are trusted beside the system's: --ca-file. */
#pragma once

#include <glib.h>

/* RP_ERROR_INVALID unless `path` is a file in PEM with a certificate at least, all of which can be read and one of which is
 * not over.  Blocks. */
gboolean rp_authorities_probe (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
