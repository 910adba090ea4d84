/* The metric that any other can be joined with by what runs: repoint_release_info. */
#pragma once

#include "server/route.h"

/* For Prometheus, of the apps that `request` may read. */
gboolean rp_release_info_print (const RpRequest *request, GString *out,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
