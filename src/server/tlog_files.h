/* Handlers of /tlog. */
#pragma once

#include "server/route.h"

gboolean rp_tlog_handle_checkpoint (RpRequest *request, GError **error);
gboolean rp_tlog_handle_cosigned (RpRequest *request, GError **error);
gboolean rp_tlog_handle_key (RpRequest *request, GError **error);
gboolean rp_tlog_handle_tile (RpRequest *request, GError **error);
