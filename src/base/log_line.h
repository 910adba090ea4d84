/* A line of a log, made of named fields, in the format that was chosen.  No line can be forged: whatever came from
 * outside is quoted, and control characters are blanks. */
#pragma once

#include <glib.h>

typedef enum { RP_LOG_TEXT, RP_LOG_JSON, RP_LOG_LOGFMT } RpLogFormat;

extern const char *const rp_log_formats[]; /* `text`, `json`, `logfmt`; NULL-ended, in the order of RpLogFormat */

typedef struct {
  const char *key;
  const char *text; /* or NULL: it is `number` */
  gint64 number;
} RpLogField;

/* Appends the fields and a newline. RP_LOG_TEXT: values alone, `-` for an empty one. Bytes that are not UTF-8
 * are replaced. */
void rp_log_line (RpLogFormat format, const RpLogField *fields, gsize n_fields, GString *out);
