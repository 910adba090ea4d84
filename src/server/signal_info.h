/* The metric by which Prometheus can call somebody: repoint_signals. */
#pragma once

#include "server/route.h"

/* Of the current revisions that are or were watched, in the apps that `request` may read. */
gboolean rp_signal_info_print (const RpRequest *request, GString *out,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
