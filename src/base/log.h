/* One line a message on standard error: `<time> level area: text`, or the same as JSON or logfmt.  Thread-safe.  Never a secret. */
#pragma once

#include "base/log_line.h"

typedef enum { RP_LOG_DEBUG, RP_LOG_INFO, RP_LOG_WARNING, RP_LOG_ERROR } RpLogLevel;

void rp_log_set_level (RpLogLevel level); /* default RP_LOG_INFO */
void rp_log_set_format (RpLogFormat format); /* default RP_LOG_TEXT */
guint64 rp_log_dropped (void);                /* lines that standard error did not take */
void rp_log (RpLogLevel level, const char *area, const char *format, ...) G_GNUC_PRINTF (3, 4);
#define rp_log_debug(area, ...) rp_log (RP_LOG_DEBUG, area, __VA_ARGS__)
#define rp_log_info(area, ...) rp_log (RP_LOG_INFO, area, __VA_ARGS__)
#define rp_log_warning(area, ...) rp_log (RP_LOG_WARNING, area, __VA_ARGS__)
#define rp_log_error(area, ...) rp_log (RP_LOG_ERROR, area, __VA_ARGS__)
